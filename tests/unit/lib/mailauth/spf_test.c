/* SPF checks against a resolver that answers from a table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "tests/unit/fake_dns.h"
#include "lib/mailauth/spf.h"

static const struct fake_row zone[] = {
	{"pass.test", "TXT", "v=spf1 ip4:192.0.2.1 -all"},
	{"pass.test", "TXT", "something else"},
	{"soft.test", "TXT", "v=spf1 ~all"},
	{"neutral.test", "TXT", "v=spf1 ip4:198.51.100.1"},
	{"two.test", "TXT", "v=spf1 -all"},
	{"two.test", "TXT", "v=spf1 +all"},
	{"bad.test", "TXT", "v=spf1 moo -all"},
	{"broken.test", "TXT", NULL},
	{"a.test", "TXT", "v=spf1 a -all"},
	{"a.test", "A", "192.0.2.1"},
	{"a.test", "AAAA", "2001:db8::1"},
	{"a24.test", "TXT", "v=spf1 a:a.test/24 -all"},
	{"abroken.test", "TXT", "v=spf1 a:noa.test -all"},
	{"noa.test", "A", NULL},
	{"mx.test", "TXT", "v=spf1 mx -all"},
	{"mx.test", "MX", "other.test"},
	{"mx.test", "MX", "a.test"},
	{"nullmx.test", "TXT", "v=spf1 mx -all"},
	{"nullmx.test", "MX", ""},
	{"manymx.test", "TXT", "v=spf1 mx -all"},
	{"manymx.test", "MX", "a.test"}, {"manymx.test", "MX", "a.test"}, {"manymx.test", "MX", "a.test"},
	{"manymx.test", "MX", "a.test"}, {"manymx.test", "MX", "a.test"}, {"manymx.test", "MX", "a.test"},
	{"manymx.test", "MX", "a.test"}, {"manymx.test", "MX", "a.test"}, {"manymx.test", "MX", "a.test"},
	{"manymx.test", "MX", "a.test"}, {"manymx.test", "MX", "a.test"},
	{"ptr.test", "TXT", "v=spf1 ptr -all"},
	{"192.0.2.1", "PTR", "liar.ptr.test"},
	{"192.0.2.1", "PTR", "mail.PTR.test"},
	{"liar.ptr.test", "A", "198.51.100.1"},
	{"mail.ptr.test", "A", "192.0.2.1"},
	{"notptr.test", "TXT", "v=spf1 ptr:tr.test -all"},
	{"p.test", "TXT", "v=spf1 exists:%{p}.known.test -all"},
	{"mail.ptr.test.known.test", "A", "127.0.0.2"},
	{"exists.test", "TXT", "v=spf1 exists:%{ir}.%{l}.list.test -all"},
	{"1.2.0.192.alice.list.test", "A", "127.0.0.2"},
	{"include.test", "TXT", "v=spf1 include:pass.test ~all"},
	{"includesoft.test", "TXT", "v=spf1 ?include:soft.test +all"},
	{"includenone.test", "TXT", "v=spf1 include:missing.test +all"},
	{"includetwo.test", "TXT", "v=spf1 include:two.test +all"},
	{"includebroken.test", "TXT", "v=spf1 include:broken.test +all"},
	{"redirect.test", "TXT", "v=spf1 redirect=pass.test"},
	{"redirectnone.test", "TXT", "v=spf1 redirect=missing.test"},
	{"loop.test", "TXT", "v=spf1 include:loop.test -all"},
	{"loop2.test", "TXT", "v=spf1 redirect=loop2.test"},
	{"void2.test", "TXT", "v=spf1 a:x1.test a:x2.test ip4:192.0.2.1 -all"},
	{"void3.test", "TXT", "v=spf1 a:x1.test a:x2.test a:x3.test ip4:192.0.2.1 -all"},
	{"ten.test", "TXT", "v=spf1 a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:a.test -all"},
	{"eleven.test", "TXT", "v=spf1 a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:b.test a:a.test -all"},
	{"b.test", "A", "198.51.100.1"},
	{"exp.test", "TXT", "v=spf1 -all exp=why.test"},
	{"why.test", "TXT", "%{c} may not send for %{o}, %{p}"},
	{"expl.test", "TXT", "v=spf1 -all exp=whyl.test"},
	{"whyl.test", "TXT", "not %{l}"},
	{"exptwo.test", "TXT", "v=spf1 -all exp=twowhy.test"},
	{"twowhy.test", "TXT", "one"},
	{"twowhy.test", "TXT", "two"},
	{"expbroken.test", "TXT", "v=spf1 -all exp=broken.test"},
	{"expinclude.test", "TXT", "v=spf1 include:exp.test -all"},
	{"expredirect.test", "TXT", "v=spf1 redirect=exp.test exp=twowhy.test"},
	{NULL, NULL, NULL},
};

struct fixture {
	struct event_base *base;
	struct dns dns;
	unsigned called;
	enum spf_result result;
	char mechanism[64], explanation[512], problem[256], domain[64];
};

static int
setup(void **state)
{
	struct fixture *f = mem_new(struct fixture);

	f->base = event_base_new();
	f->dns = (struct dns){.base = f->base, .rows = zone};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(f->dns.in_flight, 0);
	event_base_free(f->base);
	mem_free(f);
	return 0;
}

static void
on_spf(void *arg, const struct spf_answer *answer)
{
	struct fixture *f = arg;

	f->called++;
	f->result = answer->result;
	str_copy(answer->mechanism, f->mechanism, sizeof(f->mechanism));
	str_copy(answer->explanation, f->explanation, sizeof(f->explanation));
	str_copy(answer->domain, f->domain, sizeof(f->domain));
	str_copy(str_c(answer->problem), f->problem, sizeof(f->problem));
}

static struct spf_check *
ask(struct fixture *f, const char *sender, const char *helo, const char *ip)
{
	struct spf_question q = {.helo = str_c(helo), .sender = str_c(sender), .receiver = STR("mx.test"), .limit_ms = 200};

	assert_true(ip_parse(str_c(ip), &q.client));
	f->called = 0;
	return spf_check_start(f->base, &f->dns, &q, on_spf, f);
}

static void
check(struct fixture *f, const char *sender, const char *helo, const char *ip)
{
	ask(f, sender, helo, ip);
	assert_int_equal(f->called, 0);
	event_base_dispatch(f->base);
	assert_int_equal(f->called, 1);
	assert_int_equal(f->problem[0] != '\0',
			 f->result == SPF_NONE || f->result == SPF_TEMPERROR || f->result == SPF_PERMERROR);
}

static void
test_results(void **state)
{
	static const struct {
		const char *sender, *ip;
		enum spf_result result;
		const char *mechanism;
	} rows[] = {
		{"x@pass.test", "192.0.2.1", SPF_PASS, "ip4:192.0.2.1"},
		{"x@pass.test.", "192.0.2.1", SPF_PASS, "ip4:192.0.2.1"},
		{"x@pass.test", "::ffff:192.0.2.1", SPF_PASS, "ip4:192.0.2.1"},
		{"x@pass.test", "192.0.2.2", SPF_FAIL, "-all"},
		{"x@soft.test", "192.0.2.2", SPF_SOFTFAIL, "~all"},
		{"x@neutral.test", "192.0.2.2", SPF_NEUTRAL, ""},
		{"x@missing.test", "192.0.2.2", SPF_NONE, ""},
		{"x@[192.0.2.2]", "192.0.2.2", SPF_NONE, ""},
		{"x@localhost", "192.0.2.2", SPF_NONE, ""},
		{"x@a..test", "192.0.2.2", SPF_NONE, ""},
		{"x@", "192.0.2.2", SPF_NONE, ""},
		{"x@two.test", "192.0.2.2", SPF_PERMERROR, ""},
		{"x@bad.test", "192.0.2.2", SPF_PERMERROR, ""},
		{"x@broken.test", "192.0.2.2", SPF_TEMPERROR, ""},
		{"x@a.test", "192.0.2.1", SPF_PASS, "a"},
		{"x@a.test", "2001:db8::1", SPF_PASS, "a"},
		{"x@a.test", "2001:db8::2", SPF_FAIL, "-all"},
		{"x@a24.test", "192.0.2.77", SPF_PASS, "a:a.test/24"},
		{"x@abroken.test", "192.0.2.77", SPF_TEMPERROR, ""},
		{"x@mx.test", "192.0.2.1", SPF_PASS, "mx"},
		{"x@mx.test", "192.0.2.2", SPF_FAIL, "-all"},
		{"x@nullmx.test", "192.0.2.2", SPF_FAIL, "-all"},
		{"x@manymx.test", "192.0.2.1", SPF_PERMERROR, ""},
		{"x@ptr.test", "192.0.2.1", SPF_PASS, "ptr"},
		{"x@ptr.test", "192.0.2.2", SPF_FAIL, "-all"},
		{"x@notptr.test", "192.0.2.1", SPF_FAIL, "-all"},
		{"x@p.test", "192.0.2.1", SPF_PASS, "exists:%{p}.known.test"},
		{"x@p.test", "192.0.2.2", SPF_FAIL, "-all"},
		{"alice@exists.test", "192.0.2.1", SPF_PASS, "exists:%{ir}.%{l}.list.test"},
		{"bob@exists.test", "192.0.2.1", SPF_FAIL, "-all"},
		{"x@include.test", "192.0.2.1", SPF_PASS, "include:pass.test"},
		{"x@include.test", "192.0.2.2", SPF_SOFTFAIL, "~all"},
		{"x@includesoft.test", "192.0.2.2", SPF_PASS, "+all"},
		{"x@includenone.test", "192.0.2.2", SPF_PERMERROR, ""},
		{"x@includetwo.test", "192.0.2.2", SPF_PERMERROR, ""},
		{"x@includebroken.test", "192.0.2.2", SPF_TEMPERROR, ""},
		{"x@redirect.test", "192.0.2.1", SPF_PASS, "ip4:192.0.2.1"},
		{"x@redirectnone.test", "192.0.2.1", SPF_PERMERROR, ""},
		{"x@loop.test", "192.0.2.1", SPF_PERMERROR, ""},
		{"x@loop2.test", "192.0.2.1", SPF_PERMERROR, ""},
		{"x@void2.test", "192.0.2.1", SPF_PASS, "ip4:192.0.2.1"},
		{"x@void3.test", "192.0.2.1", SPF_PERMERROR, ""},
		{"x@ten.test", "192.0.2.1", SPF_PASS, "a:a.test"},
		{"x@eleven.test", "192.0.2.1", SPF_PERMERROR, ""},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(f, rows[i].sender, "mail.test", rows[i].ip);
		if (f->result != rows[i].result || strcmp(f->mechanism, rows[i].mechanism) != 0)
			fail_msg("%s from %s: %s (%s) %s", rows[i].sender, rows[i].ip, spf_result_name(f->result),
				 f->mechanism, f->problem);
	}
}

/* The identity HELO, and the null reverse-path. */
static void
test_helo(void **state)
{
	struct fixture *f = *state;

	check(f, "", "pass.test", "192.0.2.1");
	assert_int_equal(f->result, SPF_PASS);
	assert_string_equal(f->domain, "pass.test");
	check(f, "", "[192.0.2.1]", "192.0.2.1");
	assert_int_equal(f->result, SPF_NONE);
	check(f, "", "", "192.0.2.1");
	assert_int_equal(f->result, SPF_NONE);
}

