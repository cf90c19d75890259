/* Content-transfer-encodings, in pieces of any size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/message/decode.h"

static void
assert_str(struct str got, const char *expected)
{
	if (!str_eq(got, str_c(expected)))
		fail_msg("\"%.*s\", not \"%s\"", STR_ARG(got), expected);
}

static void
test_decoding(void **state)
{
	static const struct {
		enum mime_encoding encoding;
		const char *text, *decoded;
	} cases[] = {
		{MIME_7BIT, "as it is=", "as it is="},
		{MIME_BASE64, "SGVs\r\nbG8=", "Hello"},
		{MIME_BASE64, "SGVsbG8", "Hello"},
		{MIME_BASE64, "SGVsbG8=SGVsbG8=", "HelloHello"},
		{MIME_BASE64, "S!G-V_s bG8=", "Hello"},
		{MIME_BASE64, "", ""},
		{MIME_QUOTED_PRINTABLE, "a=3Db=\r\nc", "a=bc"},
		{MIME_QUOTED_PRINTABLE, "a=\nb", "ab"},
		{MIME_QUOTED_PRINTABLE, "a=zzb", "a=zzb"},
		{MIME_QUOTED_PRINTABLE, "end=", "end"},
		{MIME_QUOTED_PRINTABLE, "end= \t", "end"},
		{MIME_QUOTED_PRINTABLE, "end=4", "end=4"},
		{MIME_QUOTED_PRINTABLE, "end \t", "end"},
		{MIME_QUOTED_PRINTABLE, "end \r", "end \r"},
		{MIME_QUOTED_PRINTABLE, "end=\r", "end=\r"},
		/* White space at the end of a line was put there on the way. */
		{MIME_QUOTED_PRINTABLE, "a \t \r\nb \nc", "a\r\nb\nc"},
		{MIME_QUOTED_PRINTABLE, "   \r\n\t\n", "\r\n\n"},
		{MIME_QUOTED_PRINTABLE, "a =20\r\nb=09 \r\n", "a  \r\nb\t\r\n"},
		{MIME_QUOTED_PRINTABLE, "a = \t\r\nb", "a b"},
		{MIME_QUOTED_PRINTABLE, "a= \nb=\t\t\n c", "ab c"},
		{MIME_QUOTED_PRINTABLE, "a= b", "a= b"},
		{MIME_QUOTED_PRINTABLE, "a= =41 =\r\nb", "a= A b"},
		{MIME_QUOTED_PRINTABLE, "a \rb =\rc", "a \rb =\rc"},
		{MIME_QUOTED_PRINTABLE, "a=4=42=\n", "a=4B"},
		{MIME_QUOTED_PRINTABLE, "==41", "=A"},
		{MIME_QUOTED_PRINTABLE, "=4\r\nx", "=4\r\nx"},
		{MIME_QUOTED_PRINTABLE, "=c3=B6", "\xc3\xb6"},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t piece = 1; piece <= 5; piece++) {
			struct str rest = str_c(cases[i].text);
			struct buf out = BUF_EMPTY;
			struct message_decoder d;
			message_decoder_init(&d, cases[i].encoding);
			for (; rest.len != 0; rest = str_from(rest, piece))
				message_decoder_feed(&d, str_first(rest, piece), &out);
			message_decoder_end(&d, &out);
			assert_str(buf_str(&out), cases[i].decoded);
			buf_fini(&out);
		}
}

/* A run of white space of any length costs the same memory, and is the same text
 * wherever it is cut. */
static void
test_long_white_space(void **state)
{
	struct buf text = BUF_EMPTY, whole = BUF_EMPTY, bytes = BUF_EMPTY;
	struct message_decoder d;

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_add_byte(&text, ' ');
	buf_add_c(&text, "x\r\n");
	for (unsigned i = 0; i < 1000; i++)
		buf_add_byte(&text, '\t');
	buf_add_c(&text, "\r\n= ");
	message_decoder_init(&d, MIME_QUOTED_PRINTABLE);
	message_decoder_feed(&d, buf_str(&text), &whole);
	message_decoder_end(&d, &whole);
	for (size_t i = 0; i < text.len; i++)
		message_decoder_feed(&d, str_of(text.data + i, 1), &bytes);
	message_decoder_end(&d, &bytes);
	assert_true(str_eq(buf_str(&whole), buf_str(&bytes)));
	assert_true(str_starts(str_from(buf_str(&whole), 100000), STR("x\r\n")));
	assert_true(whole.len < 100003 + 1000);
	buf_fini(&text);
	buf_fini(&whole);
	buf_fini(&bytes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decoding),
		cmocka_unit_test(test_long_white_space),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
