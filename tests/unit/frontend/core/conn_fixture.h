/* A protocol of a command a line, a frontend that speaks it, and clients. */
#ifndef SP_TESTS_UNIT_CONN_FIXTURE_H
#define SP_TESTS_UNIT_CONN_FIXTURE_H

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

/* ---- The protocol: a command a line, "echo x", "close", ... ---- */

struct test_session {
	unsigned inputs, drains, timeouts, shutdowns;
	char peer[IP_TEXT_MAX];
};

static struct {
	unsigned opened, closed, drained, timed_out, shut_down, ends;
	struct conn *last; /* borrowed; of the latest that opened */
	struct conn *kept; /* a reference */
	size_t most_input;
	int64_t max_connections, max_per_address;
	bool stay_at_shutdown;
	struct ip_blocks balancers;
	unsigned char exporter[32];
	bool has_exporter;
	char server_name[64];
} seen;

static inline int64_t
test_max_connections(const struct settings *s)
{
	(void)s;
	return seen.max_connections;
}

static inline int64_t
test_max_per_address(const struct settings *s, const struct ip *client)
{
	(void)s;
	return ip_is_loopback(client) ? 0 : seen.max_per_address;
}

static inline const struct ip_blocks *
test_balancers(const struct settings *s)
{
	(void)s;
	return &seen.balancers;
}

static inline void
test_refuse(struct conn *c)
{
	conn_write_c(c, "refused\r\n");
}

static inline void
test_on_open(struct conn *c)
{
	struct test_session *s = conn_session(c);

	assert_int_equal(s->inputs, 0);
	seen.opened++;
	seen.last = c;
	ip_text(conn_peer(c), s->peer);
	conn_printf(c, "hello %s%s\r\n", s->peer, conn_is_tls(c) ? " over TLS" : "");
}

static inline void
write_many(struct conn *c, size_t count)
{
	char piece[1024];

	memset(piece, 'x', sizeof(piece));
	for (; count != 0; count -= count < sizeof(piece) ? count : sizeof(piece))
		conn_write(c, piece, count < sizeof(piece) ? count : sizeof(piece));
}

static inline void
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

static inline void
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
	/* A line that fills the buffer would stop the reading for ever. */
	if (!conn_is_closing(c) && !conn_is_paused(c) && evbuffer_get_length(in) >= 64 * 1024) {
		conn_write_c(c, "too long\r\n");
		conn_close(c);
	}
}

static inline void
test_on_tls(struct conn *c)
{
	seen.has_exporter = conn_tls_exporter(c, seen.exporter);
	str_copy(conn_server_name(c), seen.server_name, sizeof(seen.server_name));
	conn_printf(c, "now %s\r\n", conn_tls_version(c));
}

static inline void
test_on_drained(struct conn *c)
{
	struct test_session *s = conn_session(c);

	assert_true(conn_output_pending(c) <= CONN_OUTPUT_LOW);
	s->drains++;
	seen.drained++;
}

static inline void
test_on_timeout(struct conn *c)
{
	seen.timed_out++;
	conn_write_c(c, "too slow\r\n");
	conn_close(c);
}

static inline void
test_on_eof(struct conn *c)
{
	seen.ends++;
	conn_abort(c);
}

static inline void
test_on_shutdown(struct conn *c)
{
	seen.shut_down++;
	if (seen.stay_at_shutdown)
		return;
	conn_write_c(c, "shutting down\r\n");
	conn_close(c);
}

static inline void
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

static inline void
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

static inline void
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

static inline int
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
	/* Nobody is there: the defaults are in force. */
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

static inline int
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
	int accepted; /* the server's end: the connection's */
	SSL *ssl;
	struct buf got;
	bool ended;
};

static inline void
turn(void)
{
	struct timeval wait = {.tv_usec = 1000};

	event_base_loopexit(service.base, &wait);
	event_base_loop(service.base, EVLOOP_ONCE);
}

static inline void
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

static inline void
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

static inline void
send_text(struct client *c, const char *text)
{
	size_t len = strlen(text);

	if (c->ssl != NULL)
		assert_int_equal(SSL_write(c->ssl, text, (int)len), len);
	else
		assert_int_equal(send(c->fd, text, len, MSG_NOSIGNAL), len);
}

/* Until all that came since the last time is this. */
static inline void
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

static inline void
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

static inline void
wait_for(const unsigned *number, unsigned wanted)
{
	int64_t until = clock_monotonic_ms() + 30000;

	while (*number < wanted && clock_monotonic_ms() < until)
		turn();
	assert_int_equal(*number, wanted);
}

static inline void
settle(void)
{
	for (unsigned i = 0; i < 20; i++)
		turn();
}

static inline void
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

static inline void
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

static inline int
start(void **state)
{
	(void)state;
	make_certificate();
	return 0;
}

static inline int
stop(void **state)
{
	(void)state;
	unlink(cert_path);
	unlink(key_path);
	return 0;
}

#define CONN_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
