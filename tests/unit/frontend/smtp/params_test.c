/* ESMTP parameters of MAIL and RCPT. */
#include "frontend/smtp/params.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>

#define X100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

struct mail_case {
	const char *text;
	enum smtp_params_error error;
	const char *culprit;
	uint64_t size;
	bool eight_bit, utf8;
	const char *ret, *envid;
};

static const struct mail_case mail_cases[] = {
	{"", PARAMS_OK, "", 0, false, false, "", ""},
	{"  ", PARAMS_OK, "", 0, false, false, "", ""},
	{" SIZE=1000", PARAMS_OK, "SIZE", 1000, false, false, "", ""},
	{" size=0 Body=8bitMIME", PARAMS_OK, "Body", 0, true, false, "", ""},
	{" BODY=7BIT SMTPUTF8", PARAMS_OK, "SMTPUTF8", 0, false, true, "", ""},
	{" RET=hdrs ENVID=a+2Bb", PARAMS_OK, "ENVID", 0, false, false, "HDRS", "a+2Bb"},
	{" RET=FULL", PARAMS_OK, "RET", 0, false, false, "FULL", ""},
	{" AUTH=<> SIZE=18446744073709551615", PARAMS_OK, "SIZE", UINT64_MAX, false, false, "", ""},
	{" AUTH=e+3Dmc2@example.com", PARAMS_OK, "AUTH", 0, false, false, "", ""},
	{"SIZE=1", PARAMS_BAD, "SIZE=1", 0, false, false, "", ""},
	{" SIZE", PARAMS_BAD, "SIZE", 0, false, false, "", ""},
	{" SIZE=", PARAMS_BAD, "SIZE", 0, false, false, "", ""},
	{" SIZE=-1", PARAMS_BAD, "SIZE", 0, false, false, "", ""},
	{" SIZE=1x", PARAMS_BAD, "SIZE", 0, false, false, "", ""},
	{" SIZE=18446744073709551616", PARAMS_BAD, "SIZE", 0, false, false, "", ""},
	{" SIZE=000000000000000000001", PARAMS_BAD, "SIZE", 0, false, false, "", ""},
	{" SIZE=1 SIZE=1", PARAMS_BAD, "SIZE", 0, false, false, "", ""},
	{" SIZE=1 size=2", PARAMS_BAD, "size", 0, false, false, "", ""},
	{" BODY=BINARYMIME", PARAMS_BAD, "BODY", 0, false, false, "", ""},
	{" SMTPUTF8=1", PARAMS_BAD, "SMTPUTF8", 0, false, false, "", ""},
	{" AUTH=", PARAMS_BAD, "AUTH", 0, false, false, "", ""},
	{" AUTH=a=b", PARAMS_BAD, "AUTH", 0, false, false, "", ""},
	{" RET=ALL", PARAMS_BAD, "RET", 0, false, false, "", ""},
	{" ENVID=a+2", PARAMS_BAD, "ENVID", 0, false, false, "", ""},
	{" ENVID=" X100, PARAMS_OK, "ENVID", 0, false, false, "", X100},
	{" ENVID=" X100 "x", PARAMS_BAD, "ENVID", 0, false, false, "", ""},
	{" NOTIFY=NEVER", PARAMS_UNKNOWN, "NOTIFY", 0, false, false, "", ""},
	{" XFOO", PARAMS_UNKNOWN, "XFOO", 0, false, false, "", ""},
	{" X-FOO=bar", PARAMS_UNKNOWN, "X-FOO", 0, false, false, "", ""},
	{" =1", PARAMS_BAD, "", 0, false, false, "", ""},
	{" -X=1", PARAMS_BAD, "-X", 0, false, false, "", ""},
	{" S\xc3\x9cZE=1", PARAMS_BAD, "S\xc3\x9cZE", 0, false, false, "", ""},
};

