/* TLS on a connection: the handshake, at once or after STARTTLS. */
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>

#include "frontend/core/conn_private.h"
#include "lib/base/check.h"

enum { HANDSHAKE_MS = 60000 };

bool
conn_tls_available(const struct conn *c)
{
	return c->core->tls != NULL && tls_has_certificate(c->core->tls);
}

/* Empty: clients of the protocol are not asked for certificates. */
static const char *
conn_client_authorities(const struct conn *c)
{
	const struct protocol *protocol = c->state->protocol;

	return protocol->client_authorities != NULL
		       ? protocol->client_authorities(frontend_settings(&c->core->frontend))
		       : "";
}

int
conn_client_address(const struct conn *c, struct arena *arena, struct str *address_out, struct err *err)
{
	const char *authorities = conn_client_authorities(c);

	if (!conn_is_tls(c) || authorities[0] == '\0')
		return err_set(err, ERR_NOT_FOUND, "there is no certificate");
	return tls_client_address(c->core->tls, bufferevent_openssl_get_ssl(c->bev), authorities, arena, address_out,
				  err);
}

/* Puts a TLS bufferevent on the socket; input that the plain one had read is discarded. */
void
conn_begin_handshake(struct conn *c)
{
	struct bufferevent *bev;
	SSL *ssl;

	/* The last certificate may have been removed since STARTTLS was offered. */
	if (!conn_tls_available(c)) {
		conn_go_away(c);
		return;
	}
	ssl = tls_session_new(c->core->tls, c->state->protocol->alpn);
	if (conn_client_authorities(c)[0] != '\0')
		tls_ask_client(c->core->tls, ssl, conn_client_authorities(c));
	conn_read_stop(c);
	if (c->bev != NULL) {
		struct bufferevent *plain = c->bev;
		c->bev = NULL;
		bufferevent_disable(plain, EV_READ | EV_WRITE);
		bufferevent_setfd(plain, -1);
		bufferevent_free(plain);
	}
	bev = bufferevent_openssl_socket_new(c->core->frontend.service->base, c->fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
					     BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	CHECK(bev != NULL);
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	c->tls = true;
	conn_set_deadline(c, HANDSHAKE_MS);
	conn_install(c, bev);
}

void
conn_start_tls(struct conn *c)
{
	CHECK(conn_tls_available(c) && !c->tls);
	if (c->phase != CONN_OPEN)
		return;
	c->phase = CONN_STARTING_TLS;
	conn_read_stop(c);
	evbuffer_drain(bufferevent_get_input(c->bev), evbuffer_get_length(bufferevent_get_input(c->bev)));
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
	conn_kick(c);
}

void
conn_handshake_over(struct conn *c)
{
	const struct protocol *p = c->state->protocol;

	c->handshake_done = true;
	c->deadline_ms = 0;
	if (c->phase == CONN_HANDSHAKE) {
		conn_open_session(c);
		return;
	}
	c->phase = CONN_OPEN;
	if (p->on_tls != NULL)
		p->on_tls(c);
	if (c->drain_asked)
		conn_kick(c);
}

void
conn_handshake_failed(struct conn *c)
{
	unsigned long code = bufferevent_get_openssl_error(c->bev);
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	metrics_add(M_TLS_HANDSHAKE_FAILURES, 1);
	log_info(&c->log, "TLS handshake failed", F_C("reason", reason != NULL ? reason : "closed"),
		 F_STR("server_name", conn_server_name(c)));
	conn_go_away(c);
}
