/* DMARC against a resolver that answers from a table, and the public suffix list. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/fake_dns.h"
#include "lib/mailauth/dmarc.h"

static const struct fake_row zone[] = {
	{"_dmarc.reject.test", "TXT", "v=DMARC1; p=reject; sp=quarantine"},
	{"reject.test", "A", "192.0.2.1"},
	{"_dmarc.own.reject.test", "TXT", "v=DMARC1; p=none"},
	{"_dmarc.strict.test", "TXT", "v=DMARC1; p=reject; adkim=s; aspf=s"},
	{"_dmarc.half.test", "TXT", "v=DMARC1; p=reject; pct=50"},
	{"_dmarc.trial.test", "TXT", "v=DMARC1; p=quarantine; t=y"},
	{"_dmarc.np.test", "TXT", "v=DMARC1; p=none; sp=quarantine; np=reject"},
	{"there.np.test", "TXT", "something"},
	{"_dmarc.two.test", "TXT", "v=DMARC1; p=reject"},
	{"_dmarc.two.test", "TXT", "v=DMARC1; p=none"},
	{"_dmarc.one.test", "TXT", "v=DMARC1; p=reject"},
	{"_dmarc.one.test", "TXT", "v=spf1 -all"},
	{"_dmarc.broken.test", "TXT", NULL},
	{"_dmarc.co.uk", "TXT", "v=DMARC1; psd=y; p=none; sp=quarantine; np=reject"},
	{"shop.co.uk", "A", "192.0.2.1"},
	{"_dmarc.org.uk", "TXT", "v=DMARC1; p=reject"},
	{NULL, NULL, NULL},
};

struct fixture {
	struct event_base *base;
	struct dns dns;
	struct org_domains *o;
	unsigned called;
	struct dmarc_answer answer;
	char policy_domain[64];
};

static int
setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);
	struct err err;

	f->base = event_base_new();
	f->dns = (struct dns){.base = f->base, .rows = zone};
	f->o = org_domains_new(&err);
	assert_non_null(f->o);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->dns.in_flight, 0);
	org_domains_free(&f->o);
	event_base_free(f->base);
	mem_free(f);
	return 0;
}

static void
on_dmarc(void *arg, const struct dmarc_answer *answer)
{
	struct fixture *f = arg;

	f->called++;
	f->answer = *answer;
	str_copy(answer->policy_domain, f->policy_domain, sizeof(f->policy_domain));
}

/* by: "spf:domain dkim:domain", with "?" in front for a temporary error. */
static struct dmarc_check *
ask(struct fixture *f, const char *from, const char *by)
{
	struct dmarc_identifier ids[8];
	struct dmarc_question q = {.from = str_c(from), .identifiers = ids};
	struct str rest = str_c(by), word, method;

	while (str_next_word(&rest, " ", &word)) {
		struct dmarc_identifier *id = &ids[q.count++];

		id->is_temporary = word.p[0] == '?';
		str_cut(str_from(word, id->is_temporary), ':', &method, &id->domain);
		id->method = str_eq(method, STR("spf")) ? DMARC_BY_SPF : DMARC_BY_DKIM;
	}
	f->called = 0;
	return dmarc_check_start(&f->dns, f->o, &q, on_dmarc, f);
}

