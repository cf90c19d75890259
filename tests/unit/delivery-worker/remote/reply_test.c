/* SMTP replies: whole, in pieces, and broken. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "delivery-worker/net/login.h"
#include "delivery-worker/remote/reply.h"

struct row {
	const char *input;
	enum smtp_reply_state state;
	int code;
	const char *enhanced;
	const char *words;
	size_t used; /* 0: all */
};

static const struct row rows[] = {
	{"250 ok\r\n", SMTP_REPLY_DONE, 250, "2.0.0", "250 ok", 0},
	{"250\r\n", SMTP_REPLY_DONE, 250, "2.0.0", "250", 0},
	{"250 \r\n", SMTP_REPLY_DONE, 250, "2.0.0", "250", 0},
	{"250 ok\n", SMTP_REPLY_DONE, 250, "2.0.0", "250 ok", 0},
	{"550 5.1.1 No such user\r\n", SMTP_REPLY_DONE, 550, "5.1.1", "550 5.1.1 No such user", 0},
	{"550-5.1.1 No\r\n550 5.1.1 such user\r\n", SMTP_REPLY_DONE, 550, "5.1.1", "550 5.1.1 No such user", 0},
	{"550-5.1.1 No\r\n550-\r\n550 such user\r\n", SMTP_REPLY_DONE, 550, "5.1.1", "550 5.1.1 No such user", 0},
	{"450 5.1.1 class differs\r\n", SMTP_REPLY_DONE, 450, "4.0.0", "450 5.1.1 class differs", 0},
	{"550 5.1.1111 too long\r\n", SMTP_REPLY_DONE, 550, "5.0.0", "550 5.1.1111 too long", 0},
	{"550 5.1 short\r\n", SMTP_REPLY_DONE, 550, "5.0.0", "550 5.1 short", 0},
	{"550 5.7.1\r\n", SMTP_REPLY_DONE, 550, "5.7.1", "550 5.7.1", 0},
	{"250 a\r\n250 b\r\n", SMTP_REPLY_DONE, 250, "2.0.0", "250 a", 7},
	{"250-a\r\n", SMTP_REPLY_MORE, 0, NULL, NULL, 0},
	{"250", SMTP_REPLY_MORE, 0, NULL, NULL, 0},
	{"", SMTP_REPLY_MORE, 0, NULL, NULL, 0},
	{"hello\r\n", SMTP_REPLY_BAD, 0, NULL, NULL, 0},
	{"\r\n", SMTP_REPLY_BAD, 0, NULL, NULL, 0},
	{"25\r\n", SMTP_REPLY_BAD, 0, NULL, NULL, 0},
	{"150 no\r\n", SMTP_REPLY_BAD, 0, NULL, NULL, 0},
	{"650 no\r\n", SMTP_REPLY_BAD, 0, NULL, NULL, 0},
	{"250_ok\r\n", SMTP_REPLY_BAD, 0, NULL, NULL, 0},
	{"2500 ok\r\n", SMTP_REPLY_BAD, 0, NULL, NULL, 0},
	{"250-a\r\n251 b\r\n", SMTP_REPLY_BAD, 0, NULL, NULL, 0},
};

static void
check_row(const struct row *row, size_t piece)
{
	struct smtp_reply_parser p;
	enum smtp_reply_state state = SMTP_REPLY_MORE;
	struct str input = str_c(row->input);
	size_t at = 0;
	struct arena arena;

	smtp_reply_init(&p);
	arena_init(&arena);
	while (at < input.len && state == SMTP_REPLY_MORE)
		at += smtp_reply_parse(&p, str_first(str_from(input, at), piece), &state);
	assert_int_equal(state, row->state);
	if (state == SMTP_REPLY_DONE) {
		char enhanced[ENHANCED_CODE_MAX];
		struct str words = smtp_reply_words(&p.reply, &arena);

		assert_int_equal(at, row->used != 0 ? row->used : input.len);
		assert_int_equal(p.reply.code, row->code);
		smtp_reply_enhanced(&p.reply, enhanced);
		assert_string_equal(enhanced, row->enhanced);
		assert_int_equal(words.len, strlen(row->words));
		assert_memory_equal(words.p, row->words, words.len);
	}
	arena_fini(&arena);
	smtp_reply_fini(&p);
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(&rows[i], SIZE_MAX / 2);
		check_row(&rows[i], 1);
		check_row(&rows[i], 3);
	}
}

static enum smtp_reply_state
parse_repeated(const char *line, unsigned times)
{
	struct smtp_reply_parser p;
	enum smtp_reply_state state = SMTP_REPLY_MORE;

	smtp_reply_init(&p);
	for (unsigned i = 0; i < times && state == SMTP_REPLY_MORE; i++)
		smtp_reply_parse(&p, str_c(line), &state);
	smtp_reply_fini(&p);
	return state;
}

static void
test_limits(void **state)
{
	char line[1100];

	(void)state;
	assert_int_equal(parse_repeated("250-x\r\n", SMTP_REPLY_LINES_MAX), SMTP_REPLY_MORE);
	assert_int_equal(parse_repeated("250-x\r\n", SMTP_REPLY_LINES_MAX + 1), SMTP_REPLY_BAD);
	/* a line without end */
	assert_int_equal(parse_repeated("xxxxxxxxxxxxxxxx", SMTP_REPLY_LINE_MAX / 16), SMTP_REPLY_MORE);
	assert_int_equal(parse_repeated("xxxxxxxxxxxxxxxx", SMTP_REPLY_LINE_MAX / 16 + 1), SMTP_REPLY_BAD);
	/* more text than anybody reads is passed over */
	snprintf(line, sizeof(line), "250-%01000d\r\n", 1);
	assert_int_equal(parse_repeated(line, SMTP_REPLY_TEXT_MAX / 1000 + 1000), SMTP_REPLY_MORE);
}

static void
test_reuse(void **state)
{
	static const char input[] = "250-one\r\n250 two\r\n550 5.0.1 three\r\n";
	struct smtp_reply_parser p;
	enum smtp_reply_state reply_state;
	size_t used;

	(void)state;
	smtp_reply_init(&p);
	used = smtp_reply_parse(&p, str_c(input), &reply_state);
	assert_int_equal(p.reply.lines, 2);
	assert_string_equal(p.reply.text.data, "one\ntwo\n");
	smtp_reply_parse(&p, str_c(input + used), &reply_state);
	assert_int_equal(reply_state, SMTP_REPLY_DONE);
	assert_int_equal(p.reply.code, 550);
	assert_string_equal(p.reply.text.data, "5.0.1 three\n");
	smtp_reply_fini(&p);
}

static void
test_caps(void **state)
{
	static const char input[] =
		"250-mx.example.org greets PIPELINING\r\n250-size 1000\r\n250-8bitMIME\r\n250-STARTTLS\r\n"
		"250-AUTH PLAIN LOGIN\r\n250 SMTPUTF8\r\n";
	struct smtp_reply_parser p;
	enum smtp_reply_state reply_state;
	struct smtp_caps caps;

	(void)state;
	smtp_reply_init(&p);
	smtp_reply_parse(&p, str_c(input), &reply_state);
	smtp_caps_read(&p.reply, &caps);
	assert_true(caps.esmtp && caps.size && caps.eight_bit && caps.starttls && caps.smtputf8);
	assert_false(caps.pipelining || caps.dsn || caps.requiretls); /* the greeting line offers nothing */
	assert_int_equal(caps.max_size, 1000);
	assert_int_equal(caps.auth, SASL_PLAIN | SASL_LOGIN);
	smtp_reply_fini(&p);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_reuse),
		cmocka_unit_test(test_caps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
