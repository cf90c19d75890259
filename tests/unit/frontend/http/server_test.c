/* The HTTP server: requests over real TCP connections on loopback, to routes of the
 * test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/core/conn_private.h"
#include "frontend/http/http.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* ---- Routes ---- */

static struct {
	unsigned begun, gone, timed, ended, shut;
	size_t body_bytes;
	struct http_request *parked; /* borrowed */
	struct event *timer;
} seen;

static void
answer_c(struct http_request *r, const char *text)
{
	http_reply(r, 200, "text/plain", str_c(text));
}

static void
count_gone(struct http_request *r)
{
	(void)r;
	seen.gone++;
	seen.parked = NULL;
}

static void
hello_on_begin(struct http_request *r)
{
	struct str name;

	seen.begun++;
	if (http_parameter(r, STR("name"), &name))
		http_reply(r, 200, "text/plain", name);
	else
		answer_c(r, "hello");
}

/* Sends the body back piece by piece; each holds the request for a turn of the loop. */
static void
echo_on_begin(struct http_request *r)
{
	seen.begun++;
	http_begin(r, 200, "text/plain", HTTP_CHUNKED);
	http_want_body(r);
}

static void
echo_on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	(void)http_back(arg);
}

static void
echo_on_body(struct http_request *r, struct str piece)
{
	struct timeval now = {0, 0};

	seen.body_bytes += piece.len;
	http_write(r, piece);
	http_hold(r);
	event_base_once(http_frontend(r)->service->base, -1, EV_TIMEOUT, echo_on_turn, r, &now);
}

static void
echo_on_end(struct http_request *r)
{
	seen.ended++;
	http_finish(r);
}

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

static void
park_on_begin(struct http_request *r)
{
	seen.begun++;
	seen.parked = r;
	http_park(r, str_starts(http_head(r)->host, STR("auto.")) ? 100 : 60000);
}

/* A stream of events. */
static void
stream_on_begin(struct http_request *r)
{
	seen.begun++;
	seen.parked = r;
	http_begin(r, 200, "text/event-stream", HTTP_CHUNKED);
	http_write(r, STR("one\n"));
	http_park(r, str_starts(http_head(r)->host, STR("auto.")) ? 100 : 60000);
}

static void
park_on_time(struct http_request *r)
{
	seen.timed++;
	answer_c(r, "nothing new");
}

static void
park_on_shutdown(struct http_request *r)
{
	seen.shut++;
	answer_c(r, "the end");
}

/* Bytes of a version that is known. */
static void
file_on_begin(struct http_request *r)
{
	http_write(r, http_begin_bytes(r, "text/plain", STR("\"v1\""), STR("0123456789")));
	http_finish(r);
}

static const struct http_handler file = {.on_begin = file_on_begin};
static const struct http_handler hello = {.on_begin = hello_on_begin, .on_gone = count_gone};
static const struct http_handler echo = {
	.on_begin = echo_on_begin, .on_body = echo_on_body, .on_end = echo_on_end, .on_gone = count_gone};
static const struct http_handler size = {
	.on_begin = size_on_begin, .on_body = size_on_body, .on_end = size_on_end, .on_gone = count_gone};
static const struct http_handler early = {.on_begin = size_on_begin, .on_body = early_on_body, .on_gone = count_gone};
static const struct http_handler big = {.on_begin = big_on_begin, .on_room = big_go_on, .on_gone = count_gone};
static const struct http_handler park = {
	.on_begin = park_on_begin, .on_time = park_on_time, .on_shutdown = park_on_shutdown, .on_gone = count_gone};
static const struct http_handler stream = {.on_begin = stream_on_begin, .on_gone = count_gone};
static const struct http_handler wait = {.on_begin = park_on_begin, .on_gone = count_gone};

#define GET  HTTP_BIT(HTTP_GET)
#define POST HTTP_BIT(HTTP_POST)

static const struct http_route routes[] = {
	{"auto.*", "/", GET, 0, 0, 0, &park},
	{NULL, "/", GET, 0, 0, 0, &hello},
	{NULL, "/file", GET, 0, 0, 0, &file},
	{NULL, "/Case", GET, HTTP_CASELESS, 0, 0, &hello},
	{NULL, "/files/*", GET, 0, 0, 0, &hello},
	{NULL, "/echo", POST, 0, 100000, 0, &echo},
	{NULL, "/size", POST, 0, 100000, 100, &size},
	{NULL, "/refuse", POST, 0, 200000, 0, &hello},
	{NULL, "/early", POST, 0, 100000, 0, &early},
	{NULL, "/big", GET, 0, 0, 0, &big},
	{NULL, "/park", GET, 0, 0, 0, &park},
	{NULL, "/wait", GET, 0, 0, 0, &wait},
	{NULL, "/stream", GET, 0, 0, 0, &stream},
	{.path = NULL},
};

/* ---- The frontend ---- */

static struct service service;
static struct core core;

