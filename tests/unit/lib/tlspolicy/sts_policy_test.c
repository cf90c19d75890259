/* Records and policies of MTA-STS. */
#include "lib/tlspolicy/sts_policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"

static struct arena arena;
static struct sts_policy policy;
static struct err err;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

/* The id, or "" where no policy is announced. */
static const char *
id_of(const char *text)
{
	static char id[STS_ID_MAX];
	struct str texts[] = {str_c(text)};

	return sts_record_parse(texts, 1, id) ? id : "";
}

static void
test_records(void **state)
{
	struct str two[] = {STR("v=STSv1; id=1;"), STR("v=STSv1; id=2;")};
	struct str with_other[] = {STR("v=spf1 -all"), STR("v=STSv1; id=2;")};
	char id[STS_ID_MAX];

	(void)state;
	assert_string_equal(id_of("v=STSv1; id=20160831085700Z;"), "20160831085700Z");
	assert_string_equal(id_of("v=STSv1;id=1"), "1");
	assert_string_equal(id_of("v=STSv1 ; more=x; id = 1 ; other=y;"), "1");
	assert_string_equal(id_of("v=STSv1; id=12345678901234567890123456789012"), "12345678901234567890123456789012");
	assert_string_equal(id_of("v=STSv1; id=123456789012345678901234567890123"), "");
	assert_string_equal(id_of("v=STSv1; id=a-b"), "");
	assert_string_equal(id_of("v=STSv1; id="), "");
	assert_string_equal(id_of("v=STSv1; id=1; id=2"), "");
	assert_string_equal(id_of("v=STSv1"), "");
	assert_string_equal(id_of("v=STSv2; id=1"), "");
	assert_string_equal(id_of("id=1; v=STSv1"), "");
	assert_false(sts_record_parse(two, 2, id));
	assert_true(sts_record_parse(with_other, 2, id));
	assert_false(sts_record_parse(NULL, 0, id));
}

static int
parse(const char *text)
{
	return sts_policy_parse(str_c(text), &arena, &policy, &err);
}

static void
test_policy(void **state)
{
	(void)state;
	assert_int_equal(parse("version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmx: *.Example.NET\r\n"
			       "mx: backupmx.example.com\r\nmax_age: 604800\r\n"),
			 0);
	assert_int_equal(policy.mode, STS_MODE_ENFORCE);
	assert_int_equal(policy.max_age_ms, 604800000);
	assert_int_equal(policy.mx_count, 3);
	assert_int_equal(policy.line_count, 6);
	assert_true(str_eq(policy.lines[2], STR("mx: mail.example.com")));
	assert_true(sts_policy_allows(&policy, STR("mail.example.com")));
	assert_true(sts_policy_allows(&policy, STR("a.example.net")));
	assert_false(sts_policy_allows(&policy, STR("example.net")));
	assert_false(sts_policy_allows(&policy, STR("a.b.example.net")));
	assert_false(sts_policy_allows(&policy, STR(".example.net")));
	assert_false(sts_policy_allows(&policy, STR("evil-mail.example.com")));
}

static void
test_forms(void **state)
{
	(void)state;
	assert_int_equal(parse("version:STSv1\nmode:testing\nmx:a\nmax_age:1"), 0);
	assert_int_equal(policy.mode, STS_MODE_TESTING);
	assert_int_equal(parse("max_age: 99999999999\nversion: STSv1\nmode: none\n"), -1);
	assert_int_equal(parse("max_age: 9999999999\nversion: STSv1\nmode: none\n\n"), 0);
	assert_int_equal(policy.max_age_ms, STS_MAX_AGE_S * 1000);
	/* The first counts, but for mx; what is not known is passed over. */
	assert_int_equal(parse("version: STSv1\nmode: enforce\nmode: none\nmax_age: 5\nmax_age: 9\nmx: a\nnew: b\n"),
			 0);
	assert_int_equal(policy.mode, STS_MODE_ENFORCE);
	assert_int_equal(policy.max_age_ms, 5000);
}

static void
test_bad_policies(void **state)
{
	static const char *const bad[] = {
		"",
		"<html>not found</html>",
		"mode: enforce\nmx: a\nmax_age: 5\n",
		"version: STSv2\nmode: enforce\nmx: a\nmax_age: 5\n",
		"version: STSv1\nmx: a\nmax_age: 5\n",
		"version: STSv1\nmode: strict\nmx: a\nmax_age: 5\n",
		"version: STSv1\nmode: enforce\nmx: a\n",
		"version: STSv1\nmode: enforce\nmx: a\nmax_age: -5\n",
		"version: STSv1\nmode: enforce\nmax_age: 5\n",
		"version: STSv1\nmode: enforce\nmx: a.*.b\nmax_age: 5\n",
		"version: STSv1\nmode: enforce\nmx: *\nmax_age: 5\n",
		"version: STSv1\nmode: enforce\nmx: a b\nmax_age: 5\n",
		NULL,
	};

	(void)state;
	for (unsigned i = 0; bad[i] != NULL; i++) {
		assert_int_equal(parse(bad[i]), -1);
		assert_true(err.text[0] != '\0');
	}
}

/* What is written is read as the same. */
static void
test_own(void **state)
{
	const struct str mx[] = {STR("mx.example.test"), STR("*.example.test")};
	struct sts_policy own = {.mode = STS_MODE_TESTING, .max_age_ms = 604800000, .mx = mx, .mx_count = 2};
	struct buf text = BUF_EMPTY;
	char id[STS_ID_MAX], other[STS_ID_MAX], record[100];

	(void)state;
	sts_policy_write(&own, &text);
	assert_string_equal(text.data,
			    "version: STSv1\r\nmode: testing\r\nmx: mx.example.test\r\nmx: *.example.test\r\n"
			    "max_age: 604800\r\n");
	assert_int_equal(sts_policy_parse(buf_str(&text), &arena, &policy, &err), 0);
	assert_int_equal(policy.mode, STS_MODE_TESTING);
	assert_int_equal(policy.max_age_ms, own.max_age_ms);
	assert_true(sts_policy_allows(&policy, STR("mx.example.test")) &&
		    sts_policy_allows(&policy, STR("a.example.test")));
	sts_policy_id(buf_str(&text), id);
	snprintf(record, sizeof(record), "v=STSv1; id=%s;", id);
	assert_string_equal(id_of(record), id);
	own.mode = STS_MODE_ENFORCE;
	buf_clear(&text);
	sts_policy_write(&own, &text);
	sts_policy_id(buf_str(&text), other);
	assert_string_not_equal(id, other);
	buf_fini(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_own, setup, teardown),
		cmocka_unit_test(test_records),
		cmocka_unit_test_setup_teardown(test_policy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_forms, setup, teardown),
		cmocka_unit_test_setup_teardown(test_bad_policies, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
