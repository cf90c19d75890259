/* Requests that wait for news, and streams of events: until they are answered, their
 * time is over, the client leaves, or the server stops. */
#include <sys/resource.h>

#include "tests/unit/frontend/http/http_fixture.h"

/* ---- Routes ---- */

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

static const struct http_handler park = {
	.on_begin = park_on_begin, .on_time = park_on_time, .on_shutdown = park_on_shutdown, .on_gone = count_gone};
static const struct http_handler stream = {.on_begin = stream_on_begin, .on_gone = count_gone};
static const struct http_handler wait = {.on_begin = park_on_begin, .on_gone = count_gone};

static const struct http_route routes[] = {
	{"auto.*", "/", GET, 0, 0, 0, &park},
	{NULL, "/", GET, 0, 0, 0, &hello},
	{NULL, "/echo", POST, 0, 100000, 0, &echo},
	{NULL, "/park", GET, 0, 0, 0, &park},
	{NULL, "/wait", GET, 0, 0, 0, &wait},
	{NULL, "/stream", GET, 0, 0, 0, &stream},
	{.path = NULL},
};

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_parked_is_answered),
		T(test_parked_time_is_over),
		T(test_stream),
		T(test_stream_ends),
		T(test_parked_client_leaves),
		T(test_parked_thousands),
		T(test_shutdown),
	};

	http_routes = routes;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
