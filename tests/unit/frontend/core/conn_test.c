/* Connections: input and output, TLS, time limits, orderly closing. They are tested
 * with a protocol of the test's own, on real TCP connections over loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <event2/thread.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "frontend/core/core.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* ---- The protocol: one command per line, "echo x", "close", ... ---- */

struct test_session {
	unsigned inputs, drains, timeouts, shutdowns;
	char peer[IP_TEXT_MAX];
};

static struct {
	unsigned opened, closed, drained, timed_out, shut_down, ends;
	struct conn *last; /* borrowed; of the one opened last */
	struct conn *kept; /* a reference */
	size_t most_input;
	int64_t max_connections, max_per_address;
	bool stay_at_shutdown;
	struct ip_blocks balancers;
	unsigned char exporter[32];
	bool has_exporter;
	char server_name[64], alpn[32];
} seen;

static int64_t
test_max_connections(const struct settings *s)
{
	(void)s;
	return seen.max_connections;
}

static int64_t
test_max_per_address(const struct settings *s, const struct ip *client)
{
	(void)s;
	return ip_is_loopback(client) ? 0 : seen.max_per_address;
}

static const struct ip_blocks *
test_balancers(const struct settings *s)
{
	(void)s;
	return &seen.balancers;
}

static void
test_refuse(struct conn *c)
{
	conn_write_c(c, "refused\r\n");
}

static void
test_on_open(struct conn *c)
{
	struct test_session *s = conn_session(c);

	assert_int_equal(s->inputs, 0);
	seen.opened++;
	seen.last = c;
	ip_text(conn_peer(c), s->peer);
	conn_printf(c, "hello %s%s\r\n", s->peer, conn_is_tls(c) ? " over TLS" : "");
}

static void
write_many(struct conn *c, size_t count)
{
	char piece[1024];

	memset(piece, 'x', sizeof(piece));
	for (; count != 0; count -= count < sizeof(piece) ? count : sizeof(piece))
		conn_write(c, piece, count < sizeof(piece) ? count : sizeof(piece));
}

static void
obey(struct conn *c, struct str line)
{
	struct str verb, arg;
	uint64_t number = 0;

	str_cut(line, ' ', &verb, &arg);
	str_to_u64(arg, &number);
	if (str_eq(verb, STR("echo"))) {
		conn_printf(c, "%.*s\r\n", STR_ARG(arg));
	} else if (str_eq(verb, STR("close"))) {
		conn_write_c(c, "bye\r\n");
		conn_close(c);
		conn_write_c(c, "too late\r\n");
	} else if (str_eq(verb, STR("abort"))) {
		conn_write_c(c, "never sent\r\n");
		conn_abort(c);
	} else if (str_eq(verb, STR("pause"))) {
		conn_pause(c);
	} else if (str_eq(verb, STR("park"))) {
		conn_watch_eof(c, true);
		conn_pause(c);
	} else if (str_eq(verb, STR("starttls"))) {
		conn_write_c(c, "go ahead\r\n");
		conn_start_tls(c);
	} else if (str_eq(verb, STR("many"))) {
		write_many(c, number);
		conn_want_drained(c);
	} else if (str_eq(verb, STR("timeout"))) {
		conn_set_timeout(c, (int64_t)number);
		conn_write_c(c, "set\r\n");
	} else if (str_eq(verb, STR("keep"))) {
		seen.kept = conn_ref(c);
		conn_write_c(c, "kept\r\n");
	}
}

static void
test_on_input(struct conn *c)
{
	struct test_session *s = conn_session(c);
	struct evbuffer *in = conn_input(c);
	char *line;
	size_t len;

	s->inputs++;
	assert_true(evbuffer_get_length(in) != 0);
	while (!conn_is_closing(c) && !conn_is_paused(c) &&
	       (line = evbuffer_readln(in, &len, EVBUFFER_EOL_CRLF_STRICT)) != NULL) {
		obey(c, str_of(line, len));
		free(line);
	}
	/* A line that fills the buffer would stop the reading forever. */
	if (!conn_is_closing(c) && !conn_is_paused(c) && evbuffer_get_length(in) >= 64 * 1024) {
		conn_write_c(c, "too long\r\n");
		conn_close(c);
	}
}

