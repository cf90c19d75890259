/* Log lines: their format, and that no input from a client can break it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"

/* Standard error goes to a file while a test writes; cmocka needs it after. */
static FILE *capture;
static int real_stderr;

static void
capture_begin(const char *format, const char *level)
{
	setenv("STAGEPOST_LOG", format, 1);
	if (level != NULL)
		setenv("STAGEPOST_LOG_LEVEL", level, 1);
	else
		unsetenv("STAGEPOST_LOG_LEVEL");
	capture = tmpfile();
	real_stderr = dup(STDERR_FILENO);
	dup2(fileno(capture), STDERR_FILENO);
	log_set_least(LOG_INFO);
	log_init("test-1");
}

/* What was written, without the time of a single line. */
static const char *
capture_end(void)
{
	static char text[8192];
	size_t len;
	char *after;

	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
	rewind(capture);
	len = fread(text, 1, sizeof(text) - 1, capture);
	text[len] = '\0';
	fclose(capture);
	after = strstr(text, "level");
	if (after == NULL)
		return text;
	return after[-1] == '"' ? after - 1 : after;
}

struct form {
	struct str value;
	const char *logfmt, *json;
};

static const struct form forms[] = {
	{STR("plain"), "plain", "\"plain\""},
	{STR(""), "\"\"", "\"\""},
	{STR("two words"), "\"two words\"", "\"two words\""},
	{STR("a=b"), "\"a=b\"", "\"a=b\""},
	{STR("say \"x\""), "\"say \\\"x\\\"\"", "\"say \\\"x\\\"\""},
	{STR("back\\slash"), "\"back\\\\slash\"", "\"back\\\\slash\""},
	{STR("x\r\nlevel=error"), "\"x\\u000d\\u000alevel=error\"", "\"x\\u000d\\u000alevel=error\""},
	{STR("nul\0"), "\"nul\\u0000\"", "\"nul\\u0000\""},
	{STR("\x1b[2J\x7f"), "\"\\u001b[2J\\u007f\"", "\"\\u001b[2J\\u007f\""},
	/* A control character of two bytes: some terminals obey it. */
	{STR("\xc2\x9b"), "\"\\u009b\"", "\"\\u009b\""},
	{STR("\xc2\xa0"), "\"\xc2\xa0\"", "\"\xc2\xa0\""},
	{STR("\xc3\xa4"), "\"\xc3\xa4\"", "\"\xc3\xa4\""},
	/* Not UTF-8: a JSON reader would refuse the whole line. */
	{STR("\xff\x80x"), "\"\\u00ff\\u0080x\"", "\"\\u00ff\\u0080x\""},
	{STR("cut \xe2\x82"), "\"cut \\u00e2\\u0082\"", "\"cut \\u00e2\\u0082\""},
};

static void
test_forms(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2 * (sizeof(forms) / sizeof(forms[0])); i++) {
		const struct form *f = &forms[i / 2];
		bool json = i % 2 != 0;
		char expected[300];
		if (json)
			snprintf(expected, sizeof(expected),
				 "\"level\":\"info\",\"prog\":\"test-1\",\"msg\":\"event\",\"v\":%s}\n", f->json);
		else
			snprintf(expected, sizeof(expected), "level=info prog=test-1 msg=event v=%s\n", f->logfmt);
		capture_begin(json ? "json" : "logfmt", NULL);
		log_info(NULL, "event", F_STR("v", f->value));
		assert_string_equal(capture_end(), expected);
	}
}

static void
test_inherited_fields(void **state)
{
	struct log_context process = {NULL, {F_C("process", "p")}};
	struct log_context session = {&process, {F_C("session", "s"), F_I64("port", 25)}};
	struct log_context full = {
		&session, {F_I64("a", 1), F_I64("b", 2), F_I64("c", 3), F_I64("d", 4), F_I64("e", 5), F_I64("f", 6)}};
	struct err err;

	(void)state;
	err_set(&err, ERR_IO, "disk gone");
	capture_begin("logfmt", NULL);
	log_warning(&full, "an event", F_I64("least", INT64_MIN), F_ERR(&err), F_C("none", NULL));
	assert_string_equal(
		capture_end(),
		"level=warning prog=test-1 msg=\"an event\" process=p session=s port=25 a=1 b=2 c=3 d=4 e=5 f=6 "
		"least=-9223372036854775808 error=\"disk gone\" none=\"\"\n");
}

/* A number stays one in JSON, but what names something is text, and never negative. */
static void
test_numbers(void **state)
{
	(void)state;
	capture_begin("json", NULL);
	log_info(NULL, "event", F_I64("ms", -7), F_ID("job", UINT64_MAX));
	assert_string_equal(capture_end(), "\"level\":\"info\",\"prog\":\"test-1\",\"msg\":\"event\",\"ms\":-7,"
					   "\"job\":\"18446744073709551615\"}\n");
	capture_begin("logfmt", NULL);
	log_info(NULL, "event", F_I64("ms", -7), F_ID("job", UINT64_MAX));
	assert_string_equal(capture_end(), "level=info prog=test-1 msg=event ms=-7 job=18446744073709551615\n");
}

static void
test_levels(void **state)
{
	static const struct {
		const char *level;
		enum log_level least;
	} cases[] = {
		{"debug", LOG_DEBUG}, {"info", LOG_INFO},     {"warning", LOG_WARNING},
		{"error", LOG_ERROR}, {"nonsense", LOG_INFO}, {NULL, LOG_INFO},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int level = LOG_DEBUG; level <= LOG_ERROR; level++) {
			bool written;
			capture_begin("logfmt", cases[i].level);
			log_at((enum log_level)level, NULL, "event");
			written = capture_end()[0] != '\0';
			assert_int_equal(written, level >= (int)cases[i].least);
			assert_int_equal(log_enabled((enum log_level)level), level >= (int)cases[i].least);
		}
}

/* However often it fails: one line as it begins, one when it is over. */
static void
test_trouble(void **state)
{
	struct log_trouble t = {0};
	const char *line;

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		capture_begin("logfmt", NULL);
		log_trouble_over(&t, NULL, "goes again", F_C("what", "x"));
		assert_string_equal(capture_end(), "");
		assert_true(log_trouble_note(&t));
		for (unsigned i = 0; i < 1000; i++)
			assert_false(log_trouble_note(&t));
		capture_begin("logfmt", NULL);
		log_trouble_over(&t, NULL, "goes again", F_C("what", "x"));
		line = capture_end();
		assert_non_null(strstr(line, "msg=\"goes again\" what=x times=1001 ms="));
	}
}

static void
test_once_a_minute(void **state)
{
	int64_t again_ms = 0, now_ms = clock_monotonic_ms();

	(void)state;
	assert_true(log_is_due(&again_ms));
	assert_in_range(again_ms, now_ms + 60000, now_ms + 70000);
	assert_false(log_is_due(&again_ms));
	again_ms -= 70000;
	assert_true(log_is_due(&again_ms));
	assert_false(log_is_due(&again_ms));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),	cmocka_unit_test(test_inherited_fields),
		cmocka_unit_test(test_numbers), cmocka_unit_test(test_levels),
		cmocka_unit_test(test_trouble), cmocka_unit_test(test_once_a_minute),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
