/* What a viewer is told. It never waits for another: what it does not take in time is
 * left out and counted, and what waits for it is limited. */
#include "frontend/web/live_viewer.h"

#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "lib/base/clock.h"

enum {
	VIEWER_EVENTS_A_SECOND = 100,
	VIEWER_RESUMED_MAX = 1000, /* events from before it came, at any rate */
	VIEWER_CHECK_TICKS = 2,	   /* sessions, places */
	VIEWER_ALIVE_TICKS = 15,
};

/* ---- The end ---- */

void
viewer_leave(struct live_viewer *v)
{
	DL_DELETE(v->live->viewers, v);
	spool_follower_free(&v->behind);
	live_unwatch(v->live, v->topics);
	op_cancel(&v->op);
}

void
viewer_end(struct live_viewer *v, enum viewer_end why)
{
	static const char *const reasons[] = {"session", "time", "shutdown"};
	struct live_viewer last = {.r = v->r, .ws = v->ws};
	char text[40];

	snprintf(text, sizeof(text), "{\"reason\":\"%s\"}", reasons[why]);
	viewer_send(v, "end", NULL, str_c(text));
	viewer_leave(v);
	viewer_close(&last, why);
}

void
live_broadcast(struct live *l, enum live_topic topic, const char *name, struct str data)
{
	struct live_viewer *v;

	/* The next one says more anyway. */
	DL_FOREACH (l->viewers, v)
		if (v->topics[topic] && viewer_may_write(v))
			viewer_send(v, name, NULL, data);
}

/* ---- Events ---- */

static bool
viewer_contains(struct str json, struct str text)
{
	return memmem(json.p, json.len, text.p, text.len) != NULL;
}

static bool
viewer_wants(const struct live_viewer *v, struct str json)
{
	char member[VIEWER_FILTER_MAX + 16];

	if (v->kind != NULL) {
		snprintf(member, sizeof(member), "\"event\":\"%s\"", v->kind);
		if (!viewer_contains(json, str_c(member)))
			return false;
	}
	return v->text == NULL || viewer_contains(json, str_c(v->text));
}

void
live_tell_event(struct live *l, const struct spool_place *place, struct str json)
{
	struct live_viewer *v;

	DL_FOREACH (l->viewers, v) {
		if (!v->topics[LIVE_EVENTS] || v->behind != NULL || !spool_place_is_after(place, &v->told))
			continue;
		v->told = *place;
		if (!viewer_wants(v, json))
			continue;
		if (v->budget == 0 || !viewer_may_write(v)) {
			v->left_out++;
			continue;
		}
		v->budget--;
		viewer_send(v, "event", place, json);
	}
}

/* ---- Behind the others ---- */

static void
viewer_on_event(void *arg, const struct spool_place *place, struct str json)
{
	struct live_viewer *v = arg;

	if (!viewer_wants(v, json))
		return;
	if (v->resumed == VIEWER_RESUMED_MAX) {
		v->left_out++;
		return;
	}
	v->resumed++;
	viewer_send(v, "event", place, json);
}

static void
viewer_catch_up(struct live_viewer *v)
{
	v->waits_for_room = !viewer_may_write(v);
	if (!v->waits_for_room)
		spool_follower_read(v->behind);
}

/* True: it has everything that the others have. */
static bool
viewer_is_in_step(const struct live_viewer *v)
{
	const struct spool_place *others = spool_follower_place(v->live->follower);

	return others->ms != 0 && !spool_place_is_after(others, spool_follower_place(v->behind));
}

static void
viewer_on_round(void *arg, bool is_whole, const struct err *err)
{
	struct live_viewer *v = arg;

	if (err != NULL)
		return; /* again at the next tick */
	if (spool_follower_has_gap(v->behind) && !v->gap_is_told) {
		v->gap_is_told = true;
		viewer_send(v, "gap", NULL, STR("{}"));
	}
	viewer_send_place(v, spool_follower_place(v->behind));
	if (!is_whole) {
		viewer_catch_up(v);
	} else if (viewer_is_in_step(v)) {
		v->told = *spool_follower_place(v->behind);
		spool_follower_free(&v->behind);
	}
}

/* ---- May it still look? ---- */

