/* Brokers as peers: connected to, watched by pings, given up. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/lookup.h"
#include "lib/base/mem.h"
#include "lib/bus/client_private.h"
#include "lib/bus/frame.h"

enum {
	FIRST_PING_MS = 4,    /* until a new peer has answered: */
	FIRST_PINGS_MS = 100, /* but only for this long, */
	NEXT_PING_MS = 50,    /* then less often */
	SUSPECT_MS = 2500,    /* silent: gets no new messages */
	LOST_MS = 5000,	      /* silent: given up */
};

bool
bus_peer_is_open(const struct bus_peer *p, int64_t now_ms)
{
	return p->is_heard && !p->draining && now_ms - p->heard_ms < SUSPECT_MS;
}

const char *
bus_peer_id(const struct bus_peer *p)
{
	return p->id;
}

void
bus_peer_drop(struct bus_client *b, struct bus_peer *p, const char *why)
{
	log_info(NULL, "broker lost", F_C("broker", p->id), F_C("reason", why));
	DL_DELETE(b->peers, p);
	for (unsigned i = 0; i < SPOOL_SHARDS_MAX; i++)
		if (b->owners[i] == p)
			b->owners[i] = NULL;
	hand_over_peer_lost(b, p);
	if (p->is_heard && b->events.on_peer_lost != NULL)
		b->events.on_peer_lost(b->events_arg, p);
	lookup_cancel(&p->lookup);
	bus_socket_free(&p->socket);
	mem_free(p);
}

static void
peer_on_pong(struct bus_client *b, struct bus_peer *p, const Stagepost__Pong *pong)
{
	bool changed = !p->is_heard || p->draining != pong->draining;

	p->draining = pong->draining;
	if (!p->is_heard) {
		p->is_heard = true;
		log_info(NULL, "connected to broker", F_C("broker", p->id), F_C("endpoint", p->endpoint));
		if (b->events.on_peer != NULL)
			b->events.on_peer(b->events_arg, p);
	}
	if (changed)
		bus_client_find_open_shards(b);
}

static void
peer_on_message(void *arg, struct str from, struct str payload)
{
	struct bus_peer *p = arg;
	struct bus_client *b = p->client;
	int64_t now_ms = clock_monotonic_ms();
	bool was_suspect = now_ms - p->heard_ms >= SUSPECT_MS;
	struct err err;
	Stagepost__Frame *frame = bus_frame_unpack(payload, &b->arena, &err);

	(void)from;
	p->heard_ms = now_ms;
	if (frame == NULL)
		log_warning(NULL, "bus frame dropped", F_C("broker", p->id), F_ERR(&err));
	else if (frame->body_case == STAGEPOST__FRAME__BODY_PONG)
		peer_on_pong(b, p, frame->pong);
	else if (frame->body_case == STAGEPOST__FRAME__BODY_HAND_OVER_REPLY)
		hand_over_on_reply(b, frame);
	else if (b->events.on_frame != NULL)
		b->events.on_frame(b->events_arg, p, frame);
	if (was_suspect && p->is_heard)
		bus_client_find_open_shards(b);
	arena_reset(&b->arena);
}

static void
peer_ping(struct bus_client *b, struct bus_peer *p)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__Ping ping = STAGEPOST__PING__INIT;

	ping.sent_ms = (uint64_t)clock_unix_ms();
	frame.body_case = STAGEPOST__FRAME__BODY_PING;
	frame.ping = &ping;
	bus_send(b, p, &frame, NULL); /* a full queue appears as silence */
}

/* "tcp://name:port": true, with the name. Addresses and other transports need
 * no lookup. */
static bool
peer_host_name(const struct bus_peer *p, char name[BUS_HOST_MAX], struct str *port_out)
{
	struct str rest = str_c(p->endpoint), host;
	ptrdiff_t colon = str_rindex(rest, ':');
	struct ip ip;

	if (!str_starts(rest, STR("tcp://")) || colon < 6)
		return false;
	host = str_from(str_first(rest, (size_t)colon), 6);
	*port_out = str_from(rest, (size_t)colon + 1);
	return host.len != 0 && host.p[0] != '[' && !ip_parse(host, &ip) && str_copy(host, name, BUS_HOST_MAX);
}

