/* What a protocol can ask of its connection: the client's identity, input and output. */
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "frontend/core/conn_private.h"
#include "lib/base/check.h"

/* ---- What is known about the client ---- */

struct frontend *
conn_frontend(const struct conn *c)
{
	return &c->core->frontend;
}

const struct protocol *
conn_protocol(const struct conn *c)
{
	return c->state->protocol;
}

void *
conn_session(const struct conn *c)
{
	return (void *)(uintptr_t)c->session;
}

unsigned
conn_role(const struct conn *c)
{
	return c->role->role;
}

const struct ip *
conn_peer(const struct conn *c)
{
	return &c->peer;
}

uint16_t
conn_peer_port(const struct conn *c)
{
	return c->peer_port;
}

/* Rarely needed, so the kernel is asked only on demand. */
static void
find_local(const struct conn *c)
{
	struct conn *known = (struct conn *)(uintptr_t)c;
	struct sockaddr_storage local;
	socklen_t len = sizeof(local);

	if (c->local_known || c->phase == CONN_GONE)
		return;
	known->local_known = true;
	if (getsockname(c->fd, (struct sockaddr *)&local, &len) == 0)
		ip_from_sockaddr((struct sockaddr *)&local, &known->local, NULL);
}

const struct ip *
conn_local(const struct conn *c)
{
	find_local(c);
	return &c->local;
}

const char *
conn_id(const struct conn *c)
{
	return c->id;
}

const struct log_context *
conn_log(const struct conn *c)
{
	return &c->log;
}

bool
conn_is_tls(const struct conn *c)
{
	return c->tls && c->handshake_done;
}

static SSL *
ssl_of(const struct conn *c)
{
	return conn_is_tls(c) && c->bev != NULL ? bufferevent_openssl_get_ssl(c->bev) : NULL;
}

const char *
conn_tls_version(const struct conn *c)
{
	SSL *ssl = ssl_of(c);
	return ssl != NULL ? SSL_get_version(ssl) : NULL;
}

const char *
conn_tls_cipher(const struct conn *c)
{
	SSL *ssl = ssl_of(c);
	return ssl != NULL ? SSL_get_cipher_name(ssl) : NULL;
}

struct str
conn_server_name(const struct conn *c)
{
	SSL *ssl = c->tls && c->bev != NULL ? bufferevent_openssl_get_ssl(c->bev) : NULL;

	return str_c(ssl != NULL ? SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) : NULL);
}

bool
conn_is_secure(const struct conn *c)
{
	return conn_is_tls(c) || ip_is_loopback(&c->peer);
}

bool
conn_tls_exporter(const struct conn *c, unsigned char out[32])
{
	static const char label[] = "EXPORTER-Channel-Binding";
	SSL *ssl = ssl_of(c);

	return ssl != NULL && SSL_version(ssl) >= TLS1_3_VERSION &&
	       SSL_export_keying_material(ssl, out, 32, label, sizeof(label) - 1, NULL, 0, 0) == 1;
}

/* ---- Input and output ---- */

struct evbuffer *
conn_input(struct conn *c)
{
	CHECK(c->bev != NULL);
	return c->deflate != NULL ? deflate_plain_input(c->deflate) : bufferevent_get_input(c->bev);
}

void
conn_pause(struct conn *c)
{
	c->paused = true;
}

void
conn_resume(struct conn *c)
{
	if (!c->paused)
		return;
	c->paused = false;
	c->input_due = true;
	if (c->phase == CONN_OPEN)
		conn_kick(c);
}

bool
conn_is_paused(const struct conn *c)
{
	return c->paused;
}

unsigned
conn_reads(const struct conn *c)
{
	return c->reads;
}

void
conn_acknowledge(struct conn *c)
{
	const int on = 1;

	/* Has no lasting effect: the kernel reverts it by itself. */
	if (c->bev != NULL)
		setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on));
}

void
conn_write(struct conn *c, const void *data, size_t len)
{
	if (c->bev != NULL && !conn_is_closing(c))
		evbuffer_add(conn_output(c), data, len);
}

void
conn_write_c(struct conn *c, const char *text)
{
	conn_write(c, text, strlen(text));
}

void
conn_printf(struct conn *c, const char *format, ...)
{
	va_list ap;

	if (c->bev == NULL || conn_is_closing(c))
		return;
	va_start(ap, format);
	evbuffer_add_vprintf(conn_output(c), format, ap);
	va_end(ap);
}

struct evbuffer *
conn_output(struct conn *c)
{
	CHECK(c->bev != NULL);
	return c->deflate != NULL ? deflate_plain_output(c->deflate) : bufferevent_get_output(c->bev);
}

size_t
conn_output_pending(const struct conn *c)
{
	size_t plain = c->deflate != NULL ? evbuffer_get_length(deflate_plain_output(c->deflate)) : 0;

	return c->bev != NULL ? evbuffer_get_length(bufferevent_get_output(c->bev)) + plain : 0;
}

void
conn_want_drained(struct conn *c)
{
	c->want_drained = true;
	if (conn_output_pending(c) <= CONN_OUTPUT_LOW)
		conn_kick(c);
}

/* ---- Compression ---- */

/* Compresses the protocol's output at the end of the current event. */
static void
on_plain_output(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	(void)buffer;
	if (info->n_added != 0)
		conn_kick(arg);
}

void
conn_start_deflate(struct conn *c)
{
	CHECK(c->deflate == NULL && c->bev != NULL);
	c->deflate = deflate_new();
	evbuffer_add_cb(deflate_plain_output(c->deflate), on_plain_output, c);
}

bool
conn_is_deflated(const struct conn *c)
{
	return c->deflate != NULL;
}
