/* The broker's side of the bus. */
#include "lib/bus/server.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

#include "lib/base/check.h"
#include "lib/base/ip.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/curve.h"
#include "lib/bus/frame.h"
#include "lib/bus/socket.h"

struct bus_server {
	void *context;		   /* owner */
	struct bus_socket *socket; /* owner */
	struct bus_zap *zap;	   /* owner; NULL without keys */
	struct bus_keys keys;
	struct bus_server_events events;
	void *arg;
	char endpoint[300];
	struct arena arena; /* for the current frame */
	struct buf out;	    /* for the frame being sent */
};

static void
server_on_message(void *arg, struct str from, struct str payload)
{
	struct bus_server *s = arg;
	struct err err;
	Stagepost__Frame *frame = bus_frame_unpack(payload, &s->arena, &err);

	if (frame == NULL)
		log_warning(NULL, "bus frame dropped", F_STR("peer", from), F_ERR(&err));
	else
		s->events.on_frame(s->arg, from, frame);
	arena_reset(&s->arena);
}

/* An address that means all addresses: nobody can connect to it. "*" covers both families. */
static bool
host_is_wildcard(struct str host)
{
	return str_eq(host, STR("0.0.0.0")) || str_eq(host, STR("[::]")) || str_eq(host, STR("*"));
}

/* The bound endpoint, with a host that others can connect to. */
static void
find_endpoint(struct bus_server *s, void *zmq, const char *announce_host)
{
	char bound[200];
	size_t size = sizeof(bound);
	struct str text, host;
	ptrdiff_t colon;
	struct ip ip;

	CHECK(zmq_getsockopt(zmq, ZMQ_LAST_ENDPOINT, bound, &size) == 0);
	text = str_c(bound);
	colon = str_rindex(text, ':');
	host = str_starts(text, STR("tcp://")) && colon > 6 ? str_from(str_first(text, (size_t)colon), 6) : STR_NONE;
	if (announce_host == NULL || !host_is_wildcard(host))
		snprintf(s->endpoint, sizeof(s->endpoint), "%s", bound);
	else if (ip_parse(str_c(announce_host), &ip) && ip.family == 6)
		snprintf(s->endpoint, sizeof(s->endpoint), "tcp://[%.200s]%s", announce_host, bound + colon);
	else
		snprintf(s->endpoint, sizeof(s->endpoint), "tcp://%.200s%s", announce_host, bound + colon);
}

/* True if sockets for the endpoint must be IPv6, which accepts IPv4 too. */
static bool
endpoint_is_ip6(const char *listen)
{
	return strchr(listen, '[') != NULL || str_starts(str_c(listen), STR("tcp://*:"));
}

static void *
open_router(struct bus_server *s, struct event_base *base, const char *listen, struct err *err)
{
	const int on = 1;
	void *zmq = zmq_socket(s->context, ZMQ_ROUTER);

	CHECK(zmq != NULL);
	bus_socket_limit(zmq);
	if (endpoint_is_ip6(listen))
		CHECK(zmq_setsockopt(zmq, ZMQ_IPV6, &on, sizeof(on)) == 0);
	/* Sending to a peer that is gone or full must fail, and a peer that
	 * reconnects before its old connection is seen to be dead must win. */
	CHECK(zmq_setsockopt(zmq, ZMQ_ROUTER_MANDATORY, &on, sizeof(on)) == 0);
	CHECK(zmq_setsockopt(zmq, ZMQ_ROUTER_HANDOVER, &on, sizeof(on)) == 0);
	bus_keys_arm_server(&s->keys, zmq);
	if (s->keys.enabled)
		s->zap = bus_zap_new(base, s->context, &s->keys);
	if (zmq_bind(zmq, listen) == 0)
		return zmq;
	err_set(err, ERR_IO, "listening on %s: %s", listen, zmq_strerror(errno));
	zmq_close(zmq);
	return NULL;
}

struct bus_server *
bus_server_new(struct event_base *base, const char *listen, const char *announce_host,
	       const struct bus_server_events *events, void *arg, struct err *err)
{
	static const struct bus_socket_events socket_events = {.on_message = server_on_message};
	struct bus_server *s = mem_new(struct bus_server);
	void *zmq = NULL;

	arena_init(&s->arena);
	s->events = *events;
	s->arg = arg;
	s->context = zmq_ctx_new();
	CHECK(s->context != NULL);
	if (bus_keys_from_env(&s->keys, err) != 0)
		;
	else if (!bus_keys_allow(&s->keys, listen))
		err_set(err, ERR_DENIED, "%s is not on loopback: set STAGEPOST_CLUSTER_KEY", listen);
	else
		zmq = open_router(s, base, listen, err);
	if (zmq == NULL) {
		bus_server_free(&s);
		return NULL;
	}
	find_endpoint(s, zmq, announce_host);
	s->socket = bus_socket_new(base, zmq, &socket_events, s);
	return s;
}

void
bus_server_free(struct bus_server **s)
{
	if (*s == NULL)
		return;
	bus_socket_free(&(*s)->socket);
	bus_zap_free(&(*s)->zap);
	zmq_ctx_term((*s)->context);
	arena_fini(&(*s)->arena);
	buf_fini(&(*s)->out);
	mem_free(*s);
	*s = NULL;
}

const char *
bus_server_endpoint(const struct bus_server *s)
{
	return s->endpoint;
}

const char *
bus_server_public_key(const struct bus_server *s)
{
	return s->keys.server_public;
}

int
bus_server_send(struct bus_server *s, struct str peer, const Stagepost__Frame *frame, struct err *err)
{
	buf_clear(&s->out);
	bus_frame_pack(frame, &s->out);
	return bus_socket_send(s->socket, peer, buf_str(&s->out), err);
}

int
bus_server_send_bytes(struct bus_server *s, struct str peer, struct str bytes, struct err *err)
{
	return bus_socket_send(s->socket, peer, bytes, err);
}
