/* What is said about a message in the end: to its readers, to the judge, in the metrics. */
#include "frontend/verify/private.h"
#include "lib/base/buf.h"
#include "lib/mailauth/auth_results.h"
#include "lib/service/metrics.h"

/* The best of the signatures: one that holds is enough. */
static enum dkim_result
outcome_dkim(const struct verify_check *c)
{
	enum dkim_result result = c->signature_count > 0 ? c->signatures[0].result : DKIM_RESULT_NONE;

	for (unsigned i = 0; i < c->signature_count; i++)
		if (c->signatures[i].result == DKIM_RESULT_PASS)
			result = DKIM_RESULT_PASS;
	return result;
}

static void
outcome_write(const struct verify_check *c, unsigned signatures, struct buf *out)
{
	struct auth_results r;

	buf_clear(out);
	auth_results_begin(&r, c->authserv_id, out);
	if (c->sender.is_wanted)
		auth_results_add_spf(&r, &c->sender.answer, false, c->reverse_path);
	auth_results_add_spf(&r, &c->hello.answer, true, c->helo);
	/* None left does not mean that there was none. */
	if (signatures > 0 || c->signature_count == 0)
		auth_results_add_dkim(&r, c->signatures, signatures);
	auth_results_add_dmarc(&r, &c->policy);
	auth_results_add_arc(&r, c->chain, c->is_vouched_for);
	auth_results_end(&r);
}

/* Names may be long: the last signatures are left out if they do not fit. */
static struct str
outcome_results(struct verify_check *c)
{
	struct buf out = BUF_EMPTY;
	unsigned signatures = c->signature_count;
	struct str results;

	outcome_write(c, signatures, &out);
	while (out.len > VERIFY_RESULTS_MAX && signatures > 0)
		outcome_write(c, --signatures, &out);
	results = out.len <= VERIFY_RESULTS_MAX ? arena_str(&c->arena, buf_str(&out)) : STR_NONE;
	buf_fini(&out);
	return results;
}

/* ---- Counting ---- */
static const enum metric outcome_spf_metrics[SPF_RESULTS] = {
	[SPF_NONE] = M_VERIFIED_SPF_NONE,	    [SPF_NEUTRAL] = M_VERIFIED_SPF_NEUTRAL,
	[SPF_PASS] = M_VERIFIED_SPF_PASS,	    [SPF_FAIL] = M_VERIFIED_SPF_FAIL,
	[SPF_SOFTFAIL] = M_VERIFIED_SPF_SOFTFAIL,   [SPF_TEMPERROR] = M_VERIFIED_SPF_TEMPERROR,
	[SPF_PERMERROR] = M_VERIFIED_SPF_PERMERROR,
};

static const enum metric outcome_dkim_metrics[DKIM_RESULTS] = {
	[DKIM_RESULT_NONE] = M_VERIFIED_DKIM_NONE,	     [DKIM_RESULT_PASS] = M_VERIFIED_DKIM_PASS,
	[DKIM_RESULT_FAIL] = M_VERIFIED_DKIM_FAIL,	     [DKIM_RESULT_POLICY] = M_VERIFIED_DKIM_POLICY,
	[DKIM_RESULT_NEUTRAL] = M_VERIFIED_DKIM_NEUTRAL,     [DKIM_RESULT_TEMPERROR] = M_VERIFIED_DKIM_TEMPERROR,
	[DKIM_RESULT_PERMERROR] = M_VERIFIED_DKIM_PERMERROR,
};

static const enum metric outcome_dmarc_metrics[DMARC_RESULTS] = {
	[DMARC_RESULT_NONE] = M_VERIFIED_DMARC_NONE,	       [DMARC_RESULT_PASS] = M_VERIFIED_DMARC_PASS,
	[DMARC_RESULT_FAIL] = M_VERIFIED_DMARC_FAIL,	       [DMARC_RESULT_TEMPERROR] = M_VERIFIED_DMARC_TEMPERROR,
	[DMARC_RESULT_PERMERROR] = M_VERIFIED_DMARC_PERMERROR,
};

static const enum metric outcome_arc_metrics[ARC_RESULTS] = {
	[ARC_NONE] = M_VERIFIED_ARC_NONE,
	[ARC_PASS] = M_VERIFIED_ARC_PASS,
	[ARC_FAIL] = M_VERIFIED_ARC_FAIL,
	[ARC_TEMPERROR] = M_VERIFIED_ARC_TEMPERROR,
};

static void
outcome_count(const struct verify_check *c, enum spf_result spf, enum dkim_result dkim)
{
	metrics_add(outcome_spf_metrics[spf], 1);
	metrics_add(outcome_dkim_metrics[dkim], 1);
	metrics_add(outcome_dmarc_metrics[c->policy.result], 1);
	metrics_add(outcome_arc_metrics[c->chain->result], 1);
}

void
verify_outcome_make(struct verify_check *c, struct verify_outcome *outcome_out)
{
	const struct verify_spf *spf = c->sender.is_wanted ? &c->sender : &c->hello;
	enum dkim_result dkim = outcome_dkim(c);

	*outcome_out = (struct verify_outcome){
		.results = outcome_results(c),
		.summary =
			arena_printf(&c->arena, "spf=%s dkim=%s dmarc=%s arc=%s%s", spf_result_name(spf->answer.result),
				     dkim_result_name(dkim), dmarc_result_name(c->policy.result),
				     arc_result_name(c->chain->result), c->is_vouched_for ? " (trusted)" : ""),
		.spf = spf->answer.result,
		.spf_domain = spf->answer.domain,
		.explanation = spf->answer.explanation,
		.wanted = c->wanted,
		.author = c->policy.from,
		.is_author_unclear = c->author_kind != AUTHOR_ONE && c->author_kind != AUTHOR_NONE,
		.is_unproved = c->is_unproved,
	};
	outcome_count(c, spf->answer.result, dkim);
}
