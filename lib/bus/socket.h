/* A ZeroMQ socket on an event loop.
 *
 * ZeroMQ's descriptor is edge-triggered: it says once that something changed,
 * and every send or receive may swallow that word. So the socket's events are
 * asked for after each of them, and what is left is looked at again by an
 * event of its own, never by waiting for the descriptor. */
#ifndef SP_BUS_SOCKET_H
#define SP_BUS_SOCKET_H

#include <event2/event.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

#define BUS_MESSAGE_MAX (16 * 1024 * 1024) /* bytes of one frame */
#define BUS_HIGH_WATER	4096		   /* messages a peer may have waiting, each way */

struct bus_socket;

struct bus_socket_events {
	/* from: the peer's routing id on a ROUTER, else empty. Both borrowed for
	 * the call, which must not free the socket. */
	void (*on_message)(void *arg, struct str from, struct str payload);
};

/* Takes the ZeroMQ socket (ROUTER or DEALER), bound or connected. */
struct bus_socket *bus_socket_new(struct event_base *base, void *zmq, const struct bus_socket_events *events,
				  void *arg);
void bus_socket_free(struct bus_socket **s);
/* Limits that every socket of the bus has: sizes, queues, heartbeats. Call it
 * before bind or connect. */
void bus_socket_limit(void *zmq);

/* Copies. ERR_LIMIT: the peer's queue is full, or a DEALER has no connection
 * yet; ERR_NOT_FOUND: a ROUTER knows no such peer. */
int bus_socket_send(struct bus_socket *s, struct str to, struct str payload, struct err *err);

#endif
