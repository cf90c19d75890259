/* Authentication-Results: what we write, and what we take out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "lib/mailauth/auth_results.h"
#include "lib/mailauth/auth_results_filter.h"

static void
test_all_results(void **state)
{
	struct arc_set sets[2] = {{.seal = {.domain = STR("one.test")}}, {.seal = {.domain = STR("two.test")}}};
	struct spf_answer spf = {.result = SPF_PASS};
	struct dkim_verdict dkim[] = {
		{.result = DKIM_RESULT_PASS, .domain = STR("a.test"), .selector = STR("s"), .signature = STR("ab\r\n cd/=+123")},
		{.result = DKIM_RESULT_NEUTRAL, .reason = "its tags are malformed"},
	};
	struct dmarc_answer dmarc = {.result = DMARC_RESULT_FAIL, .from = STR("a.test"), .policy_domain = STR("a.test"),
				     .policy = DMARC_REJECT};
	struct arc_verdict arc = {.result = ARC_PASS, .sets = sets, .count = 2};
	struct buf out = BUF_EMPTY;
	struct auth_results r;

	(void)state;
	auth_results_begin(&r, STR("mx.test"), &out);
	auth_results_add_spf(&r, &spf, false, STR("x@a.test"));
	auth_results_add_dkim(&r, dkim, 2);
	auth_results_add_dmarc(&r, &dmarc);
	auth_results_add_arc(&r, &arc, true);
	auth_results_end(&r);
	assert_string_equal(out.data, "mx.test;\r\n\tspf=pass smtp.mailfrom=x@a.test;\r\n"
				      "\tdkim=pass header.d=a.test header.s=s header.b=\"abcd/=+1\";\r\n"
				      "\tdkim=neutral reason=\"its tags are malformed\";\r\n"
				      "\tdmarc=fail (p=reject) header.from=a.test;\r\n\tarc=pass (i=2 d=two.test, trusted)");
	buf_fini(&out);
}

static void
test_nothing(void **state)
{
	struct dmarc_answer dmarc = {.result = DMARC_RESULT_NONE};
	struct buf out = BUF_EMPTY;
	struct auth_results r;

	(void)state;
	auth_results_begin(&r, STR("mx.test"), &out);
	auth_results_end(&r);
	assert_string_equal(out.data, "mx.test; none");
	buf_clear(&out);
	auth_results_begin(&r, STR("mx.test"), &out);
	auth_results_add_dkim(&r, NULL, 0);
	auth_results_add_dmarc(&r, &dmarc);
	auth_results_end(&r);
	assert_string_equal(out.data, "mx.test;\r\n\tdkim=none;\r\n\tdmarc=none");
	buf_fini(&out);
}

/* What a sender or a name server says cannot end the field or forge a result. */
static void
test_hostile_values(void **state)
{
	struct spf_answer spf = {.result = SPF_TEMPERROR, .problem = "say \"no\"\r\nX: y"};
	struct buf out = BUF_EMPTY;
	struct auth_results r;

	(void)state;
	auth_results_begin(&r, STR("mx.test"), &out);
	auth_results_add_spf(&r, &spf, true, STR("a; dkim=pass\r\nX: \"\\"));
	auth_results_end(&r);
	assert_string_equal(out.data, "mx.test;\r\n\tspf=temperror reason=\"say \\\"no\\\"  X: y\" "
				      "smtp.helo=\"a; dkim=pass  X: \\\"\\\\\"");
	buf_clear(&out);
	auth_results_begin(&r, STR("mx.test"), &out);
	auth_results_add_spf(&r, &spf, true, STR(""));
	assert_non_null(strstr(out.data, "smtp.helo=\"\""));
	buf_fini(&out);
}