static void
test_on_tls(struct conn *c)
{
	seen.has_exporter = conn_tls_exporter(c, seen.exporter);
	str_copy(conn_server_name(c), seen.server_name, sizeof(seen.server_name));
	str_copy(conn_alpn(c), seen.alpn, sizeof(seen.alpn));
	conn_printf(c, "now %s\r\n", conn_tls_version(c));
}

static void
test_on_drained(struct conn *c)
{
	struct test_session *s = conn_session(c);

	assert_true(conn_output_pending(c) <= CONN_OUTPUT_LOW);
	s->drains++;
	seen.drained++;
}

static void
test_on_timeout(struct conn *c)
{
	seen.timed_out++;
	conn_write_c(c, "too slow\r\n");
	conn_close(c);
}

static void
test_on_eof(struct conn *c)
{
	seen.ends++;
	conn_abort(c);
}

static void
test_on_shutdown(struct conn *c)
{
	seen.shut_down++;
	if (seen.stay_at_shutdown)
		return;
	conn_write_c(c, "shutting down\r\n");
	conn_close(c);
}

static void
test_on_close(struct conn *c)
{
	assert_true(conn_is_closing(c));
	seen.closed++;
	if (seen.last == c)
		seen.last = NULL;
}

static const struct protocol_listener roles[] = {{"test", 0, false, 7}, {"tests", 0, true, 8}, {0}};
static const struct protocol test_protocol = {
	.name = "test",
	.session_size = sizeof(struct test_session),
	.listeners = roles,
	.alpn = "test",
	.metric_open = M_CONNECTIONS_IMAP,
	.metric_accepted = M_ACCEPTED_IMAP,
	.max_connections = test_max_connections,
	.max_per_address = test_max_per_address,
	.proxy_protocol_from = test_balancers,
	.refuse = test_refuse,
	.on_open = test_on_open,
	.on_input = test_on_input,
	.on_tls = test_on_tls,
	.on_drained = test_on_drained,
	.on_timeout = test_on_timeout,
	.on_eof = test_on_eof,
	.on_shutdown = test_on_shutdown,
	.on_close = test_on_close,
};

/* ---- The frontend ---- */

static struct service service;
static struct core core;
static char cert_path[64], key_path[64];

static void
write_pem(const char *path, EVP_PKEY *key, X509 *cert)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	if (key != NULL)
		PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
	else
		PEM_write_X509(f, cert);
	fclose(f);
}

static void
make_certificate(void)
{
	EVP_PKEY *key = EVP_EC_gen("P-256");
	X509 *cert = X509_new();

	ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
	X509_gmtime_adj(X509_getm_notBefore(cert), -3600);
	X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
	X509_set_pubkey(cert, key);
	X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
				   -1, -1, 0);
	X509_set_issuer_name(cert, X509_get_subject_name(cert));
	X509_sign(cert, key, EVP_sha256());
	strcpy(cert_path, "/tmp/stagepost-conn-cert-XXXXXX");
	strcpy(key_path, "/tmp/stagepost-conn-key-XXXXXX");
	close(mkstemp(cert_path));
	close(mkstemp(key_path));
	write_pem(cert_path, NULL, cert);
	write_pem(key_path, key, NULL);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static int
