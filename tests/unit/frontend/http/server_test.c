/* The HTTP server: requests over real TCP connections on loopback, to routes of the
 * test's own. */
#include <sys/resource.h>

#include "tests/unit/frontend/http/http_fixture.h"

/* ---- Routes ---- */

/* Reads the body, then sends its size. */
static void
size_on_begin(struct http_request *r)
{
	seen.begun++;
	seen.body_bytes = 0;
	http_want_body(r);
}

static void
size_on_body(struct http_request *r, struct str piece)
{
	(void)r;
	seen.body_bytes += piece.len;
}

static void
size_on_end(struct http_request *r)
{
	seen.ended++;
	answer_c(r, arena_printf(http_arena(r), "%zu", seen.body_bytes));
}

static void
early_on_body(struct http_request *r, struct str piece)
{
	(void)piece;
	answer_c(r, "enough");
}

enum { BIG_BYTES = 4 * 1024 * 1024 };

static void
big_go_on(struct http_request *r)
{
	size_t *left = http_state(r);
	static const char piece[8192];

	while (*left != 0) {
		if (!http_may_write(r))
			return;
		http_write(r, str_of(piece, sizeof(piece)));
		*left -= sizeof(piece);
	}
	http_finish(r);
}

static void
big_on_begin(struct http_request *r)
{
	size_t *left = arena_new(http_arena(r), size_t);

	*left = BIG_BYTES;
	http_set_state(r, left);
	http_begin(r, 200, NULL, BIG_BYTES);
	big_go_on(r);
}

/* Bytes of a version that is known. */
static void
file_on_begin(struct http_request *r)
{
	http_write(r, http_begin_bytes(r, "text/plain", STR("\"v1\""), STR("0123456789")));
	http_finish(r);
}

static const struct http_handler file = {.on_begin = file_on_begin};
static const struct http_handler size = {
	.on_begin = size_on_begin, .on_body = size_on_body, .on_end = size_on_end, .on_gone = count_gone};
static const struct http_handler early = {.on_begin = size_on_begin, .on_body = early_on_body, .on_gone = count_gone};
static const struct http_handler big = {.on_begin = big_on_begin, .on_room = big_go_on, .on_gone = count_gone};

static const struct http_route routes[] = {
	{NULL, "/", GET, 0, 0, 0, &hello},
	{NULL, "/file", GET, 0, 0, 0, &file},
	{NULL, "/Case", GET, HTTP_CASELESS, 0, 0, &hello},
	{NULL, "/files/*", GET, 0, 0, 0, &hello},
	{NULL, "/echo", POST, 0, 100000, 0, &echo},
	{NULL, "/size", POST, 0, 100000, 100, &size},
	{NULL, "/refuse", POST, 0, 200000, 0, &hello},
	{NULL, "/early", POST, 0, 100000, 0, &early},
	{NULL, "/big", GET, 0, 0, 0, &big},
	{.path = NULL},
};

/* ---- Tests ---- */

