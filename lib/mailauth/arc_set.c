#include "lib/mailauth/arc_set.h"

#include "lib/base/check.h"

static const char *const results[ARC_RESULTS] = {"none", "pass", "fail", "temperror"};

const char *
arc_result_name(enum arc_result result)
{
	CHECK((unsigned)result < ARC_RESULTS);
	return results[result];
}

/* ---- The three kinds of fields ---- */
static unsigned
arc_read_instance(struct str value)
{
	uint64_t instance;

	if (value.len > 2 || !str_to_u64(value, &instance) || instance > ARC_INSTANCES_MAX)
		return 0;
	return (unsigned)instance;
}

/* "i=1; authserv-id; ..."; 0: it has no instance. */
static unsigned
arc_read_results(struct str value, struct str *payload_out)
{
	struct str first, name, number;

	if (!str_cut(value, ';', &first, payload_out) || !str_cut(first, '=', &name, &number) ||
	    !str_eq(str_trim(name), STR("i")))
		return 0;
	*payload_out = str_trim(*payload_out);
	return arc_read_instance(str_trim(number));
}

static unsigned
arc_read_tagged_instance(struct str value)
{
	struct dkim_tags tags;

	return dkim_tags_parse(value, &tags) ? arc_read_instance(dkim_tags_value(&tags, "i", "")) : 0;
}

static const char *
arc_read_cv(struct str value, struct arc_seal *out)
{
	for (unsigned i = ARC_NONE; i <= ARC_FAIL; i++)
		if (str_eq(value, str_c(results[i]))) {
			out->cv = (enum arc_result)i;
			return NULL;
		}
	return "a seal without a state";
}

static const char *
arc_read_seal(struct str field, struct str value, struct arc_seal *out)
{
	struct dkim_tags tags;
	const struct dkim_tag *made;
	struct str algorithm;
	uint64_t made_s;

	*out = (struct arc_seal){.field = field};
	if (field.len > DKIM_SIGNATURE_FIELD_MAX || !dkim_tags_parse(value, &tags))
		return "a malformed seal";
	algorithm = dkim_tags_value(&tags, "a", "");
	out->domain = dkim_tags_value(&tags, "d", "");
	out->selector = dkim_tags_value(&tags, "s", "");
	out->signature = dkim_tags_value(&tags, "b", "");
	made = dkim_tags_find(&tags, STR("t"));
	out->algorithm = str_eq(algorithm, STR("ed25519-sha256")) ? DKIM_ED25519 : DKIM_RSA;
	if (out->algorithm == DKIM_RSA && !str_eq(algorithm, STR("rsa-sha256")))
		return "a seal with an unknown algorithm";
	if (!dkim_signature_is_domain(out->domain) || !dkim_signature_is_domain(out->selector) ||
	    out->signature.len == 0)
		return "a seal without d=, s= or b=";
	if ((made != NULL && !str_to_u64(made->value, &made_s)) || dkim_tags_find(&tags, STR("h")) != NULL)
		return "a seal with a bad t=, or with h=";
	return arc_read_cv(dkim_tags_value(&tags, "cv", ""), out);
}

/* ---- Into sets ---- */
/* Files one field; a second one of its kind and instance breaks the chain. */
static const char *
arc_file(struct arc_chain *chain, struct str *place, struct str text, unsigned instance)
{
	if (instance == 0)
		return "a field without an instance";
	if (place->len > 0)
		return "two fields of one instance";
	*place = text;
	if (instance > chain->count)
		chain->count = instance;
	return NULL;
}

static const char *
arc_file_field(struct arc_chain *chain, const struct dkim_field *field)
{
	struct str value = dkim_field_value(field), payload = STR_NONE;
	struct arc_set outside = {0}, *set;
	unsigned instance;

	if (dkim_field_is(field, "ARC-Authentication-Results")) {
		instance = arc_read_results(value, &payload);
		set = instance > 0 ? &chain->sets[instance - 1] : &outside;
		set->payload = payload;
		return arc_file(chain, &set->results, field->text, instance);
	}
	if (!dkim_field_is(field, "ARC-Message-Signature") && !dkim_field_is(field, "ARC-Seal"))
		return NULL;
	instance = arc_read_tagged_instance(value);
	set = instance > 0 ? &chain->sets[instance - 1] : &outside;
	return arc_file(chain, dkim_field_is(field, "ARC-Seal") ? &set->seal.field : &set->message.field, field->text,
			instance);
}

static struct str
arc_value(struct str field)
{
	struct str name, value;

	str_cut(field, ':', &name, &value);
	return value;
}

/* 5.2, steps 3 and 4: every set is whole, and says of the chain before it what fits. */
static const char *
arc_read_set(struct arc_set *set, unsigned instance, unsigned count, int64_t now)
{
	enum dkim_result ignored;
	const char *problem;

	if (set->results.len == 0 || set->message.field.len == 0 || set->seal.field.len == 0)
		return "a set is not complete";
	problem = arc_read_seal(set->seal.field, arc_value(set->seal.field), &set->seal);
	if (problem != NULL)
		return problem;
	if (set->seal.cv == ARC_FAIL)
		return "the chain was broken before";
	if ((set->seal.cv == ARC_NONE) != (instance == 1))
		return "a seal with a state that does not fit";
	/* Only the newest message signature must hold: the message may have been changed since the others. */
	problem = dkim_signature_parse(set->message.field, DKIM_ARC_MESSAGE_SIGNATURE, now, &set->message, &ignored);
	return instance == count ? problem : NULL;
}

static bool
arc_has_fields(const struct dkim_fields *fields)
{
	for (unsigned i = 0; i < fields->count; i++)
		if (str_starts_ci(fields->items[i].name, STR("ARC-")))
			return true;
	return false;
}

const char *
arc_chain_read(const struct dkim_fields *fields, int64_t now, struct arena *arena, struct arc_chain *chain_out)
{
	const char *problem = NULL;

	*chain_out = (struct arc_chain){0};
	/* Most messages have none, and all of them together are large. */
	if (!arc_has_fields(fields))
		return NULL;
	chain_out->sets = arena_array(arena, struct arc_set, ARC_INSTANCES_MAX);
	for (unsigned i = 0; i < fields->count && problem == NULL; i++)
		problem = arc_file_field(chain_out, &fields->items[i]);
	for (unsigned i = chain_out->count; i > 0 && problem == NULL; i--)
		problem = arc_read_set(&chain_out->sets[i - 1], i, chain_out->count, now);
	return problem;
}

void
arc_seal_digest(const struct arc_chain *chain, unsigned instance, unsigned char digest_out[DKIM_DIGEST_BYTES])
{
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	struct buf out = BUF_EMPTY;

	CHECK(instance >= 1 && instance <= chain->count);
	CHECK(digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
	for (unsigned i = 0; i < instance; i++) {
		const struct arc_set *set = &chain->sets[i];

		buf_clear(&out);
		dkim_canon_field(set->results, &out);
		dkim_canon_field(set->message.field, &out);
		if (i + 1 < instance)
			dkim_canon_field(set->seal.field, &out);
		else
			dkim_signature_canon(DKIM_RELAXED, set->seal.field, set->seal.signature, &out);
		EVP_DigestUpdate(digest, out.data, out.len);
	}
	CHECK(EVP_DigestFinal_ex(digest, digest_out, NULL) == 1);
	EVP_MD_CTX_free(digest);
	buf_fini(&out);
}
