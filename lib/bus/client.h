/* The bus as seen by the programs that talk to brokers: which brokers exist,
 * which of them owns which shard, and requests that reach the right one.
 *
 * Brokers announce themselves in Redis (cluster:broker:<id>: endpoint, CURVE
 * key) and own shards by leases (spool:{N}:lease; the map is also in the hash
 * cluster:shards, shard -> broker id, as a hint). A client connects a DEALER
 * to each and follows joins and leaves. */
#ifndef SP_BUS_CLIENT_H
#define SP_BUS_CLIENT_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "proto/stagepost.pb-c.h"
#include "lib/base/err.h"
#include "lib/base/str.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"

struct bus_client;

/* name: this process's id, seen by the brokers. */
struct bus_client *bus_client_new(struct event_base *base, struct redis *r, struct tracking *t, const char *name,
				  struct err *err);
void bus_client_free(struct bus_client **b);

/* True if at least one broker that owns shards is known. */
bool bus_client_is_ready(const struct bus_client *b);

/* Chooses a shard for a new message, evenly among those with an owner; -1 if
 * there is none. */
int bus_client_pick_shard(struct bus_client *b);

/* Hands a message over to the owner of its id's shard. If no answer comes for 2 s, or the answer
 * is NOT_MINE, looks up the owner again and resends under the same id, for timeout_ms in all, or
 * for 2 s after a broker reported that its store fails. cb is called once; err NULL means that the
 * message is durable. ERR_UNAVAILABLE and ERR_LIMIT (busy): certainly no broker has it.
 * ERR_TIMEOUT: it may be durable (the client must get a 4xx reply, and may send it twice). The
 * envelope is copied. The number and bytes of waiting messages are limited: beyond the limit
 * ERR_UNAVAILABLE comes soon. */
typedef void bus_on_handed_over(void *arg, const struct err *err);
void bus_hand_over(struct bus_client *b, const Stagepost__Envelope *envelope, int64_t timeout_ms,
		   bus_on_handed_over *cb, void *arg);

/* False: the message may be durable, so its body must be kept. */
static inline bool
bus_is_certain(const struct err *err)
{
	return err->code != ERR_TIMEOUT;
}

/* For workers and tools: every broker as a peer. */
struct bus_peer; /* one broker; gone after on_peer_lost */
const char *bus_peer_id(const struct bus_peer *p);
struct bus_events {
	void (*on_peer)(void *arg, struct bus_peer *p); /* connected to a broker */
	void (*on_peer_lost)(void *arg,
			     struct bus_peer *p); /* its announcement expired, or it has not answered pings for 5 s */
	void (*on_frame)(void *arg, struct bus_peer *p, const Stagepost__Frame *frame); /* not a reply to us */
};
void bus_client_watch(struct bus_client *b, const struct bus_events *events, void *arg);
/* Copies the frame. 0, or -1 if the peer's queue is full (ERR_LIMIT). */
int bus_send(struct bus_client *b, struct bus_peer *p, const Stagepost__Frame *frame, struct err *err);
/* The owner of a shard, or NULL if none is known. */
struct bus_peer *bus_client_owner(struct bus_client *b, unsigned shard);

#endif