static void
test_priority(void **state)
{
	static const struct {
		const char *text;
		enum smtp_params_error error;
		int priority;
	} rows[] = {
		{" MT-PRIORITY=0", PARAMS_OK, 0},   {" mt-priority=9", PARAMS_OK, 9},	{" MT-PRIORITY=-9", PARAMS_OK, -9},
		{" MT-PRIORITY=-0", PARAMS_BAD, 0}, {" MT-PRIORITY=10", PARAMS_BAD, 0}, {" MT-PRIORITY=+1", PARAMS_BAD, 0},
		{" MT-PRIORITY=", PARAMS_BAD, 0},   {" MT-PRIORITY=-", PARAMS_BAD, 0},	{" MT-PRIORITY", PARAMS_BAD, 0},
		{" MT-PRIORITY=x", PARAMS_BAD, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct smtp_mail_params params;
		struct str culprit;
		assert_int_equal(smtp_mail_params_parse(str_c(rows[i].text), &params, &culprit), rows[i].error);
		if (rows[i].error == PARAMS_OK)
			assert_int_equal(params.priority, rows[i].priority);
	}
}

static void
test_mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mail_cases) / sizeof(mail_cases[0]); i++) {
		const struct mail_case *c = &mail_cases[i];
		struct smtp_mail_params params;
		struct str culprit;
		enum smtp_params_error error = smtp_mail_params_parse(str_c(c->text), &params, &culprit);
		if (error != c->error || !str_eq(culprit, str_c(c->culprit)))
			fail_msg("\"%s\": %d, culprit \"%.*s\"", c->text, error, STR_ARG(culprit));
		if (error != PARAMS_OK)
			continue;
		assert_true(params.size_bytes == c->size);
		assert_int_equal(params.eight_bit, c->eight_bit);
		assert_int_equal(params.utf8, c->utf8);
		assert_true(str_eq(params.ret, str_c(c->ret)));
		assert_true(str_eq(params.envid, str_c(c->envid)));
	}
}

struct rcpt_case {
	const char *text;
	enum smtp_params_error error;
	unsigned notify;
	const char *orcpt;
};

static const struct rcpt_case rcpt_cases[] = {
	{"", PARAMS_OK, 0, ""},
	{" NOTIFY=NEVER", PARAMS_OK, NOTIFY_NEVER, ""},
	{" NOTIFY=success,Failure,DELAY", PARAMS_OK, NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY, ""},
	{" NOTIFY=NEVER,DELAY", PARAMS_BAD, 0, ""},
	{" NOTIFY=", PARAMS_BAD, 0, ""},
	{" NOTIFY=SUCCESS,", PARAMS_BAD, 0, ""},
	{" NOTIFY=OFTEN", PARAMS_BAD, 0, ""},
	{" NOTIFY", PARAMS_BAD, 0, ""},
	{" ORCPT=rfc822;bob+2Bx@example.com", PARAMS_OK, 0, "rfc822;bob+2Bx@example.com"},
	{" ORCPT=utf-8;j\xc3\xbc@example.com", PARAMS_OK, 0, "utf-8;j\xc3\xbc@example.com"},
	{" ORCPT=utf-8;j\\x{FC}@example.com", PARAMS_OK, 0, "utf-8;j\\x{FC}@example.com"},
	{" ORCPT=rfc822;j\xc3\xbc@example.com", PARAMS_BAD, 0, ""},
	{" ORCPT=rfc822", PARAMS_BAD, 0, ""},
	{" ORCPT=;x", PARAMS_BAD, 0, ""},
	{" ORCPT=rfc822;", PARAMS_BAD, 0, ""},
	{" ORCPT=rfc822;a+b", PARAMS_BAD, 0, ""},
	{" ORCPT=rfc822;" X100 X100 X100 X100 X100, PARAMS_BAD, 0, ""},
	{" SIZE=1", PARAMS_UNKNOWN, 0, ""},
};

static void
test_rcpt(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rcpt_cases) / sizeof(rcpt_cases[0]); i++) {
		const struct rcpt_case *c = &rcpt_cases[i];
		struct smtp_rcpt_params params;
		struct str culprit;
		enum smtp_params_error error = smtp_rcpt_params_parse(str_c(c->text), &params, &culprit);
		if (error != c->error)
			fail_msg("\"%s\": %d", c->text, error);
		if (error != PARAMS_OK)
			continue;
		assert_int_equal(params.notify, c->notify);
		assert_true(str_eq(params.orcpt, str_c(c->orcpt)));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_priority),
		cmocka_unit_test(test_rcpt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
