/* Notices from the store.
 *
 * There are two connections: one only listens (a subscribed RESP2 connection
 * can do nothing else), the other tells the server to track prefixes and to
 * send the notices to the first. If either breaks, both are opened again, and
 * all watchers are told that notices may be lost. */
#include <hiredis/hiredis.h>
#include <utlist.h>

#include "lib/base/buf.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking_private.h"

enum {
	BACKOFF_MS = 200,
	STAND_MS = 4000, /* from connecting until the server tracks */
	PING_MS = 5000,
};

struct prefix_watch {
	char *prefix;
	tracking_on_key *on_key;
	tracking_on_lost *on_lost;
	void *arg;
	struct prefix_watch *next;
};

static void ask_for_tracking(struct tracking *t);
static void drop_connections(struct tracking *t);

/* ---- Notifying watchers ---- */

static void
tell_key(struct tracking *t, struct str key)
{
	struct prefix_watch *w;

	LL_FOREACH (t->prefixes, w)
		if (str_starts(key, str_c(w->prefix)))
			w->on_key(w->arg, key);
}

static void
tell_prefixes_lost(struct tracking *t)
{
	struct prefix_watch *w;

	LL_FOREACH (t->prefixes, w)
		if (w->on_lost != NULL)
			w->on_lost(w->arg);
}

/* ---- Replies of the listener ---- */

static void
tracking_take_message(struct tracking *t, const redisReply *reply)
{
	struct str channel = redis_str(reply->element[1]);
	const redisReply *payload = reply->element[2];

	if (channel.len == 0)
		return;
	if (!str_eq(channel, STR("__redis__:invalidate"))) {
		channels_take_message(t, channel, redis_str(payload));
		return;
	}
	if (payload->type != REDIS_REPLY_ARRAY) {
		tell_prefixes_lost(t); /* FLUSHALL or FLUSHDB */
		return;
	}
	for (size_t i = 0; i < payload->elements; i++)
		tell_key(t, redis_str(payload->element[i]));
}

/* Messages published before this moment were not received. */
static void
take_confirmation(struct tracking *t, struct str channel)
{
	if (channel.len == 0)
		return;
	if (str_eq(channel, STR("__redis__:invalidate"))) {
		if (!t->asked)
			ask_for_tracking(t);
		return;
	}
	channels_take_confirmation(t, channel);
}

static void
take_listener_id(struct tracking *t, const redisReply *reply)
{
	if (reply->type != REDIS_REPLY_INTEGER) {
		drop_connections(t);
		return;
	}
	t->listener_id = reply->integer;
	link_sendf(t->listener, "SUBSCRIBE __redis__:invalidate");
	t->subscribes = true;
	channels_subscribe(t);
}

static void
on_listener_reply(void *arg, const redisReply *reply)
{
	struct tracking *t = arg;

	t->pinged = false;
	if (!t->subscribes) {
		take_listener_id(t, reply);
		return;
	}
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 3)
		return;
	if (str_eq(redis_str(reply->element[0]), STR("message")))
		tracking_take_message(t, reply);
	else if (str_eq(redis_str(reply->element[0]), STR("subscribe")))
		take_confirmation(t, redis_str(reply->element[1]));
}

/* ---- The connections ---- */

static void
drop_connections(struct tracking *t)
{
	struct timeval wait = clock_timeval(BACKOFF_MS);

	if (t->listener == NULL && t->control == NULL)
		return;
	link_free(&t->listener);
	link_free(&t->control);
	if (t->stands)
		t->was_lost = true;
	t->stands = t->subscribes = false;
	event_del(t->ping);
	event_del(t->batch);
	if (!t->freeing)
		event_add(t->retry, &wait);
}

/* If one breaks, the other is closed too. */
static void
tracking_on_down(void *arg, const char *why)
{
	(void)why; /* the command connection has reported it */
	drop_connections(arg);
}

static void
on_control_reply(void *arg, const redisReply *reply)
{
	struct tracking *t = arg;
	struct timeval ping = clock_timeval(PING_MS);

	if (reply->type == REDIS_REPLY_ERROR) {
		log_warning(NULL, "Redis does not track keys", F_STR("error", str_of(reply->str, (size_t)reply->len)));
		drop_connections(t);
		return;
	}
	t->stands = true;
	event_add(t->ping, &ping);
	/* Changes between the loss and now were not reported. */
	if (t->was_lost)
		tell_prefixes_lost(t);
	t->was_lost = false;
}

