/* What viewers watch, once for all of them: the store is asked only while somebody
 * looks. */
#include "frontend/web/live.h"

#include "lib/admin/queue.h"
#include "lib/admin/status.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum {
	LIVE_TICK_MS = 1000,
	LIVE_LOOK_TICKS = 2,	/* status and queue */
	LIVE_POLL_MS = 300,	/* events */
	LIVE_SOON_MS = 50,	/* several settings are often changed together */
	LIVE_HASHES_MAX = 4096, /* bytes of their names; beyond that it is all of them */
	LIVE_DESTINATIONS = 100,
};

/* ---- Status and queue ---- */

static void
live_send_result(struct live *l, enum live_topic topic, const char *name, cJSON *result)
{
	char *text = cJSON_PrintUnformatted(result);

	live_broadcast(l, topic, name, str_c(text));
	cJSON_free(text);
	cJSON_Delete(result);
}

/* What fails is looked at again 2 s later. */
static void
live_on_status(void *arg, cJSON *result, const struct err *err)
{
	struct live *l = arg;

	l->status = NULL;
	if (err == NULL)
		live_send_result(l, LIVE_STATUS, "status", result);
}

static void
live_on_queue(void *arg, cJSON *result, const struct err *err)
{
	struct live *l = arg;

	l->queue = NULL;
	if (err == NULL)
		live_send_result(l, LIVE_QUEUE, "queue", result);
}

static void
live_look(struct live *l)
{
	Stagepost__QueueFilter all;
	struct admin_brokers *brokers;
	struct err err;

	if (l->status == NULL && l->wanted[LIVE_STATUS] != 0)
		l->status = admin_status_brief(&l->web->admin, live_on_status, l);
	if (l->queue != NULL || l->wanted[LIVE_QUEUE] == 0)
		return;
	brokers = web_brokers(l->web, &err);
	if (brokers == NULL)
		return;
	stagepost__queue_filter__init(&all);
	l->queue = admin_queue_summary(brokers, &all, LIVE_DESTINATIONS, live_on_queue, l);
}

/* ---- Events ---- */

static void
live_on_event(void *arg, const struct spool_place *place, struct str json)
{
	live_tell_event(arg, place, json);
}

static void
live_on_round(void *arg, bool is_whole, const struct err *err)
{
	struct live *l = arg;
	struct timeval wait = clock_timeval(LIVE_POLL_MS);

	if (err == NULL && !is_whole)
		spool_follower_read(l->follower);
	else
		event_add(l->poll, &wait);
}

static void
live_on_poll(evutil_socket_t fd, short what, void *arg)
{
	struct live *l = arg;

	(void)fd, (void)what;
	if (l->follower != NULL)
		spool_follower_read(l->follower);
}

/* ---- Settings ---- */

static void
live_on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct live *l = arg;
	struct buf data = BUF_EMPTY;

	(void)fd, (void)what;
	if (l->lost_settings)
		buf_clear(&l->hashes);
	buf_printf(&data, "{\"hashes\":[%s]}", l->hashes.len != 0 ? l->hashes.data : "");
	buf_clear(&l->hashes);
	l->lost_settings = false;
	live_broadcast(l, LIVE_SETTINGS, "settings", buf_str(&data));
	buf_fini(&data);
}

static void
live_announce_settings(struct live *l)
{
	struct timeval soon = clock_timeval(LIVE_SOON_MS);

	if (l->wanted[LIVE_SETTINGS] != 0 && !evtimer_pending(l->soon, NULL))
		event_add(l->soon, &soon);
}

/* "settings:smtp-in:example.com" */
static void
live_on_settings_key(void *arg, struct str key)
{
	struct live *l = arg;
	struct str group, hash;
	struct arena arena;
	cJSON *name;
	char *text;

	if (l->wanted[LIVE_SETTINGS] == 0 || !str_cut(key, ':', &group, &hash))
		return;
	arena_init(&arena);
	name = cJSON_CreateString(arena_str(&arena, hash).p);
	text = cJSON_PrintUnformatted(name);
	cJSON_Delete(name);
	arena_fini(&arena);
	if (l->hashes.len + strlen(text) > LIVE_HASHES_MAX)
		l->lost_settings = true;
	else if (l->hashes.len == 0 || strstr(l->hashes.data, text) == NULL)
		buf_printf(&l->hashes, "%s%s", l->hashes.len != 0 ? "," : "", text);
	cJSON_free(text);
	live_announce_settings(l);
}

static void
live_on_settings_lost(void *arg)
{
	struct live *l = arg;

	l->lost_settings = l->wanted[LIVE_SETTINGS] != 0;
	live_announce_settings(l);
}

/* A watch cannot be taken back, so it begins when it is first wanted. */
static void
live_watch_settings(struct live *l)
{
	if (l->watches_settings)
		return;
	l->watches_settings = true;
	tracking_watch_prefix(l->web->admin.tracking, "settings:", live_on_settings_key, live_on_settings_lost, l);
}

/* ---- Its time ---- */

static void
live_on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct live *l = arg;
	struct timeval again = clock_timeval(LIVE_TICK_MS);

	(void)fd, (void)what;
	event_add(l->tick, &again);
	if (l->ticks++ % LIVE_LOOK_TICKS == 0)
		live_look(l);
	live_tick_viewers(l);
}

void
live_watch(struct live *l, const bool topics[LIVE_TOPIC_COUNT])
{
	l->viewer_count++;
	for (unsigned i = 0; i < LIVE_TOPIC_COUNT; i++)
		l->wanted[i] += topics[i];
	if (topics[LIVE_SETTINGS])
		live_watch_settings(l);
	if (topics[LIVE_EVENTS] && l->follower == NULL) {
		l->follower = spool_follower_new(l->web->admin.redis, NULL, live_on_event, live_on_round, l);
		spool_follower_read(l->follower);
	}
	if (l->viewer_count == 1)
		l->ticks = 0;
	/* Whoever comes sees something at once. */
	if (l->viewer_count == 1)
		event_active(l->tick, EV_TIMEOUT, 0);
	else if (topics[LIVE_STATUS] || topics[LIVE_QUEUE])
		live_look(l);
}

void
live_unwatch(struct live *l, const bool topics[LIVE_TOPIC_COUNT])
{
	CHECK(l->viewer_count != 0);
	l->viewer_count--;
	for (unsigned i = 0; i < LIVE_TOPIC_COUNT; i++)
		l->wanted[i] -= topics[i];
	if (l->wanted[LIVE_EVENTS] == 0)
		spool_follower_free(&l->follower);
	if (l->viewer_count == 0)
		event_del(l->tick);
}

struct live *
live_new(struct web *web)
{
	struct live *l = mem_new(struct live);
	struct event_base *base = web->admin.base;

	l->web = web;
	l->tick = evtimer_new(base, live_on_tick, l);
	l->poll = evtimer_new(base, live_on_poll, l);
	l->soon = evtimer_new(base, live_on_soon, l);
	return l;
}

void
live_free(struct live **live)
{
	struct live *l = *live;

	*live = NULL;
	if (l == NULL)
		return;
	CHECK(l->viewers == NULL);
	spool_follower_free(&l->follower);
	admin_cancel(&l->status);
	admin_cancel(&l->queue);
	event_free(l->tick);
	event_free(l->poll);
	event_free(l->soon);
	buf_fini(&l->hashes);
	mem_free(l);
}
