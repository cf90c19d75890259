/* One client connection.
 *
 * Its life: (PROXY header) -> (TLS handshake) -> open -> closing -> gone. All work
 * for the protocol is done from on_kick, an event that belongs to the connection, so
 * no callback of a protocol runs inside another, and nothing is freed while its
 * caller still uses it. */
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <string.h>
#include <unistd.h>

#include <utlist.h>

#include "frontend/core/addresses.h"
#include "frontend/core/conn_private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { HANDSHAKE_MS = 60000, LINGER_MS = 2000, FLUSH_MS = 60000 };

static void go_closing(struct conn *c);

/* ---- Timer: re-armed lazily, so that a new limit costs nothing ---- */

static void
arm_timer(struct conn *c)
{
	int64_t now = clock_monotonic_ms();
	int64_t wait = c->deadline_ms > now ? c->deadline_ms - now : 1;
	struct timeval tv = clock_timeval(wait);

	c->timer_due_ms = now + wait;
	event_add(c->timer, &tv);
}

void
conn_set_deadline(struct conn *c, int64_t ms)
{
	c->deadline_ms = ms > 0 ? clock_monotonic_ms() + ms : 0;
	if (c->deadline_ms != 0 && (c->timer_due_ms == 0 || c->deadline_ms < c->timer_due_ms))
		arm_timer(c);
}

void
conn_set_timeout(struct conn *c, int64_t ms)
{
	if (!conn_is_closing(c))
		conn_set_deadline(c, ms);
}

/* ---- The end ---- */

void
conn_kick(struct conn *c)
{
	event_active(c->kick, EV_TIMEOUT, 0);
}

static void
conn_release(struct conn *c)
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
	conn_release(c);
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
go_lingering(struct conn *c)
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

static void
go_closing(struct conn *c)
{
	if (c->phase != CONN_FLUSHING)
		return;
	if (evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		go_lingering(c);
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
		conn_release(conn);
}

/* ---- TLS ---- */

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
	return tls_client_address(bufferevent_openssl_get_ssl(c->bev), authorities, arena, address_out, err);
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
		tls_ask_client(ssl, conn_client_authorities(c));
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

/* ---- What the loop does for the protocol ---- */

/* Output is written straight to the socket at the end of the current event. Asking
 * the kernel first whether there is room, as a bufferevent does, costs more calls
 * than the write. Only what does not fit is left to libevent. (With TLS, the
 * bufferevent does everything.) */
static void
conn_flush(struct conn *c)
{
	struct evbuffer *out;

	if (c->bev == NULL || c->tls || (bufferevent_get_enabled(c->bev) & EV_WRITE) != 0)
		return;
	out = bufferevent_get_output(c->bev);
	if (evbuffer_get_length(out) == 0)
		return;
	evbuffer_unfreeze(out, 1);
	(void)evbuffer_write(out, c->fd); /* libevent meets a failure again, and reports it */
	evbuffer_freeze(out, 1);
	if (evbuffer_get_length(out) != 0)
		bufferevent_enable(c->bev, EV_WRITE);
	if (c->want_drained && evbuffer_get_length(out) <= CONN_OUTPUT_LOW)
		conn_kick(c);
}

static void
on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;

	(void)out;
	if (info->n_added != 0 && !c->in_kick)
		conn_kick(c);
}

void
conn_open_session(struct conn *c)
{
	c->phase = CONN_OPEN;
	c->told_open = true;
	c->state->protocol->on_open(c);
}

static bool
conn_has_input(const struct conn *c)
{
	if (c->bev == NULL)
		return false;
	return evbuffer_get_length(bufferevent_get_input(c->bev)) != 0 ||
	       (c->deflate != NULL &&
		(evbuffer_get_length(deflate_plain_input(c->deflate)) != 0 || deflate_may_hold_more(c->deflate)));
}

static void
give_compressed(struct conn *c)
{
	if (c->deflate != NULL && c->bev != NULL)
		deflate_give(c->deflate, bufferevent_get_output(c->bev));
}

/* False: the input is damaged, and the connection has been aborted. */
static bool
take_compressed(struct conn *c)
{
	if (c->deflate == NULL || deflate_take(c->deflate, bufferevent_get_input(c->bev)) == 0)
		return true;
	log_info(&c->log, "damaged compressed input");
	conn_abort(c);
	return false;
}

static void
give_input(struct conn *c)
{
	struct evbuffer *wire = bufferevent_get_input(c->bev);

	c->input_due = false;
	if (!conn_has_input(c) || !take_compressed(c))
		return;
	c->state->protocol->on_input(c);
	/* Only a limited amount is decompressed at a time. */
	if (c->deflate != NULL && c->phase == CONN_OPEN && !c->paused &&
	    (evbuffer_get_length(wire) != 0 || deflate_may_hold_more(c->deflate))) {
		c->input_due = true;
		conn_kick(c);
	}
}

