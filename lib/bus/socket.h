/* A ZeroMQ socket on an event loop.
 *
 * ZeroMQ's descriptor is edge-triggered: it signals once that something
 * changed, and every send or receive may swallow that signal. So the socket's
 * events are queried after each of them, and anything left is handled by a
 * separate event, never by waiting for the descriptor. */
#ifndef SP_BUS_SOCKET_H
#define SP_BUS_SOCKET_H

#include <event2/event.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

#define BUS_MESSAGE_MAX (16 * 1024 * 1024) /* bytes of one frame */
#define BUS_HIGH_WATER	4096		   /* messages that may wait for each peer, in each direction */

struct bus_socket;

struct bus_socket_events {
	/* from: the peer's routing id on a ROUTER, else empty. Both are borrowed
	 * for the call, which must not free the socket. */
	void (*on_message)(void *arg, struct str from, struct str payload);
};

/* Takes over the ZeroMQ socket (ROUTER or DEALER), bound or connected. */
struct bus_socket *bus_socket_new(struct event_base *base, void *zmq, const struct bus_socket_events *events,
				  void *arg);
void bus_socket_free(struct bus_socket **s);
/* Sets the limits that all sockets of the bus have: sizes, queues, heartbeats.
 * Call it before bind or connect. */
void bus_socket_limit(void *zmq);

/* Copies the payload. ERR_LIMIT: the peer's queue is full, or a DEALER has no
 * connection yet; ERR_NOT_FOUND: a ROUTER knows no such peer. */
int bus_socket_send(struct bus_socket *s, struct str to, struct str payload, struct err *err);

#endif
