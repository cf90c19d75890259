/* The chunked coding, in any pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/http/chunked.h"

static const struct {
	const char *text, *body; /* NULL: refused */
	size_t behind;		 /* bytes that are the next request's */
} rows[] = {
	{"0\r\n\r\n", "", 0},
	{"5\r\nhello\r\n0\r\n\r\nGET ", "hello", 4},
	{"5\r\nhello\r\n00A\r\n, my world\r\n0\r\n\r\n", "hello, my world", 0},
	{"1;name=value\r\na\r\n0;x\r\n\r\n", "a", 0},
	{"1\r\n\r\r\n0\r\n\r\n", "\r", 0},
	{"0\r\nTrailer: x\r\nOther: y\r\n\r\n", "", 0},
	{"\r\n", NULL, 0},
	{"g\r\n", NULL, 0},
	{"-1\r\n", NULL, 0},
	{"0x1\r\na\r\n", NULL, 0},
	{" 1\r\na\r\n", NULL, 0},
	{"1 \r\na\r\n", NULL, 0},
	{"1\na\r\n", NULL, 0},
	{"1\r\nab\r\n", NULL, 0},
	{"1\r\na\n0\r\n\r\n", NULL, 0},
	{"1\r\na\r0\r\n\r\n", NULL, 0},
	{"1;\x01\r\na\r\n", NULL, 0},
	{"1000000000000000\r\n", NULL, 0},
	{"0\r\nX: a\nY: b\r\n\r\n", NULL, 0},
};

/* False: refused. */
static bool
chunked_read(struct str text, size_t piece, struct buf *body, size_t *behind_out)
{
	struct http_chunked c = {0};
	size_t at = 0;

	while (at < text.len && c.state != HTTP_CHUNK_BAD && c.state != HTTP_CHUNK_DONE) {
		struct str data;
		size_t taken = http_chunked_feed(&c, str_first(str_from(text, at), piece), &data);
		assert_int_not_equal(taken, 0);
		buf_add_str(body, data);
		at += taken;
	}
	*behind_out = text.len - at;
	return c.state == HTTP_CHUNK_DONE;
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (size_t piece = 1; piece < 20; piece++) {
			struct buf body = BUF_EMPTY;
			size_t behind;
			bool ok = chunked_read(str_c(rows[i].text), piece, &body, &behind);

			if (ok != (rows[i].body != NULL))
				fail_msg("%s in pieces of %zu", rows[i].text, piece);
			if (ok) {
				assert_true(str_eq(buf_str(&body), str_c(rows[i].body)));
				assert_int_equal(behind, rows[i].behind);
			}
			buf_fini(&body);
		}
}

static bool
chunked_takes(const char *before, size_t count, const char *after)
{
	struct buf text = BUF_EMPTY, body = BUF_EMPTY;
	size_t behind;
	bool ok;

	buf_add_c(&text, before);
	for (size_t i = 0; i < count; i++)
		buf_add_byte(&text, 'x');
	buf_add_c(&text, after);
	ok = chunked_read(buf_str(&text), 4096, &body, &behind);
	buf_fini(&text);
	buf_fini(&body);
	return ok;
}

static void
test_limits(void **state)
{
	(void)state;
	assert_true(chunked_takes("1;", HTTP_EXTENSION_MAX, "\r\na\r\n0\r\n\r\n"));
	assert_false(chunked_takes("1;", HTTP_EXTENSION_MAX + 1, "\r\na\r\n0\r\n\r\n"));
	assert_true(chunked_takes("0\r\n", HTTP_TRAILERS_MAX - 4, "\r\n\r\n"));
	assert_false(chunked_takes("0\r\n", HTTP_TRAILERS_MAX, "\r\n\r\n"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
