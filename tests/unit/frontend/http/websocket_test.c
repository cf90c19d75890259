/* WebSockets on the HTTP server: the handshake, messages both ways, the closing, and
 * clients that do not read, or leave. */
#include "frontend/http/websocket.h"

#include "tests/unit/frontend/http/http_fixture.h"
#include "tests/unit/frontend/http/websocket_client.h"

static struct websocket *open_socket; /* borrowed; the last one */

/* ---- Handlers ---- */

/* Sends a message back; "close", "pause" and "flood" are orders. */
static void
echo_on_message(struct websocket *ws, bool is_text, struct str message)
{
	static const char much[65536];

	seen.body_bytes += message.len;
	if (str_eq(message, STR("close"))) {
		websocket_close(ws, WEBSOCKET_CODE_FAILED, "as you wish");
		return;
	}
	if (str_eq(message, STR("pause")))
		websocket_pause(ws);
	while (str_eq(message, STR("flood")) && websocket_may_send(ws))
		websocket_send(ws, false, str_of(much, sizeof(much)));
	websocket_send(ws, is_text, message);
}

static void
ws_on_room(struct websocket *ws)
{
	seen.timed++;
	websocket_send(ws, true, STR("room"));
}

static void
ws_on_shutdown(struct websocket *ws)
{
	seen.shut++;
	websocket_send(ws, true, STR("the end"));
	websocket_close(ws, WEBSOCKET_CODE_GOING_AWAY, "");
}

static void
ws_on_gone(struct websocket *ws)
{
	seen.gone += *(unsigned *)websocket_state(ws);
}

static const struct websocket_handler echo_socket = {.on_message = echo_on_message, .on_room = ws_on_room, .on_gone = ws_on_gone};
static const struct websocket_handler deaf_socket = {.on_shutdown = ws_on_shutdown, .on_gone = ws_on_gone};

static bool
ws_is_origin_ok(const struct http_request *r, struct str origin)
{
	(void)r;
	return str_eq(origin, STR("https://ours"));
}

static unsigned one = 1;

static void
ws_accept(struct http_request *r, const struct websocket_handler *handler)
{
	seen.begun++;
	if (websocket_is_wanted(r))
		open_socket = websocket_accept(r, handler, &one);
	else
		answer_c(r, "ordinary");
}

static void
ws_on_begin(struct http_request *r)
{
	ws_accept(r, &echo_socket);
}

static void
deaf_on_begin(struct http_request *r)
{
	ws_accept(r, &deaf_socket);
}

/* As if the store had to be asked who it is. */
static void
late_on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	if (http_back(arg))
		ws_accept(arg, &echo_socket);
}

static void
late_on_begin(struct http_request *r)
{
	struct timeval soon = {0, 200000};

	http_hold(r);
	event_base_once(http_frontend(r)->service->base, -1, EV_TIMEOUT, late_on_turn, r, &soon);
}

static const struct websocket_terms terms = {.protocols = "two one", .message_max = 1000, .is_origin_ok = ws_is_origin_ok};
static const struct http_handler socket_handler = {.on_begin = ws_on_begin, .websocket = &terms};
static const struct http_handler deaf_handler = {.on_begin = deaf_on_begin, .websocket = &terms};
static const struct http_handler late_handler = {.on_begin = late_on_begin, .websocket = &terms};

static const struct http_route routes[] = {
	{NULL, "/", GET, 0, 0, 0, &hello},
	{NULL, "/ws", GET | POST, 0, 1000, 0, &socket_handler},
	{NULL, "/deaf", GET, 0, 0, 0, &deaf_handler},
	{NULL, "/late", GET, 0, 0, 0, &late_handler},
	{.path = NULL},
};

/* ---- The client ---- */

#define UPGRADE	  "Host: a\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
#define KEY	  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION	  "Sec-WebSocket-Version: 13\r\n"
#define HANDSHAKE " HTTP/1.1\r\n" UPGRADE KEY VERSION "\r\n"

/* Waits until the bytes have been received, and forgets all up to their end. */
static void
expect_bytes(struct client *c, struct str bytes)
{
	int64_t until = clock_monotonic_ms() + 30000;
	const char *at;
	size_t left;

	while ((at = c->got.len != 0 ? memmem(c->got.data, c->got.len, bytes.p, bytes.len) : NULL) == NULL) {
		if (c->ended || clock_monotonic_ms() > until)
			fail_msg("%zu bytes did not come, but %zu others: %.*s", bytes.len, c->got.len, STR_ARG(buf_str(&c->got)));
		turn();
		client_receive(c);
	}
	left = c->got.len - (size_t)(at - c->got.data) - bytes.len;
	memmove(c->got.data, at + bytes.len, left);
	c->got.len = left;
	c->got.data[left] = '\0';
}

