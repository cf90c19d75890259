/* Published channels that somebody listens to, each with its watchers. */
#include <uthash.h>
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/tracking_private.h"

enum {
	/* After a loss all channels are subscribed to again, and each watcher reads
	 * again when its channel is confirmed: this many at a time. */
	CHANNELS_BATCH = 500,
	CHANNELS_BATCH_MS = 100,
};

struct tracking_subscription {
	struct tracking *tracking; /* borrowed */
	struct channel *channel;   /* borrowed */
	tracking_on_message *on_message;
	tracking_on_lost *on_lost;
	void *arg;
	bool gone; /* unsubscribed while its watchers were being called */
	struct tracking_subscription *prev, *next;
};

struct channel {
	char *name;
	struct tracking_subscription *subscriptions;
	unsigned busy; /* watchers are being called: nothing is freed */
	bool in_force; /* the server has confirmed it */
	bool queued;   /* in tracking->waiting */
	struct channel *prev, *next;
	UT_hash_handle hh;
};

/* ---- Telling watchers ---- */

static void
channel_free_if_empty(struct tracking *t, struct channel *c)
{
	struct tracking_subscription *s, *next;

	if (c->busy != 0)
		return;
	DL_FOREACH_SAFE (c->subscriptions, s, next)
		if (s->gone) {
			DL_DELETE(c->subscriptions, s);
			mem_free(s);
		}
	if (c->subscriptions != NULL)
		return;
	if (c->queued)
		DL_DELETE(t->waiting, c);
	else if (t->listener != NULL && t->subscribes && !t->freeing)
		link_sendf(t->listener, "UNSUBSCRIBE %s", c->name);
	HASH_DEL(t->channels, c);
	mem_free(c->name);
	mem_free(c);
}

/* message NULL: notices were lost. */
static void
channel_tell(struct tracking *t, struct channel *c, const struct str *message)
{
	struct tracking_subscription *s;

	c->busy++;
	DL_FOREACH (c->subscriptions, s) {
		if (s->gone)
			continue;
		if (message != NULL)
			s->on_message(s->arg, str_c(c->name), *message);
		else if (s->on_lost != NULL)
			s->on_lost(s->arg);
	}
	c->busy--;
	channel_free_if_empty(t, c);
}

void
channels_take_message(struct tracking *t, struct str name, struct str message)
{
	struct channel *c;

	HASH_FIND(hh, t->channels, name.p, name.len, c);
	if (c != NULL)
		channel_tell(t, c, &message);
}

void
channels_take_confirmation(struct tracking *t, struct str name)
{
	struct channel *c;

	HASH_FIND(hh, t->channels, name.p, name.len, c);
	if (c == NULL || c->in_force)
		return;
	c->in_force = true;
	channel_tell(t, c, NULL);
}

/* ---- Subscribing to them again ---- */

/* Subscribes to the next part of the waiting channels. */
static void
channels_subscribe_some(struct tracking *t)
{
	struct timeval wait = clock_timeval(CHANNELS_BATCH_MS);

	for (unsigned i = 0; i < CHANNELS_BATCH && t->waiting != NULL; i++) {
		struct channel *c = t->waiting;
		DL_DELETE(t->waiting, c);
		c->queued = false;
		link_sendf(t->listener, "SUBSCRIBE %s", c->name);
	}
	if (t->waiting != NULL)
		event_add(t->batch, &wait);
}

void
channels_on_batch(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	channels_subscribe_some(arg);
}

void
channels_subscribe(struct tracking *t)
{
	struct channel *c, *next;

	HASH_ITER (hh, t->channels, c, next) {
		c->in_force = false;
		if (!c->queued)
			DL_APPEND(t->waiting, c);
		c->queued = true;
	}
	channels_subscribe_some(t);
}

void
channels_free(struct tracking *t)
{
	while (t->channels != NULL) {
		struct channel *c = t->channels;
		struct tracking_subscription *s;
		DL_FOREACH (c->subscriptions, s)
			s->gone = true;
		c->busy = 0;
		channel_free_if_empty(t, c);
	}
}

/* ---- Public ---- */

struct tracking_subscription *
tracking_subscribe(struct tracking *t, struct str channel, tracking_on_message *on_message, tracking_on_lost *on_lost,
		   void *arg)
{
	struct tracking_subscription *s = mem_new(struct tracking_subscription);
	struct channel *c;

	HASH_FIND(hh, t->channels, channel.p, channel.len, c);
	if (c == NULL) {
		c = mem_new(struct channel);
		c->name = str_dup(channel);
		HASH_ADD_KEYPTR(hh, t->channels, c->name, channel.len, c);
		if (t->listener != NULL && t->subscribes)
			link_sendf(t->listener, "SUBSCRIBE %s", c->name);
	}
	s->tracking = t;
	s->channel = c;
	s->on_message = on_message;
	s->on_lost = on_lost;
	s->arg = arg;
	DL_APPEND(c->subscriptions, s);
	return s;
}

void
tracking_unsubscribe(struct tracking_subscription **sp)
{
	struct tracking_subscription *s = *sp;

	if (s == NULL)
		return;
	*sp = NULL;
	s->gone = true;
	channel_free_if_empty(s->tracking, s->channel);
}
