#include "lib/mailauth/dmarc_record.h"

#include "lib/base/check.h"
#include "lib/dkim/tags.h"

static const char *const policies[DMARC_POLICIES] = {"none", "quarantine", "reject"};

const char *
dmarc_policy_name(enum dmarc_policy policy)
{
	CHECK((unsigned)policy < DMARC_POLICIES);
	return policies[policy];
}

static bool
record_read_policy(struct str value, enum dmarc_policy *out)
{
	for (unsigned i = 0; i < DMARC_POLICIES; i++) {
		if (!str_eq_ci(value, str_c(policies[i])))
			continue;
		*out = (enum dmarc_policy)i;
		return true;
	}
	return false;
}

/* What has been read so far, and which policies were there. */
struct reading {
	struct dmarc_record *record; /* borrowed */
	bool has_subdomain_policy;
};

static void
record_read_tag(struct reading *r, const struct dkim_tag *tag)
{
	struct dmarc_record *record = r->record;
	uint64_t number;

	if (str_eq_ci(tag->name, STR("p")))
		record_read_policy(tag->value, &record->policy);
	else if (str_eq_ci(tag->name, STR("sp")))
		r->has_subdomain_policy |= record_read_policy(tag->value, &record->subdomain_policy);
	else if (str_eq_ci(tag->name, STR("np")))
		record->has_nonexistent_policy |= record_read_policy(tag->value, &record->nonexistent_policy);
	else if (str_eq_ci(tag->name, STR("adkim")))
		record->is_dkim_strict = str_eq_ci(tag->value, STR("s"));
	else if (str_eq_ci(tag->name, STR("aspf")))
		record->is_spf_strict = str_eq_ci(tag->value, STR("s"));
	else if (str_eq_ci(tag->name, STR("t")))
		record->is_test = str_eq_ci(tag->value, STR("y"));
	else if (str_eq_ci(tag->name, STR("psd")))
		record->is_public_suffix = str_eq_ci(tag->value, STR("y"));
	else if (str_eq_ci(tag->name, STR("pct"))) {
		if (str_to_u64(tag->value, &number) && number <= 100)
			record->percent = (unsigned)number;
	} else if (str_eq_ci(tag->name, STR("rua")))
		record->aggregate_to = tag->value;
	else if (str_eq_ci(tag->name, STR("ruf")))
		record->failures_to = tag->value;
}

bool
dmarc_record_parse(struct str text, struct dmarc_record *record_out)
{
	struct reading reading = {.record = record_out};
	struct dkim_tag tag;
	bool good;

	*record_out = (struct dmarc_record){.policy = DMARC_NONE, .percent = 100};
	/* The version comes first, in this spelling. */
	if (!dkim_tag_next(&text, &tag, &good) || !good || !str_eq_ci(tag.name, STR("v")) ||
	    !str_eq(tag.value, STR("DMARC1")))
		return false;
	while (dkim_tag_next(&text, &tag, &good))
		if (good)
			record_read_tag(&reading, &tag);
	if (!reading.has_subdomain_policy)
		record_out->subdomain_policy = record_out->policy;
	if (!record_out->has_nonexistent_policy)
		record_out->nonexistent_policy = record_out->subdomain_policy;
	return true;
}