static const struct {
	const char *request, *status, *part;
	bool closes;
} rows[] = {
	{"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "Content-Length: 5\r\n\r\nhello", false},
	{"GET /?name=J%C3%BC+x HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "\r\n\r\nJ\xc3\xbc x", false},
	{"GET /cASE HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "hello", false},
	{"GET /files/x/y HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "hello", false},
	{"GET /file HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "ETag: \"v1\"\r\nAccept-Ranges: bytes\r\n\r\n0123456789",
	 false},
	{"GET /file HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"v0\", W/\"v1\"\r\n\r\n", "304 Not Modified",
	 "ETag: \"v1\"\r\n\r\n", false},
	{"GET /file HTTP/1.1\r\nHost: a\r\nIf-None-Match: \"v0\"\r\n\r\n", "200 OK", "\r\n\r\n0123456789", false},
	{"GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n", "206 Partial Content",
	 "Content-Range: bytes 2-4/10\r\n\r\n234", false},
	{"HEAD /file HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\n\r\n", "200 OK", "Content-Length: 10\r\n", false},
	{"GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\nIf-Range: \"v0\"\r\n\r\n", "200 OK",
	 "\r\n\r\n0123456789", false},
	{"GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\nIf-Range: \"v1\"\r\n\r\n", "206 Partial Content",
	 "\r\n\r\n234", false},
	{"GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=2-4\r\nIf-None-Match: *\r\n\r\n", "304 Not Modified", "",
	 false},
	{"GET /file HTTP/1.1\r\nHost: a\r\nRange: bytes=10-\r\n\r\n", "416 Range Not Satisfiable",
	 "Content-Range: bytes */10\r\n\r\n", false},
	{"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "Content-Length: 5\r\n\r\n", false},
	{"GET / HTTP/1.0\r\n\r\n", "200 OK", "Connection: close\r\n", true},
	{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "200 OK", "Connection: keep-alive\r\n", false},
	{"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", "200 OK", "Connection: close\r\n", true},
	{"GET /none HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found", "", false},
	{"GET /case/x HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found", "", false},
	{"POST / HTTP/1.1\r\nHost: a\r\n\r\n", "405 Method Not Allowed", "Allow: GET, HEAD, OPTIONS\r\n", false},
	{"OPTIONS /size HTTP/1.1\r\nHost: a\r\n\r\n", "204 No Content", "Allow: POST, OPTIONS\r\n", false},
	{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", "204 No Content", "Allow: ", false},
	{"OPTIONS /none HTTP/1.1\r\nHost: a\r\n\r\n", "404 Not Found", "", false},
	{"BREW / HTTP/1.1\r\nHost: a\r\n\r\n", "501 Not Implemented", "", true},
	{"GET / HTTP/3.0\r\nHost: a\r\n\r\n", "505 HTTP Version Not Supported", "", true},
	{"GET / HTTP/1.1\r\n\r\n", "400 Bad Request", "", true},
	{"POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200 OK", "\r\n\r\n5", false},
	{"POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "200 OK", "\r\n\r\n0", false},
	{"POST /size HTTP/1.1\r\nHost: a\r\n\r\n", "200 OK", "\r\n\r\n0", false},
	{"POST /size HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n",
	 "200 OK", "\r\n\r\n5", false},
	{"POST /size HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n", "400 Bad Request", "",
	 true},
	{"POST /size HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n186A1\r\n", "200 OK", NULL, false},
	{"POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n", "413 Content Too Large", "", true},
	{"POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
	 "400 Bad Request", "", true},
	/* An unread body: if it is small, it is skipped; if its size is unknown or large, the
	 * connection ends. */
	{"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", "200 OK", "hello", false},
	{"POST /refuse HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "200 OK",
	 "Connection: close\r\n", true},
	{"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\nhello", "200 OK", "Connection: close\r\n",
	 true},
	{"POST /early HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nhelloabcd", "200 OK", "enough", false},
	{"POST /refuse HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n", "200 OK",
	 "Connection: close\r\n", true},
	{"POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: x\r\n\r\n", "417 Expectation Failed", "",
	 true},
};

/* Each request gets the answer in its row, whether it is sent whole or in pieces;
 * then the connection ends, or serves the next request. */
static void
check_row(size_t i, bool trickles)
{
	struct client c;

	client_connect(&c);
	if (trickles)
		client_trickle(&c, rows[i].request);
	else
		client_send(&c, rows[i].request);
	if (rows[i].part == NULL) { /* the rest never comes */
		client_expect(&c, "HTTP/1.1 408 ");
		client_leave(&c);
		return;
	}
	client_expect(&c, rows[i].status);
	client_expect(&c, rows[i].part);
	if (rows[i].closes) {
		client_expect_end(&c);
	} else {
		client_send(&c, "GET /?name=next HTTP/1.1\r\nHost: a\r\n\r\n");
		client_expect(&c, "\r\n\r\nnext");
	}
	client_leave(&c);
}

static void
test_rows(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		check_row(i, false);
		check_row(i, true);
	}
}

static void
test_pipelined_in_order(void **state)
{
	struct client c;

	(void)state;
	client_connect(&c);
	client_send(
		&c,
		"GET /?name=1 HTTP/1.1\r\nHost: a\r\n\r\nPOST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n"
		"two\r\nGET /?name=3 HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\nConnection: "
		"close\r\n\r\n"
		"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	client_expect_end(&c);
	assert_int_equal(client_count(&c, "HTTP/1.1 "), 4);
	assert_non_null(strstr(c.got.data, "\r\n\r\n1HTTP/1.1 200 OK"));
	assert_non_null(strstr(c.got.data, "3\r\ntwo\r\n0\r\n\r\nHTTP/1.1 200 OK"));
	assert_non_null(strstr(c.got.data, "\r\n\r\n3HTTP/1.1 404 Not Found"));
	client_leave(&c);
}

static void
test_continue(void **state)
{
	struct client c;

	(void)state;
	client_connect(&c);
	client_send(&c, "POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	client_expect(&c, "HTTP/1.1 100 Continue\r\n\r\n");
	client_send(&c, "hello");
	client_expect(&c, "200 OK");
	client_expect(&c, "\r\n\r\n5");
	client_leave(&c);
}

/* A body that arrives faster than it is processed, while an answer is being sent. */
static void
test_body_stops_and_goes(void **state)
{
	static char body[50001];
	struct client c;

	(void)state;
	memset(body, 'x', sizeof(body) - 1);
	client_connect(&c);
	client_send(&c, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 50000\r\n\r\n");
	client_send(&c, body);
	client_expect(&c, "\r\n0\r\n\r\n");
	assert_int_equal(seen.body_bytes, 50000);
	assert_int_equal(seen.ended, 1);
	client_leave(&c);
}

static void
test_client_leaves_in_body(void **state)
{
	struct client c;

	(void)state;
	client_connect(&c);
	client_send(&c, "POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
	settle();
	assert_int_equal(seen.begun, 1);
	client_leave(&c);
	settle();
	assert_int_equal(seen.gone, 1);
	assert_int_equal(seen.ended, 0);
	assert_int_equal(core.states[0].count, 0);
}

static void
test_slow_reader(void **state)
{
	struct client c;

	(void)state;
	client_connect(&c);
	client_send(&c, "GET /big HTTP/1.1\r\nHost: a\r\n\r\nGET /?name=last HTTP/1.1\r\nHost: a\r\n\r\n");
	settle();
	assert_true(conn_output_pending(core.states[0].conns) < 2 * CONN_OUTPUT_HIGH);
	while (c.got.len < BIG_BYTES) {
		turn();
		client_receive(&c);
	}
	while (c.got.len < 4 || memcmp(c.got.data + c.got.len - 4, "last", 4) != 0) {
		turn();
		client_receive(&c);
	}
	client_leave(&c);
}

/* By the default of http.max_per_address. */
static void
test_too_many_of_an_address(void **state)
{
	enum { MOST = 1000 };
	struct client *c = mem_zalloc(MOST * sizeof(*c)), more;
	struct rlimit files;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < MOST; i++)
		client_connect(&c[i]);
	client_connect(&more);
	client_expect(&more, "HTTP/1.1 503 Service Unavailable\r\n");
	client_expect_end(&more);
	client_leave(&more);
	client_connect_from(&more, 2);
	client_send(&more, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	client_expect(&more, "hello");
	client_leave(&more);
	for (unsigned i = 0; i < MOST; i++)
		client_leave(&c[i]);
	settle();
	mem_free(c);
}

/* ---- Time ---- */

static void
test_body_stops_coming(void **state)
{
	struct client c;

	(void)state;
	client_connect(&c);
	client_send(&c, "POST /size HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
	client_expect(&c, "HTTP/1.1 408 Request Timeout\r\n");
	client_expect_end(&c);
	assert_int_equal(seen.gone, 1);
	client_leave(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_rows),
		T(test_pipelined_in_order),
		T(test_continue),
		T(test_body_stops_and_goes),
		T(test_client_leaves_in_body),
		T(test_slow_reader),
		T(test_too_many_of_an_address),
		T(test_body_stops_coming),
	};

	http_routes = routes;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
