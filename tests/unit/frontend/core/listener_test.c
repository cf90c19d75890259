#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/frontend/core/conn_fixture.h"

/* ---- Tests ---- */

static void
test_too_many(void **state)
{
	struct client first, second, third;

	(void)state;
	seen.max_connections = 1;
	connect_client(&first, 0);
	expect(&first, "hello 127.0.0.1\r\n");
	connect_client(&second, 0);
	expect(&second, "refused\r\n");
	expect_end(&second);
	leave(&second);
	connect_client(&second, 1); /* no handshake only to say no */
	expect_end(&second);
	leave(&second);
	leave(&first);
	wait_for(&seen.closed, 1);
	settle();
	connect_client(&third, 0);
	expect(&third, "hello 127.0.0.1\r\n");
	leave(&third);
	assert_int_equal(seen.opened, 2);
}

/* ---- PROXY ---- */

static void
trust_loopback(void)
{
	static struct ip_block block;

	assert_true(ip_block_parse(STR("127.0.0.0/8"), &block));
	seen.balancers = (struct ip_blocks){&block, 1};
}

/* By the address that the balancer tells; of IPv6 the network counts. */
static void
test_too_many_of_an_address(void **state)
{
	static const struct {
		const char *header, *answer;
	} rows[] = {
		{"PROXY TCP4 192.0.2.7 198.51.100.2 1 25\r\n", "hello 192.0.2.7\r\n"},
		{"PROXY TCP4 192.0.2.7 198.51.100.2 2 25\r\n", "hello 192.0.2.7\r\n"},
		{"PROXY TCP4 192.0.2.7 198.51.100.2 3 25\r\n", "refused\r\n"},
		{"PROXY TCP4 192.0.2.8 198.51.100.2 4 25\r\n", "hello 192.0.2.8\r\n"},
		{"PROXY TCP6 2001:db8::1 2001:db8:9::2 1 25\r\n", "hello 2001:db8::1\r\n"},
		{"PROXY TCP6 2001:db8::2 2001:db8:9::2 2 25\r\n", "hello 2001:db8::2\r\n"},
		{"PROXY TCP6 2001:db8::3 2001:db8:9::2 3 25\r\n", "refused\r\n"},
		{"PROXY TCP6 2001:db8:0:1::3 2001:db8:9::2 4 25\r\n", "hello 2001:db8:0:1::3\r\n"},
		{"PROXY UNKNOWN\r\n", "hello 127.0.0.1\r\n"},
		{"PROXY UNKNOWN\r\n", "hello 127.0.0.1\r\n"},
		{"PROXY UNKNOWN\r\n", "hello 127.0.0.1\r\n"},
	};
	enum { ROWS = sizeof(rows) / sizeof(rows[0]) };
	struct client c[ROWS], again;

	(void)state;
	trust_loopback();
	seen.max_per_address = 2;
	for (unsigned i = 0; i < ROWS; i++) {
		connect_client(&c[i], 0);
		send_text(&c[i], rows[i].header);
		expect(&c[i], rows[i].answer);
	}
	/* Those that were refused count no more once they are gone. */
	expect_end(&c[2]);
	leave(&c[2]);
	leave(&c[0]);
	wait_for(&seen.closed, 1);
	settle();
	connect_client(&again, 0);
	send_text(&again, rows[0].header);
	expect(&again, rows[0].answer);
	leave(&again);
	for (unsigned i = 1; i < ROWS; i++)
		if (i != 2)
			leave(&c[i]);
	wait_for(&seen.closed, ROWS - 1);
	settle();
	assert_null(core.states[0].addresses);
}