static void
peer_on_address(void *arg, const struct ip *addresses, unsigned count, const struct err *err)
{
	struct bus_peer *p = arg;
	const struct ip *chosen;
	char name[BUS_HOST_MAX], address[IP_TEXT_MAX], endpoint[BUS_HOST_MAX + 32];
	struct str port;

	p->lookup = NULL;
	if (err != NULL) {
		bus_peer_drop(p->client, p, err->text); /* it is added again while it is announced */
		return;
	}
	CHECK(peer_host_name(p, name, &port));
	/* If one address does not answer, the next is tried. */
	chosen = &addresses[p->client->next_address++ % count];
	ip_text(chosen, address);
	snprintf(endpoint, sizeof(endpoint), chosen->family == 6 ? "tcp://[%s]:%.*s" : "tcp://%s:%.*s", address,
		 STR_ARG(port));
	if (zmq_connect(p->zmq, endpoint) != 0)
		bus_peer_drop(p->client, p, zmq_strerror(errno));
}

/* ZeroMQ would look up names on its only thread, which would block all peers
 * while a name server is silent. -1: errno. */
static int
peer_reach(struct bus_peer *p)
{
	char name[BUS_HOST_MAX];
	struct str port;

	if (!peer_host_name(p, name, &port))
		return zmq_connect(p->zmq, p->endpoint);
	p->lookup = lookup_start(p->client->base, name, LOST_MS, peer_on_address, p);
	return 0;
}

void
bus_peer_connect(struct bus_client *b, const char *id, struct str endpoint, struct str boot)
{
	static const struct bus_socket_events events = {.on_message = peer_on_message};
	struct bus_peer *p;
	char routing[BUS_NAME_MAX + 24];
	const int on = 1;
	void *zmq;

	if (endpoint.len == 0 || endpoint.len >= sizeof(p->endpoint))
		return;
	p = mem_new(struct bus_peer);
	p->client = b;
	str_copy(str_c(id), p->id, sizeof(p->id));
	str_copy(endpoint, p->endpoint, sizeof(p->endpoint));
	str_copy(boot, p->boot, sizeof(p->boot));
	p->announced = true;
	p->connected_ms = p->heard_ms = clock_monotonic_ms();
	zmq = zmq_socket(b->context, ZMQ_DEALER);
	CHECK(zmq != NULL);
	bus_socket_limit(zmq);
	CHECK(zmq_setsockopt(zmq, ZMQ_IPV6, &on, sizeof(on)) == 0);
	bus_keys_arm_client(&b->keys, zmq);
	snprintf(routing, sizeof(routing), "%s.%08x", b->name, (unsigned)bus_random_u64());
	CHECK(zmq_setsockopt(zmq, ZMQ_ROUTING_ID, routing, strlen(routing)) == 0);
	p->zmq = zmq;
	if (!bus_keys_allow(&b->keys, p->endpoint) || peer_reach(p) != 0) {
		log_error(NULL, "cannot connect to broker", F_C("broker", id), F_C("endpoint", p->endpoint),
			  F_C("error",
			      b->keys.enabled ? zmq_strerror(errno) : "not on loopback, and no STAGEPOST_CLUSTER_KEY"));
		zmq_close(zmq);
		mem_free(p);
		return;
	}
	p->socket = bus_socket_new(b->base, zmq, &events, p);
	DL_APPEND(b->peers, p);
	bus_client_schedule(b->ping, FIRST_PING_MS);
}

int
bus_send(struct bus_client *b, struct bus_peer *p, const Stagepost__Frame *frame, struct err *err)
{
	buf_clear(&b->out);
	bus_frame_pack(frame, &b->out);
	return bus_socket_send(p->socket, STR_NONE, buf_str(&b->out), err);
}

void
bus_peers_on_ping(evutil_socket_t fd, short what, void *arg)
{
	struct bus_client *b = arg;
	struct bus_peer *p, *next;
	int64_t now_ms = clock_monotonic_ms(), wait_ms = BUS_PING_MS;

	(void)fd, (void)what;
	DL_FOREACH_SAFE (b->peers, p, next) {
		if (now_ms - p->heard_ms > LOST_MS) {
			bus_peer_drop(b, p, "does not answer");
			continue;
		}
		peer_ping(b, p);
		if (!p->is_heard)
			wait_ms = now_ms - p->connected_ms < FIRST_PINGS_MS ? FIRST_PING_MS : NEXT_PING_MS;
	}
	bus_client_find_open_shards(b); /* those that fell silent are closed */
	bus_client_schedule(b->ping, wait_ms);
}
