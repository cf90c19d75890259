/* Authentication on the bus: CURVE with keys that are all derived from one
 * secret, STAGEPOST_CLUSTER_KEY, so that nothing else has to be distributed.
 *
 * Without it the bus is open, and therefore restricted to loopback addresses. */
#ifndef SP_BUS_CURVE_H
#define SP_BUS_CURVE_H

#include <event2/event.h>
#include <stdbool.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

#define BUS_KEY_TEXT 41 /* Z85, with NUL */

struct bus_keys {
	bool enabled;
	char server_public[BUS_KEY_TEXT];
	char server_secret[BUS_KEY_TEXT];
	char client_public[BUS_KEY_TEXT];
	char client_secret[BUS_KEY_TEXT];
};

/* From STAGEPOST_CLUSTER_KEY; ERR_INVALID if it is shorter than 16 bytes, or is the placeholder from the example. */
int bus_keys_from_env(struct bus_keys *keys, struct err *err);
/* The same from a given text; empty: not enabled. */
int bus_keys_derive(struct bus_keys *keys, struct str cluster_key, struct err *err);

/* Call it before bind or connect. */
void bus_keys_arm_server(const struct bus_keys *keys, void *zmq);
void bus_keys_arm_client(const struct bus_keys *keys, void *zmq);

/* True if this endpoint ("tcp://127.0.0.1:*") may be used with these keys. */
bool bus_keys_allow(const struct bus_keys *keys, const char *endpoint);

/* Admits only the cluster's client key (ZAP, RFC 27), for all sockets of the
 * ZeroMQ context. One per context. */
struct bus_zap;
struct bus_zap *bus_zap_new(struct event_base *base, void *context, const struct bus_keys *keys);
void bus_zap_free(struct bus_zap **z);

#endif