static void
test_proxy_header(void **state)
{
	static const char header[] = "PROXY TCP4 192.0.2.7 198.51.100.2 1234 25\r\necho a\r\n";
	struct client c;
	struct ip local;

	(void)state;
	assert_true(ip_parse(STR("198.51.100.2"), &local));
	trust_loopback();
	connect_client(&c, 0);
	for (size_t i = 0; i < sizeof(header) - 1; i++) {
		assert_int_equal(send(c.fd, header + i, 1, 0), 1);
		if (i % 5 == 0)
			settle();
	}
	expect(&c, "hello 192.0.2.7\r\na\r\n");
	assert_int_equal(conn_peer_port(seen.last), 1234);
	assert_true(ip_eq(conn_local(seen.last), &local));
	assert_false(conn_is_secure(seen.last)); /* the client is not on the loopback */
	leave(&c);
	/* A health check of the balancer's own. */
	connect_client(&c, 0);
	assert_int_equal(send(c.fd, "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0", 16, 0), 16);
	expect(&c, "hello 127.0.0.1\r\n");
	leave(&c);
	connect_client(&c, 1); /* before TLS */
	send_text(&c, "PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n");
	handshake(&c);
	expect(&c, "hello 2001:db8::1 over TLS\r\n");
	leave(&c);
}

static void
test_bad_proxy_header(void **state)
{
	static const char *const bad[] = {"EHLO client\r\n", "PROXY TCP4 x y 1 2\r\n", "\x16\x03\x01\x02",
					  "PROXY TCP4 192."};
	struct client c;

	(void)state;
	trust_loopback();
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		connect_client(&c, 0);
		send_text(&c, bad[i]);
		if (i == 3)
			shutdown(c.fd, SHUT_WR); /* in the middle of it */
		expect_end(&c);
		leave(&c);
	}
	connect_client(&c, 0); /* not a byte */
	shutdown(c.fd, SHUT_WR);
	expect_end(&c);
	leave(&c);
	assert_int_equal(seen.opened, 0);
}

/* ---- TLS ---- */

static void
test_starttls(void **state)
{
	unsigned char exporter[32];
	static const char label[] = "EXPORTER-Channel-Binding";
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;
	struct client c;

	(void)state;
	connect_client(&c, 0);
	/* What is sent in the clear behind the command must not count as sent over TLS. */
	send_text(&c, "starttls\r\necho injected\r\n");
	expect(&c, "hello 127.0.0.1\r\ngo ahead\r\n");
	handshake(&c);
	expect(&c, "now TLSv1.3\r\n");
	assert_true(conn_is_tls(seen.last) && conn_tls_cipher(seen.last) != NULL);
	assert_int_equal(SSL_export_keying_material(c.ssl, exporter, 32, label, sizeof(label) - 1, NULL, 0, 0), 1);
	assert_true(seen.has_exporter);
	assert_memory_equal(exporter, seen.exporter, 32);
	assert_string_equal(seen.server_name, "Mail.example.test");
	SSL_get0_alpn_selected(c.ssl, &alpn, &alpn_len);
	assert_true(str_eq(str_of((const char *)alpn, alpn_len), STR("test")));
	send_text(&c, "echo a\r\n");
	expect(&c, "a\r\n");
	send_text(&c, "close\r\n");
	expect(&c, "bye\r\n");
	expect_end(&c);
	leave(&c);
}

static void
test_implicit_tls(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 1);
	settle();
	assert_int_equal(seen.opened, 0); /* no greeting before the handshake */
	handshake(&c);
	expect(&c, "hello 127.0.0.1 over TLS\r\n");
	assert_int_equal(conn_role(seen.last), 8);
	assert_false(conn_is_paused(seen.last));
	leave(&c);
	wait_for(&seen.closed, 1);
}

static void
test_failed_handshake(void **state)
{
	int64_t failures = metrics_get(M_TLS_HANDSHAKE_FAILURES);
	struct client c;

	(void)state;
	connect_client(&c, 1);
	send_text(&c, "EHLO client\r\n");
	while (!c.ended) {
		turn();
		receive(&c); /* maybe an alert */
	}
	leave(&c);
	connect_client(&c, 1);
	shutdown(c.fd, SHUT_WR);
	while (!c.ended) {
		turn();
		receive(&c);
	}
	leave(&c);
	assert_int_equal(metrics_get(M_TLS_HANDSHAKE_FAILURES), failures + 2);
	assert_int_equal(seen.opened, 0);
	/* In the middle of a session: the protocol hears of the end. */
	connect_client(&c, 0);
	send_text(&c, "starttls\r\n");
	expect(&c, "hello 127.0.0.1\r\ngo ahead\r\n");
	send_text(&c, "no handshake\r\n");
	wait_for(&seen.closed, 1);
	leave(&c);
}

/* ---- The process ends ---- */

