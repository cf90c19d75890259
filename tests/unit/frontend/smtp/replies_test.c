/* Replies: one line each, whatever the argument contains. */
#include "frontend/smtp/replies.h"

#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static const char *
write_reply(enum smtp_reply_name name, struct str argument)
{
	static char text[1024];
	struct evbuffer *out = evbuffer_new();

	smtp_reply_write(name, argument, out);
	int len = evbuffer_remove(out, text, sizeof(text) - 1);
	assert_true(len > 0);
	assert_int_equal(evbuffer_get_length(out), 0);
	text[len] = '\0';
	evbuffer_free(out);
	return text;
}

static void
test_text(void **state)
{
	(void)state;
	assert_string_equal(write_reply(REPLY_OK, STR_NONE), "250 2.0.0 Ok\r\n");
	assert_string_equal(write_reply(REPLY_SEND_DATA, STR_NONE), "354 End data with <CR><LF>.<CR><LF>\r\n");
	assert_string_equal(write_reply(REPLY_GREETING, STR("mx.example.test ESMTP")), "220 mx.example.test ESMTP\r\n");
	assert_string_equal(write_reply(REPLY_QUEUED, STR("01abc")), "250 2.0.0 Ok: queued as 01abc\r\n");
	assert_string_equal(write_reply(REPLY_UNKNOWN_USER, STR("a@b")), "550 5.1.1 <a@b>: no such user here\r\n");
	assert_string_equal(write_reply(REPLY_UNKNOWN_USER, STR("a\r\n250 {}\x7f\0")), "550 5.1.1 <a?"
										       "?250 {}?"
										       "?>: no such user here\r\n");
}

/* Each row: a code and an enhanced status of the same class, a text of one line, at
 * most one placeholder, and room for the longest argument. */
static void
test_table(void **state)
{
	char longest[2000];

	(void)state;
	memset(longest, 'x', sizeof(longest));
	for (int i = 0; i < SMTP_REPLY_COUNT; i++) {
		const struct smtp_reply *reply = smtp_reply_get((enum smtp_reply_name)i);
		char code[8];
		assert_in_range(reply->code, 200, 599);
		snprintf(code, sizeof(code), "%u", reply->code);
		if (reply->enhanced[0] != '\0') {
			assert_int_equal(reply->enhanced[0], code[0]);
			assert_int_equal(reply->enhanced[1], '.');
		}
		const char *hole = strstr(reply->text, "{}");
		assert_true(hole == NULL || strstr(hole + 1, "{}") == NULL);
		assert_true(str_is_printable_ascii(str_c(reply->text)));
		const char *line = write_reply((enum smtp_reply_name)i, str_of(longest, sizeof(longest)));
		assert_true(strlen(line) <= 512);
		assert_true(strchr(line, '\n') == line + strlen(line) - 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_table),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
