/* One client connection.
 *
 * Its life: (PROXY header) -> (TLS handshake) -> open -> closing -> gone. All
 * work for the protocol is done from on_kick, one event of the connection's
 * own, so no callback of a protocol runs inside another, and nothing is freed
 * under the feet of its caller. */
#include "frontend/core/conn.h"

#include <errno.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include <utlist.h>

#include "frontend/core/core.h"
#include "frontend/core/deflate.h"
#include "frontend/core/proxy.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { INPUT_MAX = 64 * 1024, PROXY_MS = 5000, HANDSHAKE_MS = 60000, LINGER_MS = 2000, FLUSH_MS = 60000 };

enum conn_state {
	CONN_PROXY,	/* waiting for the balancer's header */
	CONN_HANDSHAKE, /* TLS from the start */
	CONN_OPEN,
	CONN_STARTING_TLS, /* the plain output is on its way, or the handshake is */
	CONN_FLUSHING,	   /* closing: the last output is on its way */
	CONN_LINGERING,	   /* closing: waiting for the peer to have read it */
	CONN_GONE,	   /* no socket any more; references are left */
};

struct conn {
	struct core *core;		      /* borrowed */
	struct protocol_state *state;	      /* borrowed */
	const struct protocol_listener *role; /* borrowed */
	struct bufferevent *bev;	      /* owner; NULL in CONN_PROXY and CONN_GONE */
	struct event *raw;		      /* owner; CONN_PROXY: readiness of fd */
	struct deflate *deflate;	      /* owner; NULL: no compression */
	struct event *kick, *timer;
	int fd;
	enum conn_state phase;
	bool paused, eof, want_drained, told_open, tls, handshake_done, drain_asked, input_due, timed_out;
	bool closed_told, in_kick;
	unsigned refs;	      /* the open connection counts as one */
	int64_t deadline_ms;  /* monotonic; 0: none */
	int64_t timer_due_ms; /* of the armed timer; 0: not armed */
	struct ip peer, local;
	uint16_t peer_port, local_port;
	char id[24];
	char peer_text[IP_TEXT_MAX];
	struct log_context log;
	struct conn *prev, *next;
	_Alignas(16) char session[];
};

static void go_closing(struct conn *c);
static void install(struct conn *c, struct bufferevent *bev);

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

static void
set_deadline(struct conn *c, int64_t ms)
{
	c->deadline_ms = ms > 0 ? clock_monotonic_ms() + ms : 0;
	if (c->deadline_ms != 0 && (c->timer_due_ms == 0 || c->deadline_ms < c->timer_due_ms))
		arm_timer(c);
}

void
conn_set_timeout(struct conn *c, int64_t ms)
{
	if (!conn_is_closing(c))
		set_deadline(c, ms);
}

/* ---- The end ---- */

static void
kick(struct conn *c)
{
	event_active(c->kick, EV_TIMEOUT, 0);
}

static void
release(struct conn *c)
{
	CHECK(c->refs != 0);
	if (--c->refs != 0)
		return;
	CHECK(c->phase == CONN_GONE);
	event_free(c->kick);
	event_free(c->timer);
	mem_free(c);
}

static void
count_connection(struct conn *c, int by)
{
	static const struct {
		const char *name;
		enum metric open, accepted;
	} rows[] = {{"smtp", M_CONNECTIONS_SMTP, M_ACCEPTED_SMTP},
		    {"pop3", M_CONNECTIONS_POP3, M_ACCEPTED_POP3},
		    {"imap", M_CONNECTIONS_IMAP, M_ACCEPTED_IMAP}};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strcmp(rows[i].name, c->state->protocol->name) != 0)
			continue;
		metrics_add(rows[i].open, by);
		if (by > 0)
			metrics_add(rows[i].accepted, 1);
	}
}

