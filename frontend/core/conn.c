/* One client connection.
 *
 * Its life: (PROXY header) -> (TLS handshake) -> open -> closing -> gone. All work
 * for the protocol is done from on_kick, an event that belongs to the connection, so
 * no callback of a protocol runs inside another, and nothing is freed while its
 * caller still uses it. */
#include "frontend/core/conn_private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"

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

void
conn_kick(struct conn *c)
{
	event_active(c->kick, EV_TIMEOUT, 0);
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
		conn_finish_closing(c);
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
conn_on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = conn_ref(arg);

	(void)bev;
	if ((what & BEV_EVENT_CONNECTED) != 0)
		conn_handshake_over(c);
	else if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		;
	else if (c->tls && !c->handshake_done)
		conn_handshake_failed(c);
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
