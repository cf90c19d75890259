/* Notices from the store: changed keys (client tracking) and published
 * channels. Both are only wake-ups: what changed is read from the store.
 *
 * Own connections, because RESP2 needs one that subscribes
 * (`CLIENT TRACKING ON BCAST PREFIX ... REDIRECT <id>`). When either breaks,
 * notices may have been lost: on_lost is called once it stands again (and when
 * it stands at first), and the owner must drop what it cached and read anew.
 * Channels are told so one after the other, 5,000 a second, so that a process
 * with many does not read all anew at once. */
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

/* Keys that start with prefix, from now on. Before or after the connection
 * stands. FLUSHALL and FLUSHDB count as lost. prefix may be another one's, but
 * must not overlap with it ("user:" and "user:{a" would). */
void tracking_watch_prefix(struct tracking *t, const char *prefix, tracking_on_key *on_key, tracking_on_lost *on_lost,
			   void *arg);

/* A channel of PUBLISH; several watchers of one channel are allowed. on_lost
 * comes when the server has taken the subscription, too: what was published
 * before was not told. Returns a handle for tracking_unsubscribe(). */
struct tracking_subscription;
struct tracking_subscription *tracking_subscribe(struct tracking *t, struct str channel,
						 tracking_on_message *on_message, tracking_on_lost *on_lost, void *arg);
void tracking_unsubscribe(struct tracking_subscription **s);

#endif
