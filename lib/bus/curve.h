/* Who may speak on the bus: CURVE with keys that are all made from one secret,
 * STAGEPOST_CLUSTER_KEY, so that there is nothing else to hand round.
 *
 * Without it the bus is open, and so kept to loopback addresses. */
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

/* From STAGEPOST_CLUSTER_KEY; ERR_INVALID when it is shorter than 16 bytes, or the example's placeholder. */
int bus_keys_from_env(struct bus_keys *keys, struct err *err);
/* The same from a given text; empty: not enabled. */
int bus_keys_derive(struct bus_keys *keys, struct str cluster_key, struct err *err);

/* Before bind or connect. */
void bus_keys_arm_server(const struct bus_keys *keys, void *zmq);
void bus_keys_arm_client(const struct bus_keys *keys, void *zmq);

/* May this endpoint ("tcp://127.0.0.1:*") be used with these keys? */
bool bus_keys_allow(const struct bus_keys *keys, const char *endpoint);

/* Admits the cluster's client key only (ZAP, RFC 27), for all sockets of the
 * ZeroMQ context. One a context. */
struct bus_zap;
struct bus_zap *bus_zap_new(struct event_base *base, void *context, const struct bus_keys *keys);
void bus_zap_free(struct bus_zap **z);

#endif