static void
expect_frame(struct client *c, unsigned first, const char *payload)
{
	struct buf frame = BUF_EMPTY;

	frame_add_as(&frame, first, str_c(payload), 0, false);
	expect_bytes(c, buf_str(&frame));
	buf_fini(&frame);
}

static void
expect_close(struct client *c, unsigned code)
{
	const char head[] = {(char)(FIN | CLOSE), 2, (char)(code >> 8), (char)code};

	expect_bytes(c, str_of(head, sizeof(head)));
}

static void
send_bytes(struct client *c, struct buf *bytes)
{
	assert_int_equal(send(c->fd, bytes->data, bytes->len, MSG_NOSIGNAL), bytes->len);
	buf_fini(bytes);
}

static void
send_frame(struct client *c, unsigned first, const char *payload)
{
	struct buf frame = BUF_EMPTY;

	frame_add(&frame, first, str_c(payload));
	send_bytes(c, &frame);
}

static void
connect_to(struct client *c, const char *path)
{
	struct buf request = BUF_EMPTY;

	client_connect(c);
	buf_printf(&request, "GET %s" HANDSHAKE, path);
	send_bytes(c, &request);
	expect_bytes(c, STR("\r\n\r\n"));
}

static void
wait_gone(unsigned count)
{
	for (int64_t until = clock_monotonic_ms() + 30000; seen.gone != count && clock_monotonic_ms() < until;)
		turn();
	assert_int_equal(seen.gone, count);
}

/* ---- The handshake ---- */