static void
test_whose(void **state)
{
	static const struct {
		const char *value;
		bool is_ours;
	} rows[] = {
		{" mx.test; spf=pass", true},
		{"MX.Test 1; none", true},
		{" mx.test", true},
		{"\r\n\tmx.test\r\n ; none", true},
		{" (a (comment)) mx.test(x); none", true},
		{" \"mx.test\"; none", true},
		{" \"m\\x.te\\st\" 1; none", true},
		{" mx.test/1; none", true},
		{" mx.test.; none", false},
		{" mx.test2; none", false},
		{" other.test; mx.test; none", false},
		{" \"mx.test", false},
		{" a.mx.test; none", false},
		{"", false},
		{" (mx.test; none", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (auth_results_is_of(str_c(rows[i].value), STR("mx.test")) != rows[i].is_ours)
			fail_msg("%s", rows[i].value);
}

/* ---- The filter ---- */
static void
check(struct str message, const char *expected, unsigned removed)
{
	for (size_t size = 1; size < message.len * 3 + 3; size += size < 80 ? 1 : message.len) {
		struct auth_results_filter f;
		struct str rest = message;
		struct buf out = BUF_EMPTY;

		auth_results_filter_init(&f, STR("mx.test"));
		while (rest.len > 0) {
			struct str piece = str_first(rest, size);

			auth_results_filter_feed(&f, piece, &out);
			rest = str_from(rest, piece.len);
		}
		auth_results_filter_end(&f, &out);
		assert_int_equal(f.removed, removed);
		if (!str_eq(buf_str(&out), str_c(expected)))
			fail_msg("pieces of %zu bytes: %s", size, out.data);
		auth_results_filter_fini(&f);
		buf_fini(&out);
	}
}

static void
test_filter(void **state)
{
	static const char untouched[] = "From: a@b.test\r\nAuthentication-Results: other.test; spf=pass\r\n\tx\r\n"
					"Authentication-Resulting: mx.test; x\r\nAuthentication-Results\r\n"
					"X: y\r\n Authentication-Results: mx.test; x\r\n\r\n"
					"Authentication-Results: mx.test; body\r\n";

	(void)state;
	check(str_c(untouched), untouched, 0);
	check(STR("Authentication-Results: mx.test; spf=pass\r\n\tsmtp.mailfrom=x\r\nA: b\r\n"
		  "authentication-RESULTS \t: mx.test; dkim=pass\r\nC: d\r\n e\r\n"
		  "Authentication-Results:\r\n mx.test; none\r\n\r\nbody"),
	      "A: b\r\nC: d\r\n e\r\n\r\nbody", 3);
	check(STR("A: b\r\nAuthentication-Results: mx.test; none\r\n"), "A: b\r\n", 1);
	check(STR("A: b\r\nAuthentication-Results: mx.test; none"), "A: b\r\n", 1);
	check(STR("A: b\r\nAuthentication-Results: other.test; none"), "A: b\r\nAuthentication-Results: other.test; none", 0);
	check(STR("A: b\r\nAuthentication-Re"), "A: b\r\nAuthentication-Re", 0);
	check(STR(""), "", 0);
}

/* A field longer than what is held is judged by its beginning. */
static void
test_filter_long(void **state)
{
	struct buf ours = BUF_EMPTY, other = BUF_EMPTY;

	(void)state;
	buf_add_c(&ours, "A: b\r\nAuthentication-Results: mx.test; ");
	buf_add_c(&other, "A: b\r\nAuthentication-Results: other.test; ");
	for (unsigned i = 0; i < 2000; i++) {
		buf_add_c(&ours, "0123456789\r\n ");
		buf_add_c(&other, "0123456789\r\n ");
	}
	buf_add_c(&ours, "x\r\nB: c\r\n\r\n");
	buf_add_c(&other, "x\r\nB: c\r\n\r\n");
	check(buf_str(&ours), "A: b\r\nB: c\r\n\r\n", 1);
	check(buf_str(&other), other.data, 0);
	buf_fini(&ours);
	buf_fini(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_results), cmocka_unit_test(test_nothing), cmocka_unit_test(test_hostile_values),
		cmocka_unit_test(test_whose),	    cmocka_unit_test(test_filter),  cmocka_unit_test(test_filter_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
