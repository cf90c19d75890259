/* Which text of a message gives its preview, and how much of it is read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/message/preview.h"

static void
make_digest(struct str message, struct buf *record, struct mime_digest *out)
{
	struct mime_digest_builder *b = mime_digest_begin();

	mime_digest_feed(b, message);
	mime_digest_end(&b, record);
	assert_true(mime_digest_read(buf_str(record), out));
}

/* Reads what is wanted, `piece` bytes at a time at most. Returns how much was read. */
static size_t
read_all(struct message_preview *p, struct str message, size_t piece)
{
	uint64_t offset;
	size_t bytes, count = 0;

	while (message_preview_wants(p, &offset, &bytes)) {
		assert_true(bytes != 0 && offset + bytes <= message.len);
		bytes = bytes < piece ? bytes : piece;
		message_preview_feed(p, str_of(message.p + offset, bytes));
		count += bytes;
	}
	return count;
}

#define MIXED "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
#define PART(type, text) "--b\r\nContent-Type: " type "\r\n\r\n" text "\r\n"

static void
test_which_text(void **state)
{
	static const struct {
		const char *message, *preview;
	} cases[] = {
		{"", ""},
		{"Subject: x\r\n\r\n", ""},
		{"Subject: x\r\n\r\n hello \r\n there\r\n", "hello there"},
		{"Content-Type: image/png\r\n\r\nhello\r\n", ""},
		{"Content-Type: text/html\r\n\r\n<p>a&amp;b\r\n", "a&b"},
		{"Content-Transfer-Encoding: base64\r\n\r\nSGVs\r\nbG8=\r\n", "Hello"},
		{"Content-Type: text/plain; charset=iso-8859-1\r\n\r\nGr\xfc\xdf\x65\r\n", "Gr\u00fc\u00dfe"},
		{MIXED PART("text/html", "<b>one</b>") PART("text/plain", "two") "--b--\r\n", "one"},
		/* One that says nothing is passed over, one that is attached too. */
		{MIXED PART("text/html", "<style>x</style>") PART("text/plain", "two") "--b--\r\n", "two"},
		{MIXED PART("text/plain\r\nContent-Disposition: attachment", "one") PART("text/plain", "two") "--b--\r\n", "two"},
		{MIXED PART("text/plain", " ") PART("text/html", "<p>") "--b--\r\n", ""},
		/* This message's own text before that of one within it. */
		{MIXED PART("message/rfc822", "Subject: inner\r\n\r\ninner") PART("text/plain", "own") "--b--\r\n", "own"},
		{MIXED PART("message/rfc822", "Subject: inner\r\n\r\ninner") "--b--\r\n", "inner"},
	};
	struct message_preview p = {0};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (size_t piece = 1; piece < 1000; piece *= 31) {
			struct buf record = BUF_EMPTY;
			struct mime_digest digest;
			make_digest(str_c(cases[i].message), &record, &digest);
			message_preview_begin(&p, &digest);
			read_all(&p, str_c(cases[i].message), piece);
			if (!str_eq(message_preview_text(&p), str_c(cases[i].preview)))
				fail_msg("case %u: \"%.*s\", not \"%s\"", i, STR_ARG(message_preview_text(&p)),
					 cases[i].preview);
			buf_fini(&record);
		}
	message_preview_fini(&p);
}

/* A text that says enough at its beginning is not read on; one that does not is
 * read to a limit, then the next one is. */
static void
test_how_much(void **state)
{
	struct buf message = BUF_EMPTY, record = BUF_EMPTY;
	struct message_preview p = {0};
	struct mime_digest digest;
	size_t count;

	(void)state;
	buf_add_c(&message, MIXED "--b\r\n\r\n");
	for (unsigned i = 0; i < 300000; i++)
		buf_add_byte(&message, i % 7 == 0 ? ' ' : 'x');
	buf_add_c(&message, "\r\n--b--\r\n");
	make_digest(buf_str(&message), &record, &digest);
	message_preview_begin(&p, &digest);
	assert_int_equal(read_all(&p, buf_str(&message), SIZE_MAX), 16 * 1024);
	assert_true(message_preview_text(&p).len > MESSAGE_PREVIEW_CHARS - 7);

	buf_clear(&message);
	buf_clear(&record);
	buf_add_c(&message, MIXED "--b\r\nContent-Type: text/html\r\n\r\n<style>");
	for (unsigned i = 0; i < 300000; i++)
		buf_add_byte(&message, 'x');
	buf_add_c(&message, "\r\n--b\r\n\r\nthe next\r\n--b--\r\n");
	make_digest(buf_str(&message), &record, &digest);
	message_preview_begin(&p, &digest);
	count = read_all(&p, buf_str(&message), SIZE_MAX);
	assert_int_equal(count, 128 * 1024 + strlen("the next"));
	assert_true(str_eq(message_preview_text(&p), STR("the next")));
	message_preview_fini(&p);
	buf_fini(&message);
	buf_fini(&record);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_which_text),
		cmocka_unit_test(test_how_much),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
