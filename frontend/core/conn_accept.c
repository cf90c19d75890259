/* How connections begin and end: accepting them (with the balancer's PROXY header, if
 * one is expected), and ending them with the process. */
#include <errno.h>
#include <stdio.h>

#include <utlist.h>

#include "frontend/core/addresses.h"
#include "frontend/core/conn_private.h"
#include "frontend/core/proxy.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { PROXY_MS = 5000 };

static void
set_log(struct conn *c)
{
	ip_text(&c->peer, c->peer_text);
	c->log = (struct log_context){.fields = {F_C("proto", c->role->name), F_C("session", c->id),
						 F_C("peer", c->peer_text), F_I64("port", c->peer_port)}};
}

/* Which limit is exceeded by this connection; NULL: none. Counts it. */
static const char *
enter_limit(struct conn *c)
{
	const struct settings *settings = frontend_settings(&c->core->frontend);
	const struct protocol *p = c->state->protocol;
	int64_t most;
	unsigned count;

	if ((int64_t)c->state->count > p->max_connections(settings))
		return "max_connections";
	if (p->max_per_address == NULL)
		return NULL;
	c->address_counted = true;
	count = addresses_add(&c->state->addresses, &c->peer);
	most = p->max_per_address(settings, &c->peer);
	return most != 0 && (int64_t)count > most ? "max_per_address" : NULL;
}

/* The addresses are known. A connection over the limit is refused; otherwise TLS or
 * the greeting follows. */
static void
conn_accept_enter(struct conn *c)
{
	const char *limit;
	struct bufferevent *bev;

	set_log(c);
	limit = enter_limit(c);
	if (c->role->implicit_tls) {
		c->phase = CONN_HANDSHAKE;
		if (limit != NULL) {
			metrics_add(M_REFUSED_CONNECTIONS, 1);
			log_info(&c->log, "connection refused", F_C("limit", limit));
			conn_go_away(c); /* a handshake only to refuse the client would cost more than it is worth */
			return;
		}
		if (!conn_tls_available(c)) {
			log_warning(&c->log, "connection refused: no certificate is loaded");
			conn_go_away(c);
			return;
		}
		conn_begin_handshake(c);
		return;
	}
	bev = bufferevent_socket_new(c->core->frontend.service->base, c->fd,
				     BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS);
	CHECK(bev != NULL);
	c->phase = CONN_OPEN;
	conn_install(c, bev);
	if (limit != NULL) {
		metrics_add(M_REFUSED_CONNECTIONS, 1);
		log_info(&c->log, "connection refused", F_C("limit", limit));
		c->state->protocol->refuse(c);
		conn_close(c);
		return;
	}
	conn_open_session(c);
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
	/* Only peeked at: what follows the header is not ours to read. */
	got = recv(fd, bytes, sizeof(bytes), MSG_PEEK);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	result = got > 0 ? proxy_parse(str_of(bytes, (size_t)got), &header) : PROXY_BAD;
	/* The same bytes would wake us again at once, so wait for more. */
	if (result == PROXY_MORE && !conn_peer_ended(fd)) {
		int low = (int)got + 1;
		setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &low, sizeof(low));
		return;
	}
	if (result == PROXY_MORE || result == PROXY_BAD ||
	    recv(fd, bytes, header.length, 0) != (ssize_t)header.length) {
		log_warning(&c->log, "no valid PROXY header");
		conn_go_away(c);
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
		c->local_known = true;
	}
	conn_accept_enter(c);
}

static void
await_proxy(struct conn *c)
{
	c->phase = CONN_PROXY;
	c->raw = event_new(c->core->frontend.service->base, c->fd, EV_READ | EV_PERSIST, on_proxy_readable, c);
	event_add(c->raw, NULL);
	conn_set_deadline(c, PROXY_MS);
}

void
conn_accept(struct core *core, struct protocol_state *state, const struct protocol_listener *listener, int fd,
	    const struct sockaddr *peer)
{
	static uint64_t number;
	struct conn *c = mem_zalloc(sizeof(*c) + state->protocol->session_size);
	const struct ip_blocks *balancers;

	c->core = core;
	c->state = state;
	c->role = listener;
	c->fd = fd;
	c->refs = 1;
	c->kick = event_new(core->frontend.service->base, -1, 0, conn_on_kick, c);
	c->timer = evtimer_new(core->frontend.service->base, conn_on_timer, c);
	snprintf(c->id, sizeof(c->id), "%llx%05llx", (unsigned long long)(clock_unix_ms() / 1000),
		 (unsigned long long)(++number & 0xfffff));
	DL_APPEND(state->conns, c);
	state->count++;
	conn_count(c, 1);
	ip_from_sockaddr(peer, &c->peer, &c->peer_port);
	set_log(c);
	balancers = state->protocol->proxy_protocol_from != NULL
			    ? state->protocol->proxy_protocol_from(frontend_settings(&core->frontend))
			    : NULL;
	if (balancers != NULL && ip_blocks_have(balancers, &c->peer))
		await_proxy(c);
	else
		conn_accept_enter(c);
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
				conn_kick(c);
			else if (c->phase < CONN_OPEN || c->phase == CONN_STARTING_TLS)
				conn_abort(c); /* during a handshake nothing can be sent */
			else if (c->phase == CONN_FLUSHING)
				conn_set_deadline(c, LAST_FLUSH_MS);
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
			conn_go_away(core->states[i].conns);
}
