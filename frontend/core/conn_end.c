/* The end of a connection: its output is flushed, then its peer's last bytes are awaited, then
 * the socket is closed; the memory stays for those who hold a reference. */
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <unistd.h>

#include <utlist.h>

#include "frontend/core/addresses.h"
#include "frontend/core/conn_private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

enum { LINGER_MS = 2000, FLUSH_MS = 60000 };

static void
end_release(struct conn *c)
{
	CHECK(c->refs != 0);
	if (--c->refs != 0)
		return;
	CHECK(c->phase == CONN_GONE);
	event_free(c->kick);
	event_free(c->timer);
	mem_free(c);
}

void
conn_count(struct conn *c, int by)
{
	const struct protocol *p = c->state->protocol;

	metrics_add(p->metric_open, by);
	if (by > 0)
		metrics_add(p->metric_accepted, 1);
}

/* Closes the socket; the session's memory stays for those who hold a reference. */
void
conn_go_away(struct conn *c)
{
	struct core *core = c->core;
	SSL *ssl = c->bev != NULL && c->tls ? bufferevent_openssl_get_ssl(c->bev) : NULL;

	if (c->phase == CONN_GONE)
		return;
	c->phase = CONN_GONE;
	conn_watch_update(c);
	if (ssl != NULL && c->handshake_done)
		SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	if (c->raw != NULL)
		event_free(c->raw);
	c->raw = NULL;
	conn_read_stop(c);
	if (c->bev != NULL)
		bufferevent_free(c->bev); /* closes fd */
	else
		close(c->fd);
	c->bev = NULL;
	event_del(c->timer);
	event_del(c->kick);
	DL_DELETE(c->state->conns, c);
	c->state->count--;
	if (c->address_counted)
		addresses_remove(&c->state->addresses, &c->peer);
	conn_count(c, -1);
	if (c->told_open && !c->closed_told) {
		c->closed_told = true;
		c->state->protocol->on_close(c);
	}
	end_release(c);
	if (core->draining) {
		unsigned left = 0;
		for (unsigned i = 0; protocols[i] != NULL; i++)
			left += core->states[i].count;
		if (left == 0)
			service_drained(core->frontend.service);
	}
}

/* Everything is sent: tell the peer, and wait briefly until it has read it. Closing
 * with the peer's bytes unread would reset the connection. */
static void
end_linger(struct conn *c)
{
	SSL *ssl = c->tls ? bufferevent_openssl_get_ssl(c->bev) : NULL;

	c->phase = CONN_LINGERING;
	if (ssl != NULL && c->handshake_done) {
		SSL_shutdown(ssl);
		ERR_clear_error();
	}
	if (c->eof) {
		conn_go_away(c); /* nothing is unread */
		return;
	}
	shutdown(c->fd, SHUT_WR);
	evbuffer_drain(bufferevent_get_input(c->bev), evbuffer_get_length(bufferevent_get_input(c->bev)));
	if (c->tls) {
		bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
		bufferevent_enable(c->bev, EV_READ);
	}
	conn_set_deadline(c, LINGER_MS);
}

void
conn_finish_closing(struct conn *c)
{
	if (c->phase != CONN_FLUSHING)
		return;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		end_linger(c);
}

void
conn_close(struct conn *c)
{
	if (conn_is_closing(c))
		return;
	if (c->bev == NULL) {
		conn_abort(c);
		return;
	}
	c->phase = CONN_FLUSHING;
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
	conn_set_deadline(c, c->core->draining ? LAST_FLUSH_MS : FLUSH_MS);
	conn_kick(c);
}

void
conn_abort(struct conn *c)
{
	if (c->phase == CONN_GONE)
		return;
	/* Inside a callback, the loop will do it. */
	c->phase = CONN_LINGERING;
	c->eof = true;
	conn_set_deadline(c, 1);
	conn_kick(c);
}

bool
conn_is_closing(const struct conn *c)
{
	return c->phase >= CONN_FLUSHING;
}

struct conn *
conn_ref(struct conn *c)
{
	c->refs++;
	return c;
}

void
conn_unref(struct conn **c)
{
	struct conn *conn = *c;

	*c = NULL;
	if (conn != NULL)
		end_release(conn);
}