static void
test_results(void **state)
{
	static const struct {
		const char *from, *by;
		enum dmarc_result result;
		enum dmarc_policy policy;
		const char *policy_domain;
	} rows[] = {
		{"missing.test", "spf:missing.test", DMARC_RESULT_NONE, DMARC_NONE, ""},
		{"reject.test", "", DMARC_RESULT_FAIL, DMARC_REJECT, "reject.test"},
		{"reject.test", "spf:reject.test", DMARC_RESULT_PASS, DMARC_REJECT, "reject.test"},
		{"reject.test", "dkim:Mail.Reject.test", DMARC_RESULT_PASS, DMARC_REJECT, "reject.test"},
		{"reject.test", "spf:other.test dkim:other.test", DMARC_RESULT_FAIL, DMARC_REJECT, "reject.test"},
		{"reject.test", "spf:notreject.test dkim:test", DMARC_RESULT_FAIL, DMARC_REJECT, "reject.test"},
		{"a.b.reject.test", "dkim:reject.test", DMARC_RESULT_PASS, DMARC_QUARANTINE, "reject.test"},
		{"a.b.reject.test", "", DMARC_RESULT_FAIL, DMARC_QUARANTINE, "reject.test"},
		{"own.reject.test", "", DMARC_RESULT_FAIL, DMARC_NONE, "own.reject.test"},
		{"strict.test", "spf:mail.strict.test dkim:mail.strict.test", DMARC_RESULT_FAIL, DMARC_REJECT, "strict.test"},
		{"strict.test", "dkim:strict.test", DMARC_RESULT_PASS, DMARC_REJECT, "strict.test"},
		{"there.np.test", "", DMARC_RESULT_FAIL, DMARC_QUARANTINE, "np.test"},
		{"gone.np.test", "", DMARC_RESULT_FAIL, DMARC_REJECT, "np.test"},
		{"two.test", "", DMARC_RESULT_NONE, DMARC_NONE, ""},
		{"one.test", "", DMARC_RESULT_FAIL, DMARC_REJECT, "one.test"},
		{"broken.test", "dkim:broken.test", DMARC_RESULT_TEMPERROR, DMARC_NONE, ""},
		{"reject.test", "?dkim:reject.test", DMARC_RESULT_TEMPERROR, DMARC_REJECT, "reject.test"},
		{"reject.test", "?dkim:other.test", DMARC_RESULT_FAIL, DMARC_REJECT, "reject.test"},
		{"reject.test", "?dkim:reject.test spf:reject.test", DMARC_RESULT_PASS, DMARC_REJECT, "reject.test"},
		{"shop.co.uk", "spf:rival.co.uk", DMARC_RESULT_FAIL, DMARC_QUARANTINE, "co.uk"},
		{"gone.co.uk", "", DMARC_RESULT_FAIL, DMARC_REJECT, "co.uk"},
		{"club.org.uk", "", DMARC_RESULT_NONE, DMARC_NONE, ""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(f, rows[i].from, rows[i].by);
		assert_int_equal(f->called, 0);
		event_base_dispatch(f->base);
		assert_int_equal(f->called, 1);
		if (f->answer.result != rows[i].result || f->answer.policy != rows[i].policy ||
		    strcmp(f->policy_domain, rows[i].policy_domain) != 0)
			fail_msg("%s by %s: %s %s of %s", rows[i].from, rows[i].by, dmarc_result_name(f->answer.result),
				 dmarc_policy_name(f->answer.policy), f->policy_domain);
	}
}

static void
test_dispositions(void **state)
{
	static const struct {
		const char *from, *by;
		unsigned draw;
		enum dmarc_policy disposition;
	} rows[] = {
		{"reject.test", "", 99, DMARC_REJECT},
		{"reject.test", "spf:reject.test", 0, DMARC_NONE},
		{"reject.test", "?spf:reject.test", 0, DMARC_NONE},
		{"half.test", "", 49, DMARC_REJECT},
		{"half.test", "", 50, DMARC_QUARANTINE},
		{"trial.test", "", 0, DMARC_NONE},
		{"missing.test", "", 0, DMARC_NONE},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		ask(f, rows[i].from, rows[i].by);
		event_base_dispatch(f->base);
		assert_int_equal(dmarc_disposition(&f->answer, rows[i].draw), rows[i].disposition);
	}
}

static void
test_cancel(void **state)
{
	struct fixture *f = *state;

	for (unsigned steps = 0; steps < 3; steps++) {
		struct dmarc_check *c = ask(f, "gone.np.test", "");

		for (unsigned i = 0; i < steps; i++)
			event_base_loop(f->base, EVLOOP_ONCE);
		assert_int_equal(f->called, 0);
		dmarc_check_cancel(&c);
		assert_int_equal(f->dns.in_flight, 0);
	}
}

static void
test_org_domains(void **state)
{
	static const struct {
		const char *domain, *org, *suffix;
	} rows[] = {
		{"example.org", "example.org", "org"},	    {"a.b.example.co.uk", "example.co.uk", "co.uk"},
		{"co.uk", "co.uk", ""},			    {"mail.example.test", "example.test", "test"},
		{"org", "org", ""},			    {"a.xn--55qx5d.cn", "a.xn--55qx5d.cn", "xn--55qx5d.cn"},
		{"..", "..", ""},			    {"", "", ""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct str org = org_domain(f->o, str_c(rows[i].domain));

		if (!str_eq(org, str_c(rows[i].org)))
			fail_msg("%s: %.*s", rows[i].domain, STR_ARG(org));
		if (i != 6)
			assert_true(str_eq(org_domain_suffix(f->o, str_c(rows[i].domain)), str_c(rows[i].suffix)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_results, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dispositions, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
		cmocka_unit_test_setup_teardown(test_org_domains, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
