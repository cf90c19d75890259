/* The broker's side of the bus: one ROUTER that frontends, workers and tools
 * connect to. */
#ifndef SP_BUS_SERVER_H
#define SP_BUS_SERVER_H

#include <event2/event.h>

#include "proto/stagepost.pb-c.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct bus_server;

struct bus_server_events {
	/* peer identifies the connection for bus_server_send(). peer and the
	 * frame are borrowed for the call. */
	void (*on_frame)(void *arg, struct str peer, const Stagepost__Frame *frame);
};

/* listen: "tcp://127.0.0.1:*"; the host "*" accepts IPv4 and IPv6. announce_host replaces a wildcard
 * address in the announcement. Without STAGEPOST_CLUSTER_KEY only loopback is allowed (ERR_DENIED). */
struct bus_server *bus_server_new(struct event_base *base, const char *listen, const char *announce_host,
				  const struct bus_server_events *events, void *arg, struct err *err);
void bus_server_free(struct bus_server **s);

const char *bus_server_endpoint(const struct bus_server *s);   /* the address to connect to */
const char *bus_server_public_key(const struct bus_server *s); /* Z85; "" without CURVE */

/* Copies the frame. ERR_LIMIT: the peer's queue is full; ERR_NOT_FOUND: the peer is gone. */
int bus_server_send(struct bus_server *s, struct str peer, const Stagepost__Frame *frame, struct err *err);
int bus_server_send_bytes(struct bus_server *s, struct str peer, struct str bytes, struct err *err);

#endif
