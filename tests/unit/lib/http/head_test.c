/* Heads of requests: which are valid, which are refused and how, in any pieces. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/http/head.h"
#include "lib/http/uri.h"

/* Scans in pieces of that size, then parses. Returns the status; 0: it is good. */
static int
head_read(struct str text, size_t piece, struct arena *arena, struct http_head *out)
{
	struct http_scan scan = {0};
	size_t at = 0;
	int status = 0;

	while (at < text.len && !scan.done && status == 0)
		at += http_scan_feed(&scan, str_first(str_from(text, at), piece), &status);
	if (status != 0)
		return status;
	assert_true(scan.done);
	assert_int_equal(at, scan.bytes);
	return http_head_parse(str_first(text, at), arena, out);
}

/* The same for any cut. */
static int
head_read_all_ways(const char *text, struct arena *arena, struct http_head *out)
{
	int status = head_read(str_c(text), strlen(text), arena, out);

	for (size_t piece = 1; piece < 4; piece++)
		assert_int_equal(head_read(str_c(text), piece, arena, out), status);
	return status;
}

static const struct {
	const char *text;
	int status; /* 0: good */
	const char *path, *query, *host;
	bool chunked;
	uint64_t length;
	bool keep_alive;
} rows[] = {
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/", "", "a", false, 0, true},
	{"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/", "", "a", false, 0, true},
	{"GET /a%20b?c=%20 HTTP/1.1\r\nhost:Example.COM:8443 \r\n\r\n", 0, "/a b", "c=%20", "example.com", false, 0,
	 true},
	{"GET / HTTP/1.1\r\nHost: [2001:DB8::1]:80\r\n\r\n", 0, "/", "", "2001:db8::1", false, 0, true},
	{"GET http://b.test/x HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/x", "", "b.test", false, 0, true},
	{"GET http://b.test HTTP/1.1\r\nHost: a\r\n\r\n", 0, "/", "", "b.test", false, 0, true},
	{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, "*", "", "a", false, 0, true},
	{"GET / HTTP/1.0\r\n\r\n", 0, "/", "", "", false, 0, false},
	{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0, "/", "", "", false, 0, true},
	{"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 0, "/", "", "a", false, 0, true},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", 0, "/", "", "a", false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", 0, "/", "", "a", false, 12, true},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n", 0, "/", "", "a", true, 0, true},
	{"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 1\r\n\r\n", 0, "/", "", "a", false, 1,
	 true},
	/* the request line */
	{"GET /\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{" GET / HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / http/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, NULL, NULL, NULL, false, 0, false},
	{"PRI * HTTP/2.0\r\n\r\n", 505, NULL, NULL, NULL, false, 0, false},
	{"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", 501, NULL, NULL, NULL, false, 0, false},
	{"get / HTTP/1.1\r\nHost: a\r\n\r\n", 501, NULL, NULL, NULL, false, 0, false},
	{"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 501, NULL, NULL, NULL, false, 0, false},
	{"GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET x HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET /a/../b HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET /a/%2e%2E/b HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET /%0d%0a HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	/* fields */
	{"GET / HTTP/1.1\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a:x\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: b\r\n c\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: \x01\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	/* line ends */
	{"GET / HTTP/1.1\nHost: a\n\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a\r\nX: b\rc\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"GET / HTTP/1.1\r\nHost: a\r\n\n", 400, NULL, NULL, NULL, false, 0, false},
	/* framing */
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL, NULL, NULL,
	 false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400, NULL, NULL, NULL, false,
	 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400, NULL, NULL, NULL, false, 0,
	 false},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL,
	 NULL, NULL, false, 0, false},
	{"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400, NULL, NULL, NULL, false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501, NULL, NULL, NULL, false, 0,
	 false},
	{"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 501, NULL, NULL, NULL, false, 0, false},
	{"POST / HTTP/1.1\r\nHost: a\r\nExpect: something\r\n\r\n", 417, NULL, NULL, NULL, false, 0, false},
};

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct http_head head;
		int status;

		arena_init(&arena);
		status = head_read_all_ways(rows[i].text, &arena, &head);
		if (status != rows[i].status)
			fail_msg("%s: %d, not %d", rows[i].text, status, rows[i].status);
		if (status == 0) {
			assert_true(str_eq(head.path, str_c(rows[i].path)));
			assert_true(str_eq(head.query, str_c(rows[i].query)));
			assert_true(str_eq(head.host, str_c(rows[i].host)));
			assert_int_equal(head.chunked, rows[i].chunked);
			assert_int_equal(head.length, rows[i].length);
			assert_int_equal(head.keep_alive, rows[i].keep_alive);
		}
		arena_fini(&arena);
	}
}

/* A line of one, a head of `lines` lines, each of `bytes`. */
static int
head_read_large(size_t target, size_t lines, size_t bytes)
{
	struct buf text = BUF_EMPTY;
	struct arena arena;
	struct http_head head;
	int status;

	arena_init(&arena);
	buf_add_c(&text, "GET /");
	for (size_t i = 0; i < target; i++)
		buf_add_byte(&text, 'a');
	buf_add_c(&text, " HTTP/1.1\r\nHost: a\r\n");
	for (size_t i = 0; i < lines; i++)
		buf_printf(&text, "X: %0*d\r\n", (int)bytes, 0);
	buf_add_c(&text, "\r\n");
	status = head_read(buf_str(&text), 1000, &arena, &head);
	buf_fini(&text);
	arena_fini(&arena);
	return status;
}

static void
test_limits(void **state)
{
	(void)state;
	assert_int_equal(head_read_large(HTTP_LINE_MAX - 14, 0, 1), 0);
	assert_int_equal(head_read_large(HTTP_LINE_MAX - 13, 0, 1), 414);
	assert_int_equal(head_read_large(1, HTTP_FIELDS_MAX - 1, 1), 0);
	assert_int_equal(head_read_large(1, HTTP_FIELDS_MAX, 1), 431);
	assert_int_equal(head_read_large(1, 31, 1000), 0);
	assert_int_equal(head_read_large(1, 33, 1000), 431);
}

static void
test_fields(void **state)
{
	struct arena arena;
	struct http_head head;

	(void)state;
	arena_init(&arena);
	assert_int_equal(
		head_read_all_ways(
			"GET / HTTP/1.1\r\nHost: a\r\nAccept:  x \r\nIf-Match: \"a\", \"b\"\r\nif-match: c\r\n\r\n",
			&arena, &head),
		0);
	assert_true(str_eq(*http_head_field(&head, STR("ACCEPT")), STR("x")));
	assert_null(http_head_field(&head, STR("Accep")));
	assert_true(http_head_has_token(&head, STR("If-Match"), STR("\"b\"")));
	assert_true(http_head_has_token(&head, STR("If-Match"), STR("C")));
	assert_false(http_head_has_token(&head, STR("If-Match"), STR("d")));
	arena_fini(&arena);
}

static void
test_uri(void **state)
{
	struct arena arena;
	struct str value;

	(void)state;
	arena_init(&arena);
	assert_true(str_eq(http_uri_raw_path(STR("/a%2Fb?x=/y")), STR("/a%2Fb")));
	assert_true(str_eq(http_uri_raw_path(STR("HTTP://[::1]:80/a%2Fb?x")), STR("/a%2Fb")));
	assert_true(str_eq(http_uri_raw_path(STR("https://a")), STR("/")));
	assert_true(http_uri_parameter(STR("a=1&b=x%26+y&b=2&c"), STR("b"), &arena, &value));
	assert_true(str_eq(value, STR("x& y")));
	assert_true(http_uri_parameter(STR("a=1&c"), STR("c"), &arena, &value));
	assert_int_equal(value.len, 0);
	assert_false(http_uri_parameter(STR("a=1"), STR("b"), &arena, &value));
	assert_false(http_uri_parameter(STR("b=%0"), STR("b"), &arena, &value));
	assert_false(http_uri_parameter(STR("b=%00"), STR("b"), &arena, &value));
	assert_true(http_uri_parameter(STR("b=%2B"), STR("b"), &arena, &value));
	assert_true(str_eq(value, STR("+")));
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_uri),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