static void
viewer_on_session(void *arg, const redisReply *reply, const struct err *err)
{
	struct live_viewer *v = arg;

	if (!op_back(&v->op))
		return;
	v->checking = false;
	/* A store that is away ends no session. */
	if (err == NULL && redis_i64(reply, 1) == 0)
		viewer_end(v, VIEWER_SESSION);
}

static bool
viewer_may_look(struct live_viewer *v, const struct directory_user *user)
{
	struct web_identity who = {.role = WEB_ANYBODY};
	struct credential token;
	char mark[WEB_TOKEN_MAX];

	if (user == NULL || !web_read_user(user, &who) || who.role < WEB_SYSTEM_ADMIN)
		return false;
	if (v->token != NULL)
		return credential_get(user, CREDENTIAL_TOKEN, v->token, clock_unix_ms(), &token);
	admin_session_mark(user, mark);
	if (v->mark[0] == '\0')
		str_copy(str_c(mark), v->mark, sizeof(v->mark));
	return strcmp(v->mark, mark) == 0;
}

static void
viewer_take_user(struct live_viewer *v, const struct directory_user *user)
{
	v->checking = false;
	if (!viewer_may_look(v, user)) {
		viewer_end(v, VIEWER_SESSION);
		return;
	}
	if (v->session == NULL)
		return;
	v->checking = true;
	op_hold(&v->op);
	redis_call_key(v->live->web->admin.redis, viewer_on_session, v, "EXISTS", str_c(v->session), 0, NULL);
}

static void
viewer_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct live_viewer *v = arg;

	if (!op_back(&v->op))
		return;
	if (err != NULL)
		v->checking = false;
	else
		viewer_take_user(v, user);
}

static void
viewer_check(struct live_viewer *v)
{
	struct directory_user user;
	bool found;

	if (v->checking)
		return;
	v->checking = true;
	if (directory_get_user(v->live->web->admin.directory, str_c(v->address), &user, &found, viewer_on_user, v))
		viewer_take_user(v, found ? &user : NULL);
	else
		op_hold(&v->op);
}

/* ---- Its time ---- */

static void
viewer_tell_left_out(struct live_viewer *v)
{
	char text[40];

	if (v->left_out == 0 || !viewer_may_write(v))
		return;
	snprintf(text, sizeof(text), "{\"count\":%llu}", (unsigned long long)v->left_out);
	v->left_out = 0;
	viewer_send(v, "left_out", NULL, str_c(text));
}

static void
viewer_tick(struct live_viewer *v)
{
	v->budget = VIEWER_EVENTS_A_SECOND;
	viewer_tell_left_out(v);
	if (v->behind != NULL && !v->waits_for_room)
		viewer_catch_up(v);
	if (v->live->ticks % VIEWER_CHECK_TICKS == 0 && v->topics[LIVE_EVENTS] && v->behind == NULL) {
		if (spool_place_is_after(spool_follower_place(v->live->follower), &v->told))
			v->told = *spool_follower_place(v->live->follower);
		if (viewer_may_write(v))
			viewer_send_place(v, &v->told);
	} else if (v->live->ticks % VIEWER_ALIVE_TICKS == 0 && viewer_may_write(v)) {
		viewer_stay_alive(v);
	}
	if (v->live->ticks % VIEWER_CHECK_TICKS == 0)
		viewer_check(v); /* the last one: it may end the viewer */
}

void
live_tick_viewers(struct live *l)
{
	struct live_viewer *v, *next;

	DL_FOREACH_SAFE (l->viewers, v, next)
		viewer_tick(v);
}

void
viewer_go_on(struct live_viewer *v)
{
	if (v->waits_for_room && v->behind != NULL)
		viewer_catch_up(v);
}

/* ---- Its beginning ---- */

void
viewer_start(struct live_viewer *v, const struct spool_place *from)
{
	struct live *l = v->live;

	v->budget = VIEWER_EVENTS_A_SECOND;
	DL_APPEND(l->viewers, v);
	live_watch(l, v->topics);
	if (v->topics[LIVE_EVENTS]) {
		v->behind = spool_follower_new(l->web->admin.redis, from, viewer_on_event, viewer_on_round, v);
		spool_follower_read(v->behind);
	}
	viewer_check(v); /* may end it */
}