static void
run_open(struct conn *c)
{
	const struct protocol *p = c->state->protocol;

	if (c->watch_eof && c->eof && !c->eof_told) {
		c->eof_told = true;
		p->on_eof(c);
	}
	if (c->phase == CONN_OPEN && c->drain_asked) {
		c->drain_asked = false;
		p->on_shutdown(c);
	}
	if (c->phase == CONN_OPEN && c->timed_out) {
		c->timed_out = false;
		p->on_timeout(c);
	}
	if (c->phase == CONN_OPEN && c->want_drained && conn_output_pending(c) <= CONN_OUTPUT_LOW) {
		c->want_drained = false;
		if (p->on_drained != NULL)
			p->on_drained(c);
	}
	if (c->phase == CONN_OPEN && c->input_due && !c->paused)
		give_input(c);
	/* What the peer sent before it closed its side is still served. */
	if (c->phase == CONN_OPEN && c->eof && !c->paused && !c->input_due)
		conn_close(c);
}

void
conn_on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = conn_ref(arg);

	(void)fd, (void)what;
	c->in_kick = true;
	give_compressed(c);
	if (c->phase == CONN_OPEN)
		run_open(c);
	give_compressed(c);
	conn_flush(c);
	conn_watch_update(c);
	c->in_kick = false;
	if (c->phase == CONN_STARTING_TLS && !c->tls && evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		conn_begin_handshake(c);
	if (c->phase == CONN_FLUSHING)
		go_closing(c);
	if (c->phase == CONN_LINGERING && c->eof)
		conn_go_away(c);
	conn_unref(&c);
}

void
conn_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;

	(void)fd, (void)what;
	c->timer_due_ms = 0;
	if (c->deadline_ms == 0)
		return;
	if (clock_monotonic_ms() < c->deadline_ms) {
		arm_timer(c);
		return;
	}
	c->deadline_ms = 0;
	if (c->phase == CONN_OPEN) {
		c->timed_out = true;
		conn_kick(c);
	} else {
		conn_go_away(c);
	}
}

/* ---- Events from libevent ---- */

void
conn_on_read(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);

	if (c->phase == CONN_LINGERING || c->phase == CONN_FLUSHING) {
		evbuffer_drain(in, evbuffer_get_length(in));
		return;
	}
	c->reads++;
	c->input_due = true;
	conn_watch_update(c);
	if (!c->paused)
		conn_kick(c);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	conn_on_read(arg);
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (!c->tls && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		bufferevent_disable(bev, EV_WRITE);
	if (c->phase == CONN_FLUSHING || c->phase == CONN_STARTING_TLS || c->want_drained)
		conn_kick(c);
}

static void
handshake_over(struct conn *c)
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
conn_on_end(struct conn *c, bool failed)
{
	if (failed || c->phase == CONN_LINGERING) {
		conn_go_away(c);
		return;
	}
	/* The peer has ended its side; it may still read. */
	c->eof = true;
	c->input_due = c->input_due || conn_has_input(c);
	if (c->phase == CONN_OPEN)
		conn_kick(c);
	else
		conn_go_away(c);
}

static void
handshake_failed(struct conn *c)
{
	unsigned long code = bufferevent_get_openssl_error(c->bev);
	const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

	metrics_add(M_TLS_HANDSHAKE_FAILURES, 1);
	log_info(&c->log, "TLS handshake failed", F_C("reason", reason != NULL ? reason : "closed"),
		 F_STR("server_name", conn_server_name(c)));
	conn_go_away(c);
}

static void
conn_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = conn_ref(arg);

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		handshake_over(c);
	else if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		;
	else if (c->tls && !c->handshake_done)
		handshake_failed(c);
	else
		conn_on_end(c, (what & BEV_EVENT_ERROR) != 0);
	conn_unref(&c);
}

void
conn_install(struct conn *c, struct bufferevent *bev)
{
	c->bev = bev;
	bufferevent_setcb(bev, on_read, on_write, conn_on_event, c);
	bufferevent_setwatermark(bev, EV_WRITE, CONN_OUTPUT_LOW, 0);
	if (c->tls) {
		bufferevent_setwatermark(bev, EV_READ, 0, CONN_INPUT_MAX);
		bufferevent_enable(bev, EV_READ | EV_WRITE);
		return;
	}
	bufferevent_disable(bev, EV_WRITE); /* see conn_flush() */
	evbuffer_add_cb(bufferevent_get_output(bev), on_output, c);
	conn_read_start(c);
}