/* The socket goes; the session's memory stays for those who hold a reference. */
static void
go_away(struct conn *c)
{
	struct core *core = c->core;
	SSL *ssl = c->bev != NULL && c->tls ? bufferevent_openssl_get_ssl(c->bev) : NULL;

	if (c->phase == CONN_GONE)
		return;
	c->phase = CONN_GONE;
	if (ssl != NULL && c->handshake_done)
		SSL_set_shutdown(ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	if (c->raw != NULL)
		event_free(c->raw);
	c->raw = NULL;
	if (c->bev != NULL)
		bufferevent_free(c->bev); /* closes fd */
	else
		close(c->fd);
	c->bev = NULL;
	event_del(c->timer);
	event_del(c->kick);
	DL_DELETE(c->state->conns, c);
	c->state->count--;
	count_connection(c, -1);
	if (c->told_open && !c->closed_told) {
		c->closed_told = true;
		c->state->protocol->on_close(c);
	}
	release(c);
	if (core->draining) {
		unsigned left = 0;
		for (unsigned i = 0; protocols[i] != NULL; i++)
			left += core->states[i].count;
		if (left == 0)
			service_drained(core->frontend.service);
	}
}

/* Everything is sent: tell the peer, and wait a little until it has read it;
 * closing with its bytes unread would reset the connection. */
static void
go_lingering(struct conn *c)
{
	SSL *ssl = c->tls ? bufferevent_openssl_get_ssl(c->bev) : NULL;

	c->phase = CONN_LINGERING;
	if (ssl != NULL && c->handshake_done) {
		SSL_shutdown(ssl);
		ERR_clear_error();
	}
	shutdown(c->fd, SHUT_WR);
	if (c->eof) {
		go_away(c);
		return;
	}
	bufferevent_setwatermark(c->bev, EV_READ, 0, 0);
	evbuffer_drain(bufferevent_get_input(c->bev), evbuffer_get_length(bufferevent_get_input(c->bev)));
	bufferevent_enable(c->bev, EV_READ);
	set_deadline(c, LINGER_MS);
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
	set_deadline(c, FLUSH_MS);
	kick(c);
}

void
conn_abort(struct conn *c)
{
	if (c->phase == CONN_GONE)
		return;
	/* From within a callback the loop does it. */
	c->phase = CONN_LINGERING;
	c->eof = true;
	set_deadline(c, 1);
	kick(c);
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
		release(conn);
}

/* ---- TLS ---- */

bool
conn_tls_available(const struct conn *c)
{
	return c->core->tls != NULL;
}

/* A TLS bufferevent on the socket; what the plain one had read is gone. */
static void
begin_handshake(struct conn *c)
{
	SSL *ssl = tls_session_new(c->core->tls);
	struct bufferevent *bev;

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
	set_deadline(c, HANDSHAKE_MS);
	install(c, bev);
}

void
conn_start_tls(struct conn *c)
{
	CHECK(c->core->tls != NULL && !c->tls);
	if (c->phase != CONN_OPEN)
		return;
	c->phase = CONN_STARTING_TLS;
	bufferevent_disable(c->bev, EV_READ);
	evbuffer_drain(bufferevent_get_input(c->bev), evbuffer_get_length(bufferevent_get_input(c->bev)));
	bufferevent_setwatermark(c->bev, EV_WRITE, 0, 0);
	kick(c);
}

/* ---- What the loop does for the protocol ---- */

/* What was written goes straight to the socket at the end of the event in hand:
 * to ask the kernel first whether there is room, as a bufferevent does, costs
 * more calls than the writing. Only what does not fit is left to libevent.
 * (With TLS the bufferevent does it all.) */
static void
flush(struct conn *c)
{
	struct evbuffer *out;

	if (c->bev == NULL || c->tls || (bufferevent_get_enabled(c->bev) & EV_WRITE) != 0)
		return;
	out = bufferevent_get_output(c->bev);
	if (evbuffer_get_length(out) == 0)
		return;
	evbuffer_unfreeze(out, 1);
	(void)evbuffer_write(out, c->fd); /* a failure is met again, and told, by libevent */
	evbuffer_freeze(out, 1);
	if (evbuffer_get_length(out) != 0)
		bufferevent_enable(c->bev, EV_WRITE);
	if (c->want_drained && evbuffer_get_length(out) <= CONN_OUTPUT_LOW)
		kick(c);
}

static void
on_output(struct evbuffer *out, const struct evbuffer_cb_info *info, void *arg)
{
	struct conn *c = arg;

	(void)out;
	if (info->n_added != 0 && !c->in_kick)
		kick(c);
}

static void
open_session(struct conn *c)
{
	c->phase = CONN_OPEN;
	c->told_open = true;
	c->state->protocol->on_open(c);
}

static bool
has_input(const struct conn *c)
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

/* False: what came is damaged, and the connection with it. */
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
	if (!has_input(c) || !take_compressed(c))
		return;
	c->state->protocol->on_input(c);
	/* Only so much was unpacked at a time. */
	if (c->deflate != NULL && c->phase == CONN_OPEN && !c->paused &&
	    (evbuffer_get_length(wire) != 0 || deflate_may_hold_more(c->deflate))) {
		c->input_due = true;
		kick(c);
	}
}

