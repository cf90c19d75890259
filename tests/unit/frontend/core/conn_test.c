/* Connections: input and output, TLS, time limits, orderly closing. They are tested
 * with a protocol of the test's own, on real TCP connections over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/frontend/core/conn_fixture.h"

/* ---- Tests ---- */

static void
test_lines(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	assert_int_equal(conn_role(seen.last), 7);
	assert_true(conn_is_secure(seen.last)); /* from the loopback */
	assert_null(conn_tls_version(seen.last));
	assert_true(ip_is_loopback(conn_local(seen.last)));
	send_text(&c, "echo one\r\nec");
	expect(&c, "one\r\n");
	send_text(&c, "ho two\r");
	settle();
	send_text(&c, "\necho three\r\n");
	expect(&c, "two\r\nthree\r\n");
	send_text(&c, "echo last\r\nclose\r\necho none\r\n");
	expect(&c, "last\r\nbye\r\n");
	expect_end(&c);
	leave(&c);
	wait_for(&seen.closed, 1);
}

/* What the peer sent before it closed its side is served, also while it still listens. */
static void
test_half_closed(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 0);
	send_text(&c, "echo a\r\necho b\r\n");
	shutdown(c.fd, SHUT_WR);
	expect(&c, "hello 127.0.0.1\r\na\r\nb\r\n");
	expect_end(&c);
	wait_for(&seen.closed, 1);
	leave(&c);
}

static void
test_peer_gone(void **state)
{
	struct linger reset = {1, 0};
	struct client c;

	(void)state;
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	leave(&c);
	wait_for(&seen.closed, 1);
}

/* While an answer is awaited, the protocol gets no input, and of what the client
 * sends anyway, no more is read than fits. */
static void
test_paused(void **state)
{
	struct client c;
	char *much = mem_alloc(1000000);

	(void)state;
	memset(much, 'x', 1000000);
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	send_text(&c, "pause\r\necho a\r\n");
	settle();
	expect(&c, "");
	send_text(&c, "echo b\r\necho ");
	for (unsigned i = 0; i < 50; i++) {
		while (send(c.fd, much, 1000000, MSG_NOSIGNAL) > 0)
			;
		turn();
	}
	assert_true(conn_is_paused(seen.last));
	assert_true(evbuffer_get_length(conn_input(seen.last)) <= 2 * 64 * 1024);
	conn_resume(seen.last);
	assert_int_equal(c.got.len, 0); /* not called from within */
	expect(&c, "a\r\nb\r\ntoo long\r\n");
	leave(&c);
	wait_for(&seen.closed, 1);
	mem_free(much);
}

static void
test_resumed_without_input(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 0);
	send_text(&c, "pause\r\n");
	expect(&c, "hello 127.0.0.1\r\n");
	settle();
	conn_resume(seen.last);
	conn_resume(seen.last);
	settle();
	send_text(&c, "echo a\r\n");
	expect(&c, "a\r\n");
	leave(&c);
}

/* Paused, and the peer closes its side: its input is served first after resuming. */
static void
test_end_while_paused(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	send_text(&c, "pause\r\necho a\r\n");
	settle();
	shutdown(c.fd, SHUT_WR);
	settle();
	assert_int_equal(seen.closed, 0);
	conn_resume(seen.last);
	expect(&c, "a\r\n");
	expect_end(&c);
	leave(&c);
}

/* A client that waits for an answer, and leaves: with room for more input, after more
 * than is ever read, by a reset, and over TLS. */
static void
test_parked_client_leaves(void **state)
{
	static const struct {
		unsigned further; /* KiB sent before it leaves */
		bool reset, tls;
	} cases[] = {
		{0, false, false},  {0, true, false}, {1, false, false},  {150, false, false},
		{150, true, false}, {0, false, true}, {150, false, true},
	};
	char bytes[1025];

	(void)state;
	memset(bytes, 'x', sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\0';
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t began;
		struct client c;

		connect_client(&c, cases[i].tls ? 1 : 0);
		if (cases[i].tls)
			handshake(&c);
		send_text(&c, "park\r\n");
		expect(&c, cases[i].tls ? "hello 127.0.0.1 over TLS\r\n" : "hello 127.0.0.1\r\n");
		for (unsigned n = 0; n < cases[i].further; n++) {
			send_text(&c, bytes);
			turn();
		}
		settle();
		assert_int_equal(seen.closed, i);
		if (cases[i].reset)
			setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &(struct linger){.l_onoff = 1}, sizeof(struct linger));
		leave(&c);
		began = clock_monotonic_ms();
		wait_for(&seen.closed, i + 1);
		assert_true(clock_monotonic_ms() - began < 1000);
	}
	assert_true(seen.ends >= 5); /* a reset may be reported by on_close only */
}