setup(void **state)
{
	unsigned count = 0;
	struct err err;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	evthread_use_pthreads();
	memset(&seen, 0, sizeof(seen));
	seen.max_connections = 100;
	service = (struct service){.hostname = "mail.example.test", .base = event_base_new()};
	/* There is no store: the defaults are in force. */
	service.redis = redis_new(service.base, "unix:/nonexistent/redis", &err);
	service.settings = settings_live_new(service.base, service.redis, NULL, false);
	core = (struct core){.frontend = {.service = &service}};
	core.frontend.secret = secret_new(service.base, service.redis, STR("a key of the whole cluster"));
	core.tls = tls_new(
		service.base,
		&(struct tls_options){.cert_path = cert_path, .key_path = key_path, .secret = core.frontend.secret},
		&err);
	assert_non_null(core.tls);
	while (protocols[count] != NULL)
		count++;
	core.states = mem_zalloc((count + 1) * sizeof(core.states[0]));
	core.states[0].protocol = &test_protocol;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	conns_abort(&core);
	assert_int_equal(seen.closed, seen.opened);
	assert_int_equal(core.states[0].count, 0);
	mem_free(core.states);
	tls_free(&core.tls);
	secret_free(&core.frontend.secret);
	settings_live_free(&service.settings);
	redis_free(&service.redis);
	event_base_free(service.base);
	return 0;
}

/* ---- A client ---- */

struct client {
	int fd;
	int accepted; /* the server's descriptor of the connection */
	SSL *ssl;
	struct buf got;
	bool ended;
};

static void
turn(void)
{
	struct timeval wait = {.tv_usec = 1000};

	event_base_loopexit(service.base, &wait);
	event_base_loop(service.base, EVLOOP_ONCE);
}

static void
connect_client(struct client *c, unsigned role)
{
	struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(sa);
	int listener = socket(AF_INET, SOCK_STREAM, 0), fd;

	*c = (struct client){.fd = socket(AF_INET, SOCK_STREAM, 0)};
	assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof(sa)), 0);
	listener_prepare(listener);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
	assert_int_equal(connect(c->fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	fd = accept4(listener, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	assert_true(fd >= 0);
	c->accepted = fd;
	close(listener);
	fcntl(c->fd, F_SETFL, O_NONBLOCK);
	conn_accept(&core, &core.states[0], &roles[role], fd, (struct sockaddr *)&sa);
}

static void
receive(struct client *c)
{
	char bytes[65536];
	ssize_t got;

	for (;;) {
		got = c->ssl != NULL ? SSL_read(c->ssl, bytes, sizeof(bytes)) : recv(c->fd, bytes, sizeof(bytes), 0);
		if (got <= 0)
			break;
		buf_add(&c->got, bytes, (size_t)got);
	}
	if (c->ssl != NULL)
		c->ended |= SSL_get_error(c->ssl, (int)got) != SSL_ERROR_WANT_READ;
	else
		c->ended |= got == 0 || (errno != EAGAIN && errno != EWOULDBLOCK);
	ERR_clear_error();
}

static void
send_text(struct client *c, const char *text)
{
	size_t len = strlen(text);

	if (c->ssl != NULL)
		assert_int_equal(SSL_write(c->ssl, text, (int)len), len);
	else
		assert_int_equal(send(c->fd, text, len, MSG_NOSIGNAL), len);
}

/* Waits until the output received since the last time equals this. */
static void
expect(struct client *c, const char *text)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (c->got.len < strlen(text) && !c->ended && clock_monotonic_ms() < until) {
		turn();
		receive(c);
	}
	assert_string_equal(c->got.data != NULL ? c->got.data : "", text);
	buf_clear(&c->got);
}

static void
expect_end(struct client *c)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (!c->ended && clock_monotonic_ms() < until) {
		turn();
		receive(c);
	}
	assert_true(c->ended);
	assert_int_equal(c->got.len, 0);
}

static void
wait_for(const unsigned *number, unsigned wanted)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (*number < wanted && clock_monotonic_ms() < until)
		turn();
	assert_int_equal(*number, wanted);
}

static void
settle(void)
{
	for (unsigned i = 0; i < 20; i++)
		turn();
}

static void
leave(struct client *c)
{
	if (c->ssl != NULL) {
		SSL_CTX *ctx = SSL_get_SSL_CTX(c->ssl);
		SSL_free(c->ssl);
		SSL_CTX_free(ctx);
	}
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	buf_fini(&c->got);
}