static void
test_explanations(void **state)
{
	static const struct {
		const char *sender, *ip, *explanation;
	} rows[] = {
		{"x@exp.test", "192.0.2.1", "192.0.2.1 may not send for exp.test, mail.PTR.test"},
		{"x@exp.test", "192.0.2.9", "192.0.2.9 may not send for exp.test, unknown"},
		{"x@exptwo.test", "192.0.2.1", ""},
		{"x@expbroken.test", "192.0.2.1", ""},
		{"x@expinclude.test", "192.0.2.1", ""},
		{"x@expredirect.test", "192.0.2.9", "192.0.2.9 may not send for expredirect.test, unknown"},
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check(f, rows[i].sender, "mail.test", rows[i].ip);
		assert_int_equal(f->result, SPF_FAIL);
		assert_string_equal(f->explanation, rows[i].explanation);
	}
	/* An odd sender does not get into the reply. */
	check(f, "\xc3\xa9@expl.test", "mail.test", "192.0.2.9");
	assert_int_equal(f->result, SPF_FAIL);
	assert_string_equal(f->explanation, "");
}

/* A resolver that says nothing: temperror at the limit, and nothing is left behind. */
static void
test_time_limit(void **state)
{
	struct fixture *f = *state;

	f->dns.is_silent = true;
	check(f, "x@pass.test", "mail.test", "192.0.2.1");
	assert_int_equal(f->result, SPF_TEMPERROR);
	assert_string_equal(f->problem, "it took too long");
}

/* Cancelled at each of its steps, a check calls nobody. */
static void
test_cancel(void **state)
{
	struct fixture *f = *state;

	for (unsigned steps = 0; steps < 6; steps++) {
		struct spf_check *c = ask(f, "x@mx.test", "mail.test", "192.0.2.9");

		for (unsigned i = 0; i < steps && f->called == 0; i++)
			event_base_loop(f->base, EVLOOP_ONCE);
		if (f->called > 0)
			break;
		spf_check_cancel(&c);
		assert_null(c);
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		assert_int_equal(f->called, 0);
		assert_int_equal(f->dns.in_flight, 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_results, setup, teardown),
		cmocka_unit_test_setup_teardown(test_helo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_explanations, setup, teardown),
		cmocka_unit_test_setup_teardown(test_time_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cancel, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