static void
test_handshakes(void **state)
{
	static const struct {
		const char *request, *wanted;
		bool ends;
	} cases[] = {
		{"GET /ws" HANDSHAKE, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", false},
		{"GET /ws" HANDSHAKE, "HTTP/1.1 101 Switching Protocols\r\n", false},
		{"GET /late" HANDSHAKE, "HTTP/1.1 101 Switching Protocols\r\n", false},
		{"GET /ws HTTP/1.1\r\nOrigin: https://ours\r\n" UPGRADE KEY VERSION "\r\n", "HTTP/1.1 101 ", false},
		{"GET /ws HTTP/1.1\r\nSec-WebSocket-Protocol: none, one, two\r\n" UPGRADE KEY VERSION "\r\n", "Sec-WebSocket-Protocol: one\r\n", false},
		{"GET /ws HTTP/1.1\r\nSec-WebSocket-Protocol: tw\r\nSec-WebSocket-Protocol: two\r\n" UPGRADE KEY VERSION "\r\n", "Sec-WebSocket-Protocol: two\r\n", false},
		{"GET /ws HTTP/1.1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n" UPGRADE KEY VERSION "\r\n", "HTTP/1.1 101 ", false},
		/* refused */
		{"GET /ws HTTP/1.1\r\nOrigin: https://theirs\r\n" UPGRADE KEY VERSION "\r\n", "HTTP/1.1 403 ", true},
		{"GET /ws HTTP/1.1\r\nOrigin: null\r\n" UPGRADE KEY VERSION "\r\n", "HTTP/1.1 403 ", true},
		{"GET /ws HTTP/1.1\r\n" UPGRADE KEY "\r\n", "HTTP/1.1 426 ", true},
		{"GET /ws HTTP/1.1\r\n" UPGRADE KEY "Sec-WebSocket-Version: 8\r\n\r\n", "Sec-WebSocket-Version: 13\r\n", true},
		{"GET /ws HTTP/1.1\r\n" UPGRADE VERSION "\r\n", "HTTP/1.1 400 ", true},
		{"GET /ws HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZSE=\r\n" VERSION "\r\n", "HTTP/1.1 400 ", true},
		{"GET /ws HTTP/1.1\r\n" UPGRADE "Sec-WebSocket-Key: nonsense\r\n" VERSION "\r\n", "HTTP/1.1 400 ", true},
		{"GET /ws HTTP/1.1\r\nContent-Length: 5\r\n" UPGRADE KEY VERSION "\r\nhello", "HTTP/1.1 400 ", true},
		/* not asked for, or not here */
		{"GET /ws HTTP/1.1\r\nHost: a\r\n\r\n", "\r\n\r\nordinary", false},
		{"GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n", "\r\n\r\nordinary", false},
		{"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n" KEY VERSION "\r\n", "\r\n\r\nordinary", false},
		{"GET /ws HTTP/1.0\r\n" UPGRADE KEY VERSION "\r\n", "\r\n\r\nordinary", false},
		{"POST /ws" HANDSHAKE, "\r\n\r\nordinary", false},
		{"GET /" HANDSHAKE, "\r\n\r\nhello", false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct client c;
		client_connect(&c);
		if (i % 2 == 0)
			client_send(&c, cases[i].request);
		else
			client_trickle(&c, cases[i].request);
		client_expect(&c, cases[i].wanted);
		if (cases[i].ends)
			client_expect_end(&c);
		client_leave(&c);
		settle();
	}
	assert_int_equal(core.states[0].count, 0);
}

/* ---- Messages ---- */

static void
test_messages(void **state)
{
	struct buf both = BUF_EMPTY;
	struct client c;

	(void)state;
	client_connect(&c);
	/* In one packet with the handshake. */
	buf_add_c(&both, "GET /late" HANDSHAKE);
	frame_add(&both, FIN | TEXT, STR("first"));
	send_bytes(&c, &both);
	expect_bytes(&c, STR("\r\n\r\n"));
	expect_frame(&c, FIN | TEXT, "first");
	send_frame(&c, BINARY, "in ");
	send_frame(&c, FIN | PING, "beside");
	expect_frame(&c, FIN | PONG, "beside");
	send_frame(&c, FIN, "two");
	expect_frame(&c, FIN | BINARY, "in two");
	frame_add(&both, FIN | TEXT, STR("byte by byte"));
	for (size_t i = 0; i < both.len; i++) {
		assert_int_equal(send(c.fd, both.data + i, 1, MSG_NOSIGNAL), 1);
		turn();
	}
	buf_fini(&both);
	expect_frame(&c, FIN | TEXT, "byte by byte");
	assert_int_equal(seen.gone, 0);
	client_leave(&c);
	wait_gone(1);
}

/* ---- The end ---- */

static void
test_client_closes(void **state)
{
	static const struct {
		const char *payload, *answer;
	} cases[] = {{"\x03\xe8" "bye", "\x03\xe8"}, {"\x0f\xa0", "\x0f\xa0"}, {"", ""}};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct client c;
		connect_to(&c, "/ws");
		send_frame(&c, FIN | CLOSE, cases[i].payload);
		send_frame(&c, FIN | TEXT, "too late");
		expect_frame(&c, FIN | CLOSE, cases[i].answer);
		client_expect_end(&c);
		assert_int_equal(c.got.len, 0);
		wait_gone(i + 1);
		client_leave(&c);
	}
	assert_int_equal(seen.body_bytes, 0);
}

static void
test_handler_closes(void **state)
{
	struct client c;

	(void)state;
	connect_to(&c, "/ws");
	send_frame(&c, FIN | TEXT, "close");
	send_frame(&c, FIN | TEXT, "not read any more");
	expect_bytes(&c, STR("\x88\x0d\x03\xf3" "as you wish"));
	settle();
	client_receive(&c);
	assert_false(c.ended); /* the client's close is awaited */
	send_frame(&c, FIN | CLOSE, "\x03\xf3");
	client_expect_end(&c);
	assert_int_equal(c.got.len, 0);
	assert_int_equal(seen.gone, 0);
	assert_int_equal(seen.body_bytes, 5);
	client_leave(&c);
}

static void
test_faults(void **state)
{
	static const struct {
		unsigned first, code;
		const char *payload;
		const char *path;
	} cases[] = {
		{FIN | RSV1 | TEXT, 1002, "x", "/ws"},	       {FIN | 3, 1002, "x", "/ws"},    {FIN, 1002, "x", "/ws"},
		{FIN | TEXT, 1007, "\xed\xa0\x80", "/ws"},     {FIN | CLOSE, 1002, "\x03\xed", "/ws"},
		{FIN | TEXT, 1003, "not wanted here", "/deaf"}, {FIN | BINARY, 1003, "nor this", "/deaf"},
	};
	struct buf big = BUF_EMPTY;
	static const char much[1001];
	struct client c;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		connect_to(&c, cases[i].path);
		send_frame(&c, cases[i].first, cases[i].payload);
		if (cases[i].code == 1003)
			expect_bytes(&c, STR("\x88\x1a\x03\xeb"));
		else
			expect_close(&c, cases[i].code);
		client_expect_end(&c);
		wait_gone(i + 1);
		client_leave(&c);
	}
	connect_to(&c, "/ws");
	frame_add(&big, FIN | BINARY, str_of(much, sizeof(much)));
	big.len = 200; /* it is refused before it has come */
	send_bytes(&c, &big);
	expect_close(&c, 1009);
	client_expect_end(&c);
	client_leave(&c);
}

enum way { LEAVE_FIN, LEAVE_RESET, LEAVE_HALF };

