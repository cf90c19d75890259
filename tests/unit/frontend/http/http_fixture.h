/* An HTTP server on a loop of the test's own, clients of it over TCP on loopback, and
 * the handlers that more than one test has routes to. */
#ifndef SP_TESTS_HTTP_FIXTURE_H
#define SP_TESTS_HTTP_FIXTURE_H

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
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/core/conn_private.h"
#include "frontend/http/http.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* ---- Handlers ---- */

static struct {
	unsigned begun, gone, timed, ended, shut;
	size_t body_bytes;
	struct http_request *parked; /* borrowed */
	struct event *timer;
} seen;

static inline void
answer_c(struct http_request *r, const char *text)
{
	http_reply(r, 200, "text/plain", str_c(text));
}

static inline void
count_gone(struct http_request *r)
{
	(void)r;
	seen.gone++;
	seen.parked = NULL;
}

static inline void
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
static inline void
echo_on_begin(struct http_request *r)
{
	seen.begun++;
	http_begin(r, 200, "text/plain", HTTP_CHUNKED);
	http_want_body(r);
}

static inline void
echo_on_turn(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	(void)http_back(arg);
}

static inline void
echo_on_body(struct http_request *r, struct str piece)
{
	struct timeval now = {0, 0};

	seen.body_bytes += piece.len;
	http_write(r, piece);
	http_hold(r);
	event_base_once(http_frontend(r)->service->base, -1, EV_TIMEOUT, echo_on_turn, r, &now);
}

static inline void
echo_on_end(struct http_request *r)
{
	seen.ended++;
	http_finish(r);
}

static const struct http_handler hello = {.on_begin = hello_on_begin, .on_gone = count_gone};
static const struct http_handler echo = {
	.on_begin = echo_on_begin, .on_body = echo_on_body, .on_end = echo_on_end, .on_gone = count_gone};

#define GET  HTTP_BIT(HTTP_GET)
#define POST HTTP_BIT(HTTP_POST)

/* ---- The frontend ---- */

static struct service service;
static struct core core;

/* The test program sets http_routes before it runs its tests. */
static inline int
setup(void **state)
{
	unsigned count = 0;
	struct err err;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	evthread_use_pthreads();
	memset(&seen, 0, sizeof(seen));
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

static inline int
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

static inline void
turn(void)
{
	struct timeval pause = {.tv_usec = 1000};

	event_base_loopexit(service.base, &pause);
	event_base_loop(service.base, EVLOOP_ONCE);
}

/* From 127.0.0.<host>. */
static inline void
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

static inline void
client_connect(struct client *c)
{
	client_connect_from(c, 1);
}

static inline void
client_leave(struct client *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_fini(&c->got);
}

static inline void
client_receive(struct client *c)
{
	char bytes[65536];
	ssize_t got;

	while ((got = recv(c->fd, bytes, sizeof(bytes), 0)) > 0)
		buf_add(&c->got, bytes, (size_t)got);
	c->ended |= got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
}

static inline void
client_send(struct client *c, const char *text)
{
	assert_int_equal(send(c->fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Sends each byte in a separate packet. */
static inline void
client_trickle(struct client *c, const char *text)
{
	for (; *text != '\0'; text++) {
		assert_int_equal(send(c->fd, text, 1, MSG_NOSIGNAL), 1);
		turn();
	}
}

/* Waits until the text has been received. */
static inline void
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

static inline void
client_expect_end(struct client *c)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (!c->ended && clock_monotonic_ms() < until) {
		turn();
		client_receive(c);
	}
	assert_true(c->ended);
}

static inline unsigned
client_count(const struct client *c, const char *text)
{
	unsigned count = 0;

	for (const char *at = c->got.data; at != NULL && (at = strstr(at, text)) != NULL; at++)
		count++;
	return count;
}

static inline void
settle(void)
{
	for (unsigned i = 0; i < 20; i++)
		turn();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