/* Several watchers may share a prefix; it is sent to the server once. */
static const struct prefix_watch *
first_watch(const struct tracking *t, const char *prefix)
{
	const struct prefix_watch *w;

	LL_FOREACH (t->prefixes, w)
		if (strcmp(w->prefix, prefix) == 0)
			return w;
	return NULL;
}

/* Only once the listener is ready: earlier notices would be lost. */
static void
ask_for_tracking(struct tracking *t)
{
	struct prefix_watch *w;
	struct buf command = BUF_EMPTY;

	t->asked = true;
	buf_printf(&command, "CLIENT TRACKING ON BCAST REDIRECT %lld", t->listener_id);
	LL_FOREACH (t->prefixes, w)
		if (first_watch(t, w->prefix) == w)
			buf_printf(&command, " PREFIX %s", w->prefix);
	link_sendf(t->control, t->prefixes != NULL ? command.data : "PING");
	buf_fini(&command);
}

/* Only once both are up: the second needs the listener's id. */
static void
both_up(struct tracking *t)
{
	if (t->listener_up && t->control_up)
		link_sendf(t->listener, "CLIENT ID");
}

static void
on_listener_up(void *arg)
{
	struct tracking *t = arg;

	t->listener_up = true;
	both_up(t);
}

static void
on_control_up(void *arg)
{
	struct tracking *t = arg;

	t->control_up = true;
	both_up(t);
}

static void
tracking_start(struct tracking *t)
{
	static const struct link_events listener = {on_listener_up, on_listener_reply, tracking_on_down};
	static const struct link_events control = {on_control_up, on_control_reply, tracking_on_down};
	struct timeval limit = clock_timeval(STAND_MS);

	t->listener_up = t->control_up = t->pinged = t->asked = t->subscribes = false;
	t->listener = link_new(t->base, &t->url, &listener, t);
	t->control = link_new(t->base, &t->url, &control, t);
	event_add(t->ping, &limit);
}

static void
tracking_on_retry(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	tracking_start(arg);
}

/* A connection that went silent (a cut cable) must be detected. */
static void
on_ping(evutil_socket_t fd, short what, void *arg)
{
	struct tracking *t = arg;
	struct timeval wait = clock_timeval(PING_MS);

	(void)fd, (void)what;
	if (t->listener == NULL || t->control == NULL)
		return;
	if (!t->stands || t->pinged) {
		drop_connections(t);
		return;
	}
	t->pinged = true;
	link_sendf(t->listener, "SUBSCRIBE __redis__:invalidate");
	event_add(t->ping, &wait);
}

/* ---- Public ---- */

struct tracking *
tracking_new(struct event_base *base, const char *url, struct err *err)
{
	struct tracking *t = mem_new(struct tracking);

	if (redis_url_parse(url, &t->url, err) != 0) {
		mem_free(t);
		return NULL;
	}
	t->base = base;
	t->retry = evtimer_new(base, tracking_on_retry, t);
	t->ping = evtimer_new(base, on_ping, t);
	t->batch = evtimer_new(base, channels_on_batch, t);
	t->was_lost = true; /* changes before it is first up are not reported either */
	/* At the loop's first turn, so that watchers added before that are included. */
	event_active(t->retry, EV_TIMEOUT, 0);
	return t;
}

void
tracking_free(struct tracking **tp)
{
	struct tracking *t = *tp;
	struct prefix_watch *w, *next;

	if (t == NULL)
		return;
	*tp = NULL;
	t->freeing = true;
	drop_connections(t);
	LL_FOREACH_SAFE (t->prefixes, w, next) {
		mem_free(w->prefix);
		mem_free(w);
	}
	channels_free(t);
	event_free(t->retry);
	event_free(t->ping);
	event_free(t->batch);
	mem_free(t);
}

void
tracking_watch_prefix(struct tracking *t, const char *prefix, tracking_on_key *on_key, tracking_on_lost *on_lost,
		      void *arg)
{
	struct prefix_watch *w = mem_new(struct prefix_watch);

	w->prefix = mem_strdup(prefix);
	w->on_key = on_key;
	w->on_lost = on_lost;
	w->arg = arg;
	LL_APPEND(t->prefixes, w);
	/* The server accepts prefixes only all at once. */
	if (t->listener != NULL)
		drop_connections(t);
}
