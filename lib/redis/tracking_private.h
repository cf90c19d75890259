/* Shared by tracking.c and channels.c. */
#ifndef SP_REDIS_TRACKING_PRIVATE_H
#define SP_REDIS_TRACKING_PRIVATE_H

#include <event2/event.h>
#include <stdbool.h>

#include "lib/redis/link.h"
#include "lib/redis/tracking.h"
#include "lib/redis/url.h"

struct prefix_watch;
struct channel;

struct tracking {
	struct event_base *base;
	struct redis_url url;
	struct link *listener; /* owner; NULL: none */
	struct link *control;  /* owner */
	bool listener_up, control_up;
	long long listener_id; /* the server's id of it */
	bool subscribes;       /* the listener accepts SUBSCRIBE */
	bool asked;	       /* for tracking, on this connection */
	bool stands;	       /* the server tracks and sends notices to us */
	bool was_lost;	       /* call on_lost when it is up again */
	bool freeing;
	bool pinged; /* the listener's last PING has not been answered */
	struct event *retry;
	struct event *ping;
	struct event *batch;	 /* the next part of `waiting` is due */
	struct channel *waiting; /* borrowed, by `queued`: not yet subscribed on this connection */
	struct prefix_watch *prefixes;
	struct channel *channels;
};

/* ---- Channels (channels.c) ---- */
/* The listener accepts SUBSCRIBE now: all are subscribed to, part by part. */
void channels_subscribe(struct tracking *t);
/* For tracking->batch: the next part. */
void channels_on_batch(evutil_socket_t fd, short what, void *tracking);
/* The server has accepted a subscription: messages published before were not received. */
void channels_take_confirmation(struct tracking *t, struct str name);
void channels_take_message(struct tracking *t, struct str name, struct str message);
void channels_free(struct tracking *t);

#endif
