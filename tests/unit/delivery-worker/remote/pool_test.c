/* Idle connections, used again or let go; servers that were not reached. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "delivery-worker/remote/pool.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { SERVED_MAX = 8 };

struct served {
	struct bufferevent *bev;
	bool in_data;
};

static struct {
	struct event_base *base;
	struct evconnlistener *listener;
	uint16_t port;
	struct served served[SERVED_MAX]; /* in the order of their coming */
	unsigned count;
	struct pool *pool;
} f;

/* ---- A server that says yes to all ---- */

static void
on_input(struct bufferevent *bev, void *arg)
{
	struct served *s = arg;
	char *line;

	while ((line = evbuffer_readln(bufferevent_get_input(bev), NULL, EVBUFFER_EOL_CRLF)) != NULL) {
		if (s->in_data) {
			s->in_data = strcmp(line, ".") != 0;
			if (!s->in_data)
				bufferevent_write(bev, "250 ok\r\n", 8);
		} else if (strcmp(line, "DATA") == 0) {
			s->in_data = true;
			bufferevent_write(bev, "354 go\r\n", 8);
		} else {
			bufferevent_write(bev, "250 ok\r\n", 8);
		}
		free(line);
	}
}

static void
on_end(struct bufferevent *bev, short what, void *arg)
{
	struct served *s = arg;

	(void)what;
	bufferevent_free(bev);
	s->bev = NULL;
}

static void
on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len, void *arg)
{
	struct served *s = &f.served[f.count++];

	(void)sa, (void)len, (void)arg;
	assert_true(f.count <= SERVED_MAX);
	s->bev = bufferevent_socket_new(evconnlistener_get_base(l), fd, BEV_OPT_CLOSE_ON_FREE);
	bufferevent_setcb(s->bev, on_input, NULL, on_end, s);
	bufferevent_enable(s->bev, EV_READ | EV_WRITE);
	bufferevent_write(s->bev, "220 hi\r\n", 8);
}

static int
setup(void **state)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sin);

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	evthread_use_pthreads();
	memset(&f, 0, sizeof(f));
	f.base = event_base_new();
	f.listener = evconnlistener_new_bind(f.base, on_accept, NULL, LEV_OPT_CLOSE_ON_FREE, 16,
					     (struct sockaddr *)&sin, sizeof(sin));
	getsockname(evconnlistener_get_fd(f.listener), (struct sockaddr *)&sin, &len);
	f.port = ntohs(sin.sin_port);
	f.pool = pool_new(f.base);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pool_free(&f.pool);
	assert_null(f.pool);
	pool_free(&f.pool);
	for (unsigned i = 0; i < f.count; i++)
		if (f.served[i].bev != NULL)
			bufferevent_free(f.served[i].bev);
	evconnlistener_free(f.listener);
	event_base_free(f.base);
	return 0;
}

/* ---- The pool's user ---- */

struct user {
	struct smtp_client *client;
	bool ready, sent, failed;
};

static void
on_ready(void *arg)
{
	((struct user *)arg)->ready = true;
}

static void
on_sent(void *arg)
{
	((struct user *)arg)->sent = true;
}

static void
on_failed(void *arg, const struct smtp_failure *failure)
{
	(void)failure;
	((struct user *)arg)->failed = true;
}

static const struct smtp_client_events events = {on_ready, on_sent, on_failed};

static void
turn(void)
{
	struct timeval wait = {.tv_usec = 2000};

	event_base_loopexit(f.base, &wait);
	event_base_loop(f.base, EVLOOP_ONCE);
}

static void
wait_for(const bool *flag)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (!*flag && clock_monotonic_ms() < until)
		turn();
	assert_true(*flag);
}

static void
wait_for_idle(unsigned count)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (pool_idle(f.pool) != count && clock_monotonic_ms() < until)
		turn();
	assert_int_equal(pool_idle(f.pool), count);
}

static struct pool_key
key_of(uint16_t port)
{
	struct pool_key key = {.port = port};

	assert_true(ip_parse(STR("127.0.0.1"), &key.ip));
	return key;
}

static struct smtp_client *
connected(void)
{
	struct smtp_client_options o = {.base = f.base, .helo = "me.test", .command_timeout_ms = 30000};
	struct user u = {0};

	assert_true(ip_parse(STR("127.0.0.1"), &o.target.ip));
	o.target.port = f.port;
	u.client = smtp_client_new(&o, &events, &u);
	wait_for(&u.ready);
	return u.client;
}

static void
put(const struct pool_key *key, struct smtp_client *c)
{
	pool_put(f.pool, key, &c);
	assert_null(c);
}

/* ---- Tests ---- */