static void
run_open(struct conn *c)
{
	const struct protocol *p = c->state->protocol;

	if (c->drain_asked) {
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
	/* What the peer sent before it went is still served. */
	if (c->phase == CONN_OPEN && c->eof && !c->paused && !c->input_due)
		conn_close(c);
}

static void
on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = conn_ref(arg);

	(void)fd, (void)what;
	c->in_kick = true;
	give_compressed(c);
	if (c->phase == CONN_OPEN)
		run_open(c);
	give_compressed(c);
	flush(c);
	c->in_kick = false;
	if (c->phase == CONN_STARTING_TLS && !c->tls && evbuffer_get_length(bufferevent_get_output(c->bev)) == 0)
		begin_handshake(c);
	if (c->phase == CONN_FLUSHING)
		go_closing(c);
	if (c->phase == CONN_LINGERING && c->eof)
		go_away(c);
	conn_unref(&c);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
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
		kick(c);
	} else {
		go_away(c);
	}
}

/* ---- What libevent tells ---- */

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (c->phase == CONN_LINGERING || c->phase == CONN_FLUSHING) {
		evbuffer_drain(bufferevent_get_input(bev), evbuffer_get_length(bufferevent_get_input(bev)));
		return;
	}
	c->input_due = true;
	if (!c->paused)
		kick(c);
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	if (!c->tls && evbuffer_get_length(bufferevent_get_output(bev)) == 0)
		bufferevent_disable(bev, EV_WRITE);
	if (c->phase == CONN_FLUSHING || c->phase == CONN_STARTING_TLS || c->want_drained)
		kick(c);
}

static void
handshake_over(struct conn *c)
{
	const struct protocol *p = c->state->protocol;

	c->handshake_done = true;
	c->deadline_ms = 0;
	if (c->phase == CONN_HANDSHAKE) {
		open_session(c);
		return;
	}
	c->phase = CONN_OPEN;
	if (p->on_tls != NULL)
		p->on_tls(c);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = conn_ref(arg);

	if ((what & BEV_EVENT_CONNECTED) != 0) {
		handshake_over(c);
	} else if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0) {
		if (c->tls && !c->handshake_done) {
			unsigned long code = bufferevent_get_openssl_error(bev);
			const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
			metrics_add(M_TLS_HANDSHAKE_FAILURES, 1);
			log_info(&c->log, "TLS handshake failed", F_C("reason", reason != NULL ? reason : "closed"));
			go_away(c);
		} else if ((what & BEV_EVENT_ERROR) != 0 || c->phase == CONN_LINGERING) {
			go_away(c);
		} else {
			/* The peer has said all; it may still listen. */
			c->eof = true;
			c->input_due = c->input_due || has_input(c);
			if (c->phase == CONN_OPEN)
				kick(c);
			else
				go_away(c);
		}
	}
	conn_unref(&c);
}