static int
setup(void **state)
{
	unsigned count = 0;
	struct err err;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	evthread_use_pthreads();
	memset(&seen, 0, sizeof(seen));
	http_routes = routes;
	service = (struct service){.hostname = "mail.example.test", .base = event_base_new()};
	service.redis = redis_new(service.base, "unix:/nonexistent/redis", &err);
	service.settings = settings_live_new(service.base, service.redis, NULL, false);
	core = (struct core){.frontend = {.service = &service}};
	while (protocols[count] != NULL)
		count++;
	core.states = mem_zalloc((count + 1) * sizeof(core.states[0]));
	core.states[0].protocol = &protocol_http;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	conns_abort(&core);
	assert_int_equal(core.states[0].count, 0);
	mem_free(core.states);
	settings_live_free(&service.settings);
	redis_free(&service.redis);
	event_base_free(service.base);
	return 0;
}

/* ---- A client ---- */

struct client {
	int fd;
	struct buf got;
	bool ended;
};

static void
turn(void)
{
	struct timeval pause = {.tv_usec = 1000};

	event_base_loopexit(service.base, &pause);
	event_base_loop(service.base, EVLOOP_ONCE);
}

/* From 127.0.0.<host>. */
static void
client_connect_from(struct client *c, unsigned host)
{
	struct sockaddr_in own = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000000u + host)};
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;

	*c = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(bind(c->fd, (struct sockaddr *)&own, sizeof(own)), 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	fd = accept4(listener, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	close(listener);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	conn_accept(&core, &core.states[0], &protocol_http.listeners[0], fd, (struct sockaddr *)&sa);
}

static void
client_connect(struct client *c)
{
	client_connect_from(c, 1);
}

static void
client_leave(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_fini(&c->got);
}

static void
client_receive(struct client *c)
{
	char bytes[65536];
	ssize_t got;

	while ((got = recv(c->fd, bytes, sizeof(bytes), 0)) > 0)
		buf_add(&c->got, bytes, (size_t)got);
	c->ended |= got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static void
client_send(struct client *c, const char *text)
{
	assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Sends each byte in a separate packet. */
static void
client_trickle(struct client *c, const char *text)
{
	for (; *text != '\0'; text++) {
		assert_int_equal(send(c->fd, text, 1, MSG_NOSIGNAL), 1);
		turn();
	}
}

/* Waits until the text has been received. */
static void
client_expect(struct client *c, const char *text)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (strstr(c->got.data != NULL ? c->got.data : "", text) == NULL) {
		if (c->ended || clock_monotonic_ms() > until)
			fail_msg("'%s' did not come, but: %s", text, c->got.data != NULL ? c->got.data : "nothing");
		turn();
		client_receive(c);
	}
}

static void
client_expect_end(struct client *c)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (!c->ended && clock_monotonic_ms() < until) {
		turn();
		client_receive(c);
	}
	assert_true(c->ended);
}

static unsigned
client_count(const struct client *c, const char *text)
{
	unsigned count = 0;

	for (const char *at = c->got.data; at != NULL && (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

static void
settle(void)
{
	for (unsigned i = 0; i < 20; i++)
		turn();
}

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

/* ---- Parked requests ---- */

static void
test_parked_is_answered(void **state)
{
	struct client c;

	(void)state;
	client_connect(&c);
	client_send(&c, "GET /park HTTP/1.1\r\nHost: a\r\n\r\nGET /?name=next HTTP/1.1\r\nHost: a\r\n\r\n");
	settle();
	assert_non_null(seen.parked);
	assert_int_equal(c.got.len, 0);
	answer_c(seen.parked, "news");
	client_expect(&c, "\r\n\r\nnews");
	client_expect(&c, "\r\n\r\nnext");
	client_leave(&c);
}

static void
test_parked_time_is_over(void **state)
{
	struct client c;

	(void)state;
	client_connect(&c);
	client_send(&c, "GET / HTTP/1.1\r\nHost: auto.example.test\r\n\r\n");
	client_expect(&c, "nothing new");
	client_send(&c, "GET /wait HTTP/1.1\r\nHost: auto.example.test\r\n\r\n");
	client_expect(&c, "204 No Content");
	assert_int_equal(seen.timed, 1);
	assert_int_equal(seen.gone, 1); /* the second has no on_time */
	client_leave(&c);
}

static void
test_stream(void **state)
{
	struct client c;

	(void)state;
	client_connect(&c);
	client_send(&c, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	client_expect(&c, "4\r\none\n\r\n");
	http_write(seen.parked, STR("two\n"));
	client_expect(&c, "4\r\ntwo\n\r\n");
	http_finish(seen.parked);
	client_expect(&c, "0\r\n\r\n");
	client_send(&c, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	client_expect(&c, "hello");
	client_leave(&c);
}

static void
test_stream_ends(void **state)
{
	struct client c, left;

	(void)state;
	client_connect(&c);
	client_send(&c, "GET /stream HTTP/1.1\r\nHost: auto.example.test\r\n\r\n");
	client_expect(&c, "0\r\n\r\n");
	assert_int_equal(seen.gone, 1);
	client_connect(&left);
	client_send(&left, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	client_expect(&left, "one\n");
	client_leave(&left);
	for (int64_t until = clock_monotonic_ms() + 30000; seen.gone == 1 && clock_monotonic_ms() < until;)
		turn();
	assert_int_equal(seen.gone, 2);
	client_send(&c, "GET /stream HTTP/1.1\r\nHost: a\r\n\r\n");
	while (seen.begun < 3)
		turn();
	conns_drain(&core);
	client_expect(&c, "0\r\n\r\n");
	client_expect_end(&c);
	assert_int_equal(seen.gone, 3);
	client_leave(&c);
}

enum way { FIN, RESET, HALF };

static void
check_parked_leaves(enum way way, const char *more)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct client c;
	unsigned gone = seen.gone;

	client_connect(&c);
	client_send(&c, "GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
	while (seen.parked == NULL)
		turn();
	client_send(&c, more);
	settle();
	if (way == RESET)
		setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	if (way == HALF)
		shutdown(c.fd, SHUT_WR);
	else
		client_leave(&c);
	for (int64_t until = clock_monotonic_ms() + 30000; seen.gone == gone && clock_monotonic_ms() < until;)
		turn();
	assert_int_equal(seen.gone, gone + 1);
	assert_int_equal(seen.timed, 0);
	settle();
	assert_int_equal(core.states[0].count, 0);
	if (way == HALF)
		client_leave(&c);
}

static void
test_parked_client_leaves(void **state)
{
	(void)state;
	for (enum way way = FIN; way <= HALF; way++) {
		check_parked_leaves(way, "");
		check_parked_leaves(way, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	}
}

/* Two thousand at once, a quarter each: they close, reset, close their half, or say
 * nothing until their time is over. Each ends by itself, and nothing is left. */
static void
test_parked_thousands(void **state)
{
	enum { MANY = 2000, KINDS = 4, CLIENTS = MANY / KINDS };
	struct linger reset = {.l_onoff = 1, .l_linger = 0};
	struct client *c = mem_zalloc(MANY * sizeof(*c));
	int64_t until = clock_monotonic_ms() + 120000;
	struct rlimit files;

	(void)state;
	getrlimit(RLIMIT_NOFILE, &files);
	files.rlim_cur = files.rlim_max;
	setrlimit(RLIMIT_NOFILE, &files);
	for (unsigned i = 0; i < MANY; i++) {
		client_connect_from(&c[i], 1 + i % KINDS);
		client_send(&c[i], i % KINDS == KINDS - 1 ? "GET / HTTP/1.1\r\nHost: auto.a\r\n\r\n"
							  : "GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
		if (i % 100 == 0)
			turn();
	}
	while (seen.begun < MANY && clock_monotonic_ms() < until)
		turn();
	assert_int_equal(seen.gone, 0);
	for (unsigned i = 0; i < MANY; i++) {
		if (i % KINDS == RESET)
			setsockopt(c[i].fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (i % KINDS == HALF)
			shutdown(c[i].fd, SHUT_WR);
		else if (i % KINDS < HALF)
			client_leave(&c[i]);
	}
	while ((seen.gone < 3 * CLIENTS || seen.timed < CLIENTS) && clock_monotonic_ms() < until)
		turn();
	assert_int_equal(seen.gone, 3 * CLIENTS);
	assert_int_equal(seen.timed, CLIENTS);
	settle();
	assert_int_equal(core.states[0].count, CLIENTS); /* answered, and kept for a next request */
	for (unsigned i = 0; i < MANY; i++)
		client_leave(&c[i]);
	while (core.states[0].count != 0 && clock_monotonic_ms() < until)
		turn();
	assert_null(core.states[0].addresses);
	mem_free(c);
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

static void
test_shutdown(void **state)
{
	struct client idle, parked, waiting, sending;

	(void)state;
	client_connect(&idle);
	client_connect(&parked);
	client_send(&parked, "GET /park HTTP/1.1\r\nHost: a\r\n\r\n");
	client_connect(&waiting);
	client_send(&waiting, "GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
	client_connect(&sending);
	client_send(&sending, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhel");
	settle();
	for (struct conn *c = core.states[0].conns, *next; c != NULL; c = next) {
		next = c->next;
		protocol_http.on_shutdown(c);
	}
	client_expect_end(&idle);
	assert_int_equal(idle.got.len, 0);
	client_expect(&parked, "the end");
	client_expect_end(&parked);
	client_expect(&waiting, "HTTP/1.1 503 ");
	client_expect(&waiting, "Retry-After: ");
	client_expect_end(&waiting);
	client_send(&sending, "lo");
	client_expect(&sending, "lo\r\n0\r\n\r\n");
	client_leave(&idle);
	client_leave(&parked);
	client_leave(&waiting);
	client_leave(&sending);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
		T(test_parked_is_answered),
		T(test_parked_time_is_over),
		T(test_stream),
		T(test_stream_ends),
		T(test_parked_client_leaves),
		T(test_parked_thousands),
		T(test_too_many_of_an_address),
		T(test_body_stops_coming),
		T(test_shutdown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