/* Watching costs nothing: no turn of the loop finds it ready. */
static void
test_parked_client_is_quiet(void **state)
{
	int64_t until = clock_monotonic_ms() + 300;
	char bytes[1024];
	unsigned turns = 0;
	struct client c;

	(void)state;
	connect_client(&c, 0);
	send_text(&c, "park\r\n");
	expect(&c, "hello 127.0.0.1\r\n");
	memset(bytes, 'x', sizeof(bytes) - 1);
	bytes[sizeof(bytes) - 1] = '\0';
	for (unsigned i = 0; i < 90; i++)
		send_text(&c, bytes);
	settle();
	while (clock_monotonic_ms() < until) {
		struct timeval wait = {.tv_usec = 100000};
		event_base_loopexit(service.base, &wait);
		event_base_loop(service.base, EVLOOP_ONCE);
		turns++;
	}
	assert_true(turns < 20);
	leave(&c);
	wait_for(&seen.closed, 1);
}

static void
test_keep_alive(void **state)
{
	static const struct {
		int level, option, value;
	} wanted[] = {{SOL_SOCKET, SO_KEEPALIVE, 1},
		      {IPPROTO_TCP, TCP_KEEPIDLE, 60},
		      {IPPROTO_TCP, TCP_KEEPINTVL, 15},
		      {IPPROTO_TCP, TCP_KEEPCNT, 4},
		      {IPPROTO_TCP, TCP_USER_TIMEOUT, 120000}};
	struct client c;

	(void)state;
	connect_client(&c, 0);
	for (unsigned i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
		int value = -1;
		socklen_t size = sizeof(value);
		assert_int_equal(getsockopt(c.accepted, wanted[i].level, wanted[i].option, &value, &size), 0);
		assert_int_equal(value, wanted[i].value);
	}
	leave(&c);
	wait_for(&seen.closed, 1);
}

static void
test_much_output(void **state)
{
	enum { MANY = 20000000 };
	int64_t until = clock_monotonic_ms() + 60000;
	struct client c;

	(void)state;
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	send_text(&c, "many 20000000\r\n");
	settle();
	assert_true(conn_output_pending(seen.last) > CONN_OUTPUT_HIGH);
	assert_int_equal(seen.drained, 0);
	while (c.got.len < MANY && clock_monotonic_ms() < until) {
		turn();
		receive(&c);
	}
	assert_int_equal(c.got.len, MANY);
	settle();
	assert_int_equal(seen.drained, 1); /* once for each request */
	/* All of it is sent before the close, too. */
	buf_clear(&c.got);
	send_text(&c, "many 20000000\r\nclose\r\n");
	while (!c.ended && clock_monotonic_ms() < until) {
		turn();
		receive(&c);
	}
	assert_int_equal(c.got.len, MANY + 5);
	leave(&c);
}

static void
test_abort(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	send_text(&c, "abort\r\necho a\r\n");
	wait_for(&seen.closed, 1);
	leave(&c);
}

static void
test_timeouts(void **state)
{
	struct client c, quiet;

	(void)state;
	connect_client(&quiet, 0); /* without a time limit */
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	send_text(&c, "timeout 100000\r\n");
	expect(&c, "set\r\n");
	send_text(&c, "timeout 0\r\n");
	expect(&c, "set\r\n");
	settle();
	send_text(&c, "timeout 100000\r\ntimeout 20\r\n");
	expect(&c, "set\r\nset\r\ntoo slow\r\n");
	expect_end(&c);
	assert_int_equal(seen.timed_out, 1);
	leave(&c);
	leave(&quiet);
}

/* A client that neither reads the last reply nor closes is dropped after a while. */
static void
test_lingers_not_for_ever(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 0);
	send_text(&c, "close\r\n");
	wait_for(&seen.closed, 1);
	leave(&c);
}

/* The memory stays for holders of a reference. */
static void
test_references(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	send_text(&c, "keep\r\n");
	expect(&c, "kept\r\n");
	leave(&c);
	wait_for(&seen.closed, 1);
	assert_true(conn_is_closing(seen.kept));
	assert_string_equal(((struct test_session *)conn_session(seen.kept))->peer, "127.0.0.1");
	/* Calls that come too late do nothing. */
	conn_write_c(seen.kept, "x");
	conn_printf(seen.kept, "%d", 1);
	conn_resume(seen.kept);
	conn_set_timeout(seen.kept, 1);
	conn_close(seen.kept);
	conn_abort(seen.kept);
	conn_start_tls(seen.kept);
	settle();
	conn_unref(&seen.kept);
	assert_null(seen.kept);
	conn_unref(&seen.kept);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONN_TEST(test_lines),
		CONN_TEST(test_half_closed),
		CONN_TEST(test_peer_gone),
		CONN_TEST(test_paused),
		CONN_TEST(test_resumed_without_input),
		CONN_TEST(test_end_while_paused),
		CONN_TEST(test_parked_client_leaves),
		CONN_TEST(test_parked_client_is_quiet),
		CONN_TEST(test_keep_alive),
		CONN_TEST(test_much_output),
		CONN_TEST(test_abort),
		CONN_TEST(test_timeouts),
		CONN_TEST(test_lingers_not_for_ever),
		CONN_TEST(test_references),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