static void
test_client_leaves(void **state)
{
	struct linger reset = {.l_onoff = 1, .l_linger = 0};

	(void)state;
	for (enum way way = LEAVE_FIN; way <= LEAVE_HALF; way++) {
		struct client c;
		connect_to(&c, "/ws");
		send_frame(&c, TEXT, "half a mess");
		settle();
		if (way == LEAVE_RESET)
			setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		if (way == LEAVE_HALF)
			shutdown(c.fd, SHUT_WR);
		else
			client_leave(&c);
		wait_gone(way + 1u);
		settle();
		assert_int_equal(core.states[0].count, 0);
		if (way == LEAVE_HALF)
			client_leave(&c);
	}
}

static void
test_shutdown(void **state)
{
	struct client plain, deaf, late;

	(void)state;
	connect_to(&plain, "/ws");
	connect_to(&deaf, "/deaf");
	client_connect(&late);
	client_send(&late, "GET /late" HANDSHAKE);
	while (core.states[0].count != 3)
		turn();
	settle();
	for (struct conn *c = core.states[0].conns, *next; c != NULL; c = next) {
		next = c->next;
		protocol_http.on_shutdown(c);
	}
	expect_close(&plain, 1001);
	expect_frame(&deaf, FIN | TEXT, "the end");
	expect_close(&deaf, 1001);
	expect_close(&late, 1001);
	send_frame(&plain, FIN | CLOSE, "");
	client_expect_end(&plain);
	/* Those that do not answer are not waited for forever. */
	client_expect_end(&deaf);
	client_expect_end(&late);
	assert_int_equal(seen.shut, 1);
	client_leave(&plain);
	client_leave(&deaf);
	client_leave(&late);
}

/* ---- Who waits for whom ---- */

static void
test_pause(void **state)
{
	struct client c;

	(void)state;
	connect_to(&c, "/ws");
	send_frame(&c, FIN | TEXT, "pause");
	send_frame(&c, FIN | TEXT, "later");
	send_frame(&c, FIN | PING, "");
	expect_frame(&c, FIN | TEXT, "pause");
	settle();
	client_receive(&c);
	assert_int_equal(c.got.len, 0);
	websocket_resume(open_socket);
	expect_frame(&c, FIN | TEXT, "later");
	expect_frame(&c, FIN | PONG, "");
	/* Ours to close, whatever it waits for. */
	send_frame(&c, FIN | TEXT, "pause");
	expect_frame(&c, FIN | TEXT, "pause");
	websocket_close(open_socket, WEBSOCKET_CODE_NORMAL, "");
	expect_close(&c, 1000);
	send_frame(&c, FIN | CLOSE, "");
	client_expect_end(&c);
	client_leave(&c);
}

static size_t
pending(void)
{
	return core.states[0].conns != NULL ? conn_output_pending(core.states[0].conns) : 0;
}

/* A client that sends pings and reads no pong is not read from; once it reads, each is
 * answered. */
static void
test_pings_without_reading(void **state)
{
	enum { MANY = 400000, PATIENCE = 300 };
	unsigned sent = 0, waited = 0;
	struct buf ping = BUF_EMPTY;
	struct client c;
	size_t at = 0;

	(void)state;
	connect_to(&c, "/ws");
	frame_add(&ping, FIN | PING, STR("01234567890123456789012345678901234567890123456789"));
	while (sent < MANY && waited < PATIENCE) {
		ssize_t got = send(c.fd, ping.data + at, ping.len - at, MSG_NOSIGNAL);
		waited = got > 0 ? 0 : waited + 1;
		at += got > 0 ? (size_t)got : 0;
		sent += at == ping.len;
		at = at == ping.len ? 0 : at;
		if (got <= 0 || sent % 500 == 0)
			turn();
		assert_true(pending() <= CONN_OUTPUT_HIGH + 128 * 1024);
	}
	assert_true(sent < MANY && sent > 1000);
	for (int64_t until = clock_monotonic_ms() + 60000; clock_monotonic_ms() < until;) {
		client_receive(&c);
		if (c.got.len == sent * 52u)
			break;
		turn();
	}
	assert_int_equal(c.got.len, sent * 52u);
	assert_false(c.ended);
	buf_fini(&ping);
	client_leave(&c);
}

static void
test_room(void **state)
{
	struct client c;

	(void)state;
	connect_to(&c, "/ws");
	send_frame(&c, FIN | TEXT, "flood");
	expect_frame(&c, FIN | TEXT, "flood");
	expect_frame(&c, FIN | TEXT, "room");
	assert_int_equal(seen.timed, 1);
	client_leave(&c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_handshakes), T(test_messages), T(test_client_closes),	T(test_handler_closes),
		T(test_faults),	    T(test_client_leaves), T(test_shutdown),	T(test_pause),
		T(test_pings_without_reading), T(test_room),
	};

	http_routes = routes;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