static void
handshake(struct client *c)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	int64_t until = clock_monotonic_ms() + 30000;
	int result = -1;

	c->ssl = SSL_new(ctx);
	SSL_set_fd(c->ssl, c->fd);
	SSL_set_tlsext_host_name(c->ssl, "Mail.example.test");
	SSL_set_alpn_protos(c->ssl, (const unsigned char *)"\5other\4test", 11);
	while (result != 1 && clock_monotonic_ms() < until) {
		result = SSL_connect(c->ssl);
		assert_true(result == 1 || SSL_get_error(c->ssl, result) == SSL_ERROR_WANT_READ);
		turn();
	}
	assert_int_equal(result, 1);
}

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
	assert_int_equal(conn_local_port(seen.last) != 0, 1);
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
	connect_client(&second, 1); /* no handshake only to refuse */
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

	(void)state;
	trust_loopback();
	connect_client(&c, 0);
	for (size_t i = 0; i < sizeof(header) - 1; i++) {
		assert_int_equal(send(c.fd, header + i, 1, 0), 1);
		if (i % 5 == 0)
			settle();
	}
	expect(&c, "hello 192.0.2.7\r\na\r\n");
	assert_int_equal(conn_peer_port(seen.last), 1234);
	assert_int_equal(conn_local_port(seen.last), 25);
	assert_false(conn_is_secure(seen.last)); /* the client is not on the loopback */
	leave(&c);
	/* A health check by the balancer itself. */
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
			shutdown(c.fd, SHUT_WR); /* in the middle of the header */
		expect_end(&c);
		leave(&c);
	}
	connect_client(&c, 0); /* without a single byte */
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
	struct client c;

	(void)state;
	connect_client(&c, 0);
	/* Input sent in the clear after the command must not count as sent over TLS. */
	send_text(&c, "starttls\r\necho injected\r\n");
	expect(&c, "hello 127.0.0.1\r\ngo ahead\r\n");
	handshake(&c);
	expect(&c, "now TLSv1.3\r\n");
	assert_true(conn_is_tls(seen.last) && conn_tls_cipher(seen.last) != NULL);
	assert_int_equal(SSL_export_keying_material(c.ssl, exporter, 32, label, sizeof(label) - 1, NULL, 0, 0), 1);
	assert_true(seen.has_exporter);
	assert_memory_equal(exporter, seen.exporter, 32);
	assert_string_equal(seen.server_name, "Mail.example.test");
	assert_string_equal(seen.alpn, "test");
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
	/* In the middle of a session: the protocol is told of the end. */
	connect_client(&c, 0);
	send_text(&c, "starttls\r\n");
	expect(&c, "hello 127.0.0.1\r\ngo ahead\r\n");
	send_text(&c, "no handshake\r\n");
	wait_for(&seen.closed, 1);
	leave(&c);
}

/* ---- The end of the process ---- */

static void
test_drain(void **state)
{
	struct client idle, waiting, busy;

	(void)state;
	connect_client(&idle, 0);
	expect(&idle, "hello 127.0.0.1\r\n");
	connect_client(&busy, 0);
	expect(&busy, "hello 127.0.0.1\r\n");
	connect_client(&waiting, 1); /* during its handshake: cut */
	service.draining = true;
	service.drainers_left = 2; /* one more, so that the test's loop continues */
	seen.stay_at_shutdown = true;
	conns_drain(&core);
	expect_end(&waiting);
	wait_for(&seen.shut_down, 2);
	/* Work in progress is finished first. */
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

/* At the very end, whatever is open is cut (teardown does it). */
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

static int
start(void **state)
{
	(void)state;
	make_certificate();
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	unlink(cert_path);
	unlink(key_path);
	return 0;
}

#define CONN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

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
		CONN_TEST(test_too_many),
		CONN_TEST(test_too_many_of_an_address),
		CONN_TEST(test_proxy_header),
		CONN_TEST(test_bad_proxy_header),
		CONN_TEST(test_starttls),
		CONN_TEST(test_implicit_tls),
		CONN_TEST(test_failed_handshake),
		CONN_TEST(test_drain),
		CONN_TEST(test_drain_says_goodbye),
		CONN_TEST(test_cut),
		CONN_TEST(test_banners),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
