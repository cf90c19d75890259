/* Notices from the store: changed keys (client tracking) and published
 * channels. Both are only wake-ups: what changed is read from the store.
 *
 * It has its own connections, because RESP2 needs one that subscribes (`CLIENT
 * TRACKING ON BCAST PREFIX ... REDIRECT <id>`). When either breaks, notices may
 * have been lost: on_lost is called once it is up again (and when it is first
 * up), and the owner must drop what it cached and read again. Channels are
 * notified one after the other, 5,000 per second, so that a process with many
 * of them does not read everything at once. */
#ifndef SP_REDIS_TRACKING_H
#define SP_REDIS_TRACKING_H

#include <event2/event.h>

#include "lib/base/err.h"
#include "lib/base/str.h"

struct tracking;

typedef void tracking_on_key(void *arg, struct str key);
typedef void tracking_on_message(void *arg, struct str channel, struct str payload);
typedef void tracking_on_lost(void *arg);

struct tracking *tracking_new(struct event_base *base, const char *url, struct err *err);
void tracking_free(struct tracking **t);

/* Watches keys that start with prefix, from now on. May be called before or
 * after the connection is up. FLUSHALL and FLUSHDB count as lost. The prefix
 * may equal that of another watcher, but must not overlap with it ("user:" and
 * "user:{a" would). */
void tracking_watch_prefix(struct tracking *t, const char *prefix, tracking_on_key *on_key, tracking_on_lost *on_lost,
			   void *arg);

/* Subscribes to a channel of PUBLISH; several watchers of one channel are
 * allowed. on_lost is also called when the server has accepted the
 * subscription: earlier messages were not received. Returns a handle for
 * tracking_unsubscribe(). */
struct tracking_subscription;
struct tracking_subscription *tracking_subscribe(struct tracking *t, struct str channel,
						 tracking_on_message *on_message, tracking_on_lost *on_lost, void *arg);
void tracking_unsubscribe(struct tracking_subscription **s);

#endif