static void
install(struct conn *c, struct bufferevent *bev)
{
	c->bev = bev;
	bufferevent_setcb(bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(bev, EV_READ, 0, INPUT_MAX);
	bufferevent_setwatermark(bev, EV_WRITE, CONN_OUTPUT_LOW, 0);
	if (c->tls) {
		bufferevent_enable(bev, EV_READ | EV_WRITE);
		return;
	}
	bufferevent_set_max_single_read(bev, INPUT_MAX);
	bufferevent_disable(bev, EV_WRITE); /* see flush() */
	evbuffer_add_cb(bufferevent_get_output(bev), on_output, c);
	bufferevent_enable(bev, EV_READ);
}

/* ---- Start ---- */

static void
set_log(struct conn *c)
{
	ip_text(&c->peer, c->peer_text);
	c->log = (struct log_context){.fields = {F_C("proto", c->role->name), F_C("session", c->id),
						 F_C("peer", c->peer_text), F_I64("port", c->peer_port)}};
}

/* The addresses are known: one connection too many is refused, else TLS or the
 * greeting follows. */
static void
enter(struct conn *c)
{
	const struct settings *settings = frontend_settings(&c->core->frontend);
	struct bufferevent *bev;

	set_log(c);
	if (c->role->implicit_tls) {
		c->phase = CONN_HANDSHAKE;
		if ((int64_t)c->state->count > c->state->protocol->max_connections(settings)) {
			metrics_add(M_REFUSED_CONNECTIONS, 1);
			go_away(c); /* a handshake only to say no would cost more than it gives */
			return;
		}
		begin_handshake(c);
		return;
	}
	bev = bufferevent_socket_new(c->core->frontend.service->base, c->fd,
				     BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	CHECK(bev != NULL);
	c->phase = CONN_OPEN;
	install(c, bev);
	if ((int64_t)c->state->count > c->state->protocol->max_connections(settings)) {
		metrics_add(M_REFUSED_CONNECTIONS, 1);
		log_info(&c->log, "connection refused: max_connections");
		c->state->protocol->refuse(c);
		conn_close(c);
		return;
	}
	open_session(c);
}

/* Will nothing more come? */
static bool
has_ended(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLRDHUP};

	return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

static void
on_proxy_readable(evutil_socket_t fd, short what, void *arg)
{
	struct conn *c = arg;
	char bytes[PROXY_HEADER_MAX];
	struct proxy_header header;
	enum proxy_result result;
	ssize_t got;

	(void)what;
	/* Only looked at: what follows the header is not ours to take. */
	got = recv(fd, bytes, sizeof(bytes), MSG_PEEK);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	result = got > 0 ? proxy_parse(str_of(bytes, (size_t)got), &header) : PROXY_BAD;
	/* The same bytes would wake us at once again, so wait for more of them. */
	if (result == PROXY_MORE && !has_ended(fd)) {
		int low = (int)got + 1;
		setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
		return;
	}
	if (result == PROXY_MORE || result == PROXY_BAD ||
	    recv(fd, bytes, header.length, 0) != (ssize_t)header.length) {
		log_warning(&c->log, "no valid PROXY header");
		go_away(c);
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &(int){1}, sizeof(int));
	event_free(c->raw);
	c->raw = NULL;
	c->deadline_ms = 0;
	if (result == PROXY_ADDRESS) {
		c->peer = header.source;
		c->peer_port = header.source_port;
		c->local = header.destination;
		c->local_port = header.destination_port;
	}
	enter(c);
}

static void
await_proxy(struct conn *c)
{
	c->phase = CONN_PROXY;
	c->raw = event_new(c->core->frontend.service->base, c->fd, EV_READ | EV_PERSIST, on_proxy_readable, c);
	event_add(c->raw, NULL);
	set_deadline(c, PROXY_MS);
}

void
conn_accept(struct core *core, struct protocol_state *state, const struct protocol_listener *listener, int fd,
	    const struct sockaddr *peer)
{
	static uint64_t number;
	struct conn *c = mem_zalloc(sizeof(*c) + state->protocol->session_size);
	const struct ip_blocks *balancers;
	struct sockaddr_storage local;
	socklen_t local_len = sizeof(local);
	int on = 1;

	c->core = core;
	c->state = state;
	c->role = listener;
	c->fd = fd;
	c->refs = 1;
	c->kick = event_new(core->frontend.service->base, -1, 0, on_kick, c);
	c->timer = evtimer_new(core->frontend.service->base, on_timer, c);
	snprintf(c->id, sizeof(c->id), "%llx%05llx", (unsigned long long)(clock_unix_ms() / 1000),
		 (unsigned long long)(++number & 0xfffff));
	DL_APPEND(state->conns, c);
	state->count++;
	count_connection(c, 1);
	ip_from_sockaddr(peer, &c->peer, &c->peer_port);
	if (getsockname(fd, (struct sockaddr *)&local, &local_len) == 0)
		ip_from_sockaddr((struct sockaddr *)&local, &c->local, &c->local_port);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	set_log(c);
	balancers = state->protocol->proxy_protocol_from != NULL
			    ? state->protocol->proxy_protocol_from(frontend_settings(&core->frontend))
			    : NULL;
	if (balancers != NULL && ip_blocks_have(balancers, &c->peer))
		await_proxy(c);
	else
		enter(c);
}

/* ---- The process ends ---- */

void
conns_drain(struct core *core)
{
	unsigned left = 0;

	core->draining = true;
	for (unsigned i = 0; protocols[i] != NULL; i++) {
		struct conn *c;
		DL_FOREACH (core->states[i].conns, c) {
			left++;
			c->drain_asked = true;
			if (c->phase == CONN_OPEN)
				kick(c);
			else if (c->phase < CONN_OPEN)
				conn_abort(c);
		}
	}
	if (left == 0)
		service_drained(core->frontend.service);
}

void
conns_abort(struct core *core)
{
	core->draining = false;
	for (unsigned i = 0; protocols[i] != NULL; i++)
		while (core->states[i].conns != NULL)
			go_away(core->states[i].conns);
}

/* ---- Small things ---- */

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

const struct ip *
conn_local(const struct conn *c)
{
	return &c->local;
}

uint16_t
conn_local_port(const struct conn *c)
{
	return c->local_port;
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
		kick(c);
}

bool
conn_is_paused(const struct conn *c)
{
	return c->paused;
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
		kick(c);
}

/* ---- Compression ---- */

/* What a protocol writes is compressed at the end of the event in hand. */
static void
on_plain_output(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
	(void)buffer;
	if (info->n_added != 0)
		kick(arg);
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
