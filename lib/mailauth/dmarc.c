#include "lib/mailauth/dmarc.h"

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

#define PLACES_MAX 3 /* domains whose record is asked for */

struct dmarc_check {
	struct dns *dns;	     /* borrowed */
	const struct org_domains *o; /* borrowed */
	struct dns_query *query;     /* owner; NULL: none */
	struct arena arena;
	struct dmarc_identifier identifiers[DMARC_IDENTIFIERS_MAX];
	unsigned count;
	struct str places[PLACES_MAX]; /* the author's domain, and those above */
	unsigned place_count, at;
	bool is_suffix; /* the last place is a public suffix: its record must say so */
	struct dmarc_answer answer;
	dmarc_on_answer *cb;
	void *arg;
};

static void
dmarc_free(struct dmarc_check *c)
{
	dns_cancel(&c->query);
	arena_fini(&c->arena);
	mem_free(c);
}

static void
dmarc_end(struct dmarc_check *c, enum dmarc_result result, const char *problem)
{
	c->answer.result = result;
	c->answer.problem = problem;
	c->cb(c->arg, &c->answer);
	dmarc_free(c);
}

void
dmarc_check_cancel(struct dmarc_check **c)
{
	if (*c != NULL)
		dmarc_free(*c);
	*c = NULL;
}

/* ---- Alignment (RFC 7489, 3.1) ---- */
static bool
dmarc_is_aligned(const struct dmarc_check *c, const struct dmarc_identifier *id)
{
	const struct dmarc_record *record = &c->answer.record;
	bool is_strict = id->method == DMARC_BY_SPF ? record->is_spf_strict : record->is_dkim_strict;

	if (is_strict)
		return str_eq_ci(id->domain, c->answer.from);
	return org_domain_is_same(c->o, id->domain, c->answer.from);
}

/* With a policy in hand. What failed only for now must not count as a failure. */
static void
dmarc_judge(struct dmarc_check *c)
{
	bool may_pass = false;

	for (unsigned i = 0; i < c->count; i++) {
		const struct dmarc_identifier *id = &c->identifiers[i];

		if (!dmarc_is_aligned(c, id))
			continue;
		may_pass |= id->is_temporary;
		if (!id->is_temporary)
			*(id->method == DMARC_BY_SPF ? &c->answer.is_spf_aligned : &c->answer.is_dkim_aligned) = true;
	}
	if (c->answer.is_spf_aligned || c->answer.is_dkim_aligned)
		dmarc_end(c, DMARC_RESULT_PASS, NULL);
	else if (may_pass)
		dmarc_end(c, DMARC_RESULT_TEMPERROR, "SPF or DKIM could not be checked");
	else
		dmarc_end(c, DMARC_RESULT_FAIL, NULL);
}

/* ---- Whose policy ---- */
static void
dmarc_on_existence(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct dmarc_check *c = arg;

	c->query = NULL;
	/* If it cannot be told, the name counts as existing: sp= is what older records have. */
	if (err == NULL && !answer->exists)
		c->answer.policy = c->answer.record.nonexistent_policy;
	dmarc_judge(c);
}

static void
dmarc_found(struct dmarc_check *c)
{
	struct dmarc_record *record = &c->answer.record;

	c->answer.policy_domain = c->places[c->at];
	c->answer.policy = c->at == 0 ? record->policy : record->subdomain_policy;
	if (c->at > 0 && record->has_nonexistent_policy)
		c->query = dns_query_ips(c->dns, c->answer.from, true, true, dmarc_on_existence, c);
	else
		dmarc_judge(c);
}

static void dmarc_ask(struct dmarc_check *c);

/* Several records are as good as none (RFC 7489, 6.6.3). */
static bool
dmarc_select(struct dmarc_check *c, const struct dns_answer *answer)
{
	struct dmarc_record one;
	unsigned count = 0;
	bool must_be_suffix = c->is_suffix && c->at + 1 == c->place_count;

	for (unsigned i = 0; i < answer->text_count; i++) {
		if (!dmarc_record_parse(arena_str(&c->arena, answer->texts[i]), &one))
			continue;
		c->answer.record = one;
		count++;
	}
	return count == 1 && (!must_be_suffix || c->answer.record.is_public_suffix);
}

static void
dmarc_on_record(void *arg, const struct dns_answer *answer, const struct err *err)
{
	struct dmarc_check *c = arg;

	c->query = NULL;
	if (err != NULL) {
		dmarc_end(c, DMARC_RESULT_TEMPERROR, arena_strdup(&c->arena, err->text));
	} else if (dmarc_select(c, answer)) {
		dmarc_found(c);
	} else if (++c->at < c->place_count) {
		dmarc_ask(c);
	} else {
		c->answer.record = (struct dmarc_record){.policy = DMARC_NONE};
		dmarc_end(c, DMARC_RESULT_NONE, NULL);
	}
}

static void
dmarc_ask(struct dmarc_check *c)
{
	const char *name = arena_printf(&c->arena, "_dmarc.%.*s", STR_ARG(c->places[c->at]));

	c->query = dns_query_txt(c->dns, str_c(name), dmarc_on_record, c);
}

static void
dmarc_find_places(struct dmarc_check *c)
{
	struct str from = c->answer.from, org = org_domain(c->o, from), suffix = org_domain_suffix(c->o, from);

	c->places[c->place_count++] = from;
	if (org.len < from.len)
		c->places[c->place_count++] = org;
	if (suffix.len > 0 && suffix.len < org.len) {
		c->places[c->place_count++] = suffix;
		c->is_suffix = true;
	}
}

struct dmarc_check *
dmarc_check_start(struct dns *dns, const struct org_domains *o, const struct dmarc_question *question,
		  dmarc_on_answer *cb, void *arg)
{
	struct dmarc_check *c = mem_new(struct dmarc_check);

	CHECK(question->from.len > 0);
	c->dns = dns;
	c->o = o;
	c->cb = cb;
	c->arg = arg;
	arena_init(&c->arena);
	c->answer.from = arena_str(&c->arena, question->from);
	for (unsigned i = 0; i < question->count && c->count < DMARC_IDENTIFIERS_MAX; i++) {
		struct dmarc_identifier *id = &c->identifiers[c->count++];

		*id = question->identifiers[i];
		id->domain = arena_str(&c->arena, id->domain);
	}
	dmarc_find_places(c);
	dmarc_ask(c);
	return c;
}

enum dmarc_policy
dmarc_disposition(const struct dmarc_answer *answer, unsigned draw)
{
	enum dmarc_policy policy = answer->policy;

	if (answer->result != DMARC_RESULT_FAIL || policy == DMARC_NONE)
		return DMARC_NONE;
	if (answer->record.is_test || draw >= answer->record.percent)
		return policy == DMARC_REJECT ? DMARC_QUARANTINE : DMARC_NONE;
	return policy;
}