/* The newest first: it is the likeliest to stand still. */
static void
test_take(void **state)
{
	struct pool_key key = key_of(f.port), other;
	struct smtp_client *first = connected(), *second = connected(), *third;

	(void)state;
	assert_null(pool_take(f.pool, &key));
	put(&key, first);
	put(&key, second);
	assert_int_equal(pool_idle(f.pool), 2);
	other = key;
	other.port++;
	assert_null(pool_take(f.pool, &other));
	other = key;
	other.tls = true;
	assert_null(pool_take(f.pool, &other));
	other = key;
	other.source = key.ip;
	assert_null(pool_take(f.pool, &other));
	other = key;
	assert_true(ip_parse(STR("127.0.0.2"), &other.ip));
	assert_null(pool_take(f.pool, &other));
	assert_ptr_equal(pool_take(f.pool, &key), second);
	assert_ptr_equal(pool_take(f.pool, &key), first);
	assert_null(pool_take(f.pool, &key));
	assert_int_equal(pool_idle(f.pool), 0);
	/* By its source address, where it has one. */
	other = key;
	other.source = key.ip;
	put(&other, first);
	assert_null(pool_take(f.pool, &key));
	third = pool_take(f.pool, &other);
	assert_ptr_equal(third, first);
	smtp_client_free(&third);
	smtp_client_free(&second);
}

/* A server that closes an idle connection, or says anything on it. */
static void
test_gone_while_idle(void **state)
{
	struct pool_key key = key_of(f.port);

	(void)state;
	put(&key, connected());
	put(&key, connected());
	put(&key, connected());
	bufferevent_free(f.served[1].bev);
	f.served[1].bev = NULL;
	wait_for_idle(2);
	bufferevent_write(f.served[0].bev, "421 too long idle\r\n", 19);
	wait_for_idle(1);
	put(&key, pool_take(f.pool, &key));
	assert_int_equal(pool_idle(f.pool), 1);
}

static void
test_not_kept_for_ever(void **state)
{
	struct pool_key key = key_of(f.port);

	(void)state;
	put(&key, connected());
	put(&key, connected());
	wait_for_idle(0);
}

static void
send_one(struct smtp_client *c)
{
	struct smtp_rcpt rcpt = {.address = STR("a@r.test")};
	struct smtp_message m = {
		.reverse_path = STR("s@e.test"), .rcpts = &rcpt, .count = 1, .extra_header = STR("Subject: x\r\n\r\n")};
	struct user u = {.client = c};
	struct arena arena;

	arena_init(&arena);
	m.arena = &arena;
	smtp_client_set_owner(c, &events, &u);
	smtp_client_send(c, &m, 30000);
	wait_for(&u.sent);
	assert_int_equal(rcpt.answer.code, 250);
	arena_fini(&arena);
}

/* After many messages over one connection there is a new one. */
static void
test_used_up(void **state)
{
	struct pool_key key = key_of(f.port);
	struct smtp_client *c = connected();

	(void)state;
	for (unsigned i = 0; i < POOL_MESSAGES_MAX; i++) {
		send_one(c);
		put(&key, c);
		c = pool_take(f.pool, &key);
		assert_true(i == POOL_MESSAGES_MAX - 1 ? c == NULL : c != NULL);
	}
	assert_int_equal(f.count, 1);
}

/* One that failed is not kept. */
static void
test_failed(void **state)
{
	struct pool_key key = key_of(f.port);
	struct smtp_client *c = connected();
	struct user u = {.client = c};

	(void)state;
	smtp_client_set_owner(c, &events, &u);
	bufferevent_free(f.served[0].bev);
	f.served[0].bev = NULL;
	wait_for(&u.failed);
	put(&key, c);
	assert_int_equal(pool_idle(f.pool), 0);
}

static void
test_dead(void **state)
{
	struct smtp_target t = {.port = 25}, other;

	(void)state;
	assert_true(ip_parse(STR("192.0.2.1"), &t.ip));
	assert_false(pool_is_dead(f.pool, &t));
	pool_note_dead(f.pool, &t);
	assert_true(pool_is_dead(f.pool, &t));
	other = t;
	other.port = 26;
	assert_false(pool_is_dead(f.pool, &other));
	other = t;
	assert_true(ip_parse(STR("192.0.2.2"), &other.ip));
	assert_false(pool_is_dead(f.pool, &other));
	/* Only so many are kept in mind. */
	for (unsigned i = 0; i < 64; i++) {
		other.port = (uint16_t)(100 + i);
		pool_note_dead(f.pool, &other);
	}
	assert_false(pool_is_dead(f.pool, &t));
	assert_true(pool_is_dead(f.pool, &other));
}

#define POOL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		POOL_TEST(test_take),	 POOL_TEST(test_gone_while_idle), POOL_TEST(test_not_kept_for_ever),
		POOL_TEST(test_used_up), POOL_TEST(test_failed),	  POOL_TEST(test_dead),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