static void
test_drain(void **state)
{
	struct client idle, waiting, busy;

	(void)state;
	connect_client(&idle, 0);
	expect(&idle, "hello 127.0.0.1\r\n");
	connect_client(&busy, 0);
	expect(&busy, "hello 127.0.0.1\r\n");
	connect_client(&waiting, 1); /* in its handshake: cut */
	service.draining = true;
	service.drainers_left = 2; /* one more, so that the loop of the test goes on */
	seen.stay_at_shutdown = true;
	conns_drain(&core);
	expect_end(&waiting);
	wait_for(&seen.shut_down, 2);
	/* Open work ends first. */
	send_text(&busy, "echo a\r\nclose\r\n");
	expect(&busy, "a\r\nbye\r\n");
	expect_end(&busy);
	leave(&busy);
	assert_int_equal(service.drainers_left, 2);
	send_text(&idle, "close\r\n");
	expect(&idle, "bye\r\n");
	expect_end(&idle);
	leave(&idle);
	settle();
	assert_int_equal(service.drainers_left, 1);
	leave(&waiting);
	core.draining = false;
}

static void
test_drain_says_goodbye(void **state)
{
	struct client c;

	(void)state;
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	service.draining = true;
	service.drainers_left = 2;
	conns_drain(&core);
	expect(&c, "shutting down\r\n");
	expect_end(&c);
	leave(&c);
	settle();
	assert_int_equal(service.drainers_left, 1);
	core.draining = false;
}

/* At the very end whatever is open is cut (teardown does it). */
static void
test_cut(void **state)
{
	struct client c[3];

	(void)state;
	trust_loopback();
	connect_client(&c[0], 0); /* waits for a PROXY header */
	seen.balancers.count = 0;
	connect_client(&c[1], 0);
	connect_client(&c[2], 1);
	expect(&c[1], "hello 127.0.0.1\r\n");
	conns_abort(&core);
	for (unsigned i = 0; i < 3; i++) {
		expect_end(&c[i]);
		leave(&c[i]);
	}
}

/* ---- Banners ---- */

static void
test_banners(void **state)
{
	static const struct {
		const char *text, *banner;
	} cases[] = {
		{"", ""},
		{"plain", "plain"},
		{"#HostName# ESMTP", "mail.example.test ESMTP"},
		{"#ConnectedIP#", "127.0.0.1"},
		{"a #HostName#/#ConnectedIP#.", "a mail.example.test/127.0.0.1."},
		{"#hostname#", "#hostname#"},
		{"#Nonsense#", "#Nonsense#"},
		{"#", "#"},
		{"##", "##"},
		{"#HostName", "#HostName"},
		{"we are #1: #HostName#", "we are #1: mail.example.test"},
		{"#x#HostName#", "#xmail.example.test"},
	};
	struct arena arena;
	struct client c;
	struct str unix_time;
	uint64_t seconds;

	(void)state;
	arena_init(&arena);
	connect_client(&c, 0);
	expect(&c, "hello 127.0.0.1\r\n");
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_string_equal(frontend_banner(seen.last, &arena, cases[i].text), cases[i].banner);
	core.hostnames = "192.0.2.1=other, 127.0.0.1=here";
	assert_string_equal(frontend_banner(seen.last, &arena, "#HostName#"), "here");
	unix_time = str_c(frontend_banner(seen.last, &arena, "#UnixTime#"));
	assert_true(str_to_u64(unix_time, &seconds) && (int64_t)seconds >= clock_unix_ms() / 1000 - 60);
	assert_true(str_ends_ci(str_c(frontend_banner(seen.last, &arena, "#TimeUTC#")), STR(" +0000")));
	assert_int_equal(frontend_banner(seen.last, &arena, "#Time#")[3], ',');
	leave(&c);
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CONN_TEST(test_too_many),
		CONN_TEST(test_too_many_of_an_address), CONN_TEST(test_proxy_header),	      CONN_TEST(test_bad_proxy_header),
		CONN_TEST(test_starttls), CONN_TEST(test_implicit_tls),	      CONN_TEST(test_failed_handshake),
		CONN_TEST(test_drain),	  CONN_TEST(test_drain_says_goodbye), CONN_TEST(test_cut),
		CONN_TEST(test_banners),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
