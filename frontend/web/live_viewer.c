/* A viewer of the live stream. It never waits for another: what it does not take in
 * time is left out and counted, and what waits for it is limited. */
#include <stdio.h>
#include <string.h>
#include <utlist.h>

#include "frontend/web/live.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/base/op.h"

enum {
	VIEWER_EVENTS_A_SECOND = 100,
	VIEWER_RESUMED_MAX = 1000, /* events from before it came, at any rate */
	VIEWER_SINCE_MAX_S = 24 * 60 * 60,
	VIEWER_CHECK_TICKS = 2,	 /* sessions, places */
	VIEWER_ALIVE_TICKS = 15, /* balancers close what is silent */
	VIEWER_FILTER_MAX = 200,
};

static const char *const topic_names[LIVE_TOPIC_COUNT] = {"events", "queue", "status", "settings"};

/* Small, as there may be many; the request's arena is freed (http_stay()). */
struct live_viewer {
	struct op op; /* answers due; it is freed with the last one */
	struct live_viewer *prev, *next;
	struct http_request *r;
	struct live *live;
	bool topics[LIVE_TOPIC_COUNT];
	char *kind, *text; /* owner: of events; NULL: any */
	unsigned budget;   /* events in this second */
	unsigned resumed;  /* events that it has got while it was behind */
	uint64_t left_out;
	bool gap_is_told, waits_for_room, checking;
	char *address;		       /* owner: of the account */
	char *session;		       /* owner: its key; NULL: it did not come with a cookie */
	char *token;		       /* owner: the id of the token that it came with; NULL: none */
	char mark[WEB_TOKEN_MAX];      /* of the account's record; empty: not yet known */
	struct spool_follower *behind; /* owner: until it has caught up with the others */
	struct spool_place told;       /* not behind: all events up to there */
};

static void viewer_on_round(void *arg, bool is_whole, const struct err *err);

/* ---- Sending ---- */

static void
viewer_send(struct live_viewer *v, const char *name, const struct spool_place *id, struct str data)
{
	struct buf out = BUF_EMPTY;
	char text[SPOOL_PLACE_MAX];

	if (id != NULL) {
		spool_place_text(id, text);
		buf_printf(&out, "id: %s\n", text);
	}
	buf_printf(&out, "event: %s\ndata: ", name);
	buf_add_str(&out, data);
	buf_add_c(&out, "\n\n");
	http_write(v->r, buf_str(&out));
	buf_fini(&out);
}

/* No message for the page, but where it goes on if the stream breaks. */
static void
viewer_send_place(struct live_viewer *v, const struct spool_place *place)
{
	char text[SPOOL_PLACE_MAX];
	struct buf out = BUF_EMPTY;

	spool_place_text(place, text);
	buf_printf(&out, "id: %s\n\n", text);
	http_write(v->r, buf_str(&out));
	buf_fini(&out);
}

static void
viewer_leave(struct live_viewer *v)
{
	DL_DELETE(v->live->viewers, v);
	spool_follower_free(&v->behind);
	live_unwatch(v->live, v->topics);
	op_cancel(&v->op);
}

static void
viewer_end(struct live_viewer *v, const char *reason)
{
	struct http_request *r = v->r;
	char text[40];

	snprintf(text, sizeof(text), "{\"reason\":\"%s\"}", reason);
	viewer_send(v, "end", NULL, str_c(text));
	viewer_leave(v);
	http_finish(r);
}

void
live_broadcast(struct live *l, enum live_topic topic, const char *name, struct str data)
{
	struct live_viewer *v;

	/* The next one says more anyway. */
	DL_FOREACH (l->viewers, v)
		if (v->topics[topic] && http_may_write(v->r))
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
		if (v->budget == 0 || !http_may_write(v->r)) {
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
	v->waits_for_room = !http_may_write(v->r);
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
		viewer_end(v, "session");
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
		viewer_end(v, "session");
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

	if (v->left_out == 0 || !http_may_write(v->r))
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
		if (http_may_write(v->r))
			viewer_send_place(v, &v->told);
	} else if (v->live->ticks % VIEWER_ALIVE_TICKS == 0 && http_may_write(v->r)) {
		http_write(v->r, STR(":\n\n"));
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

static void
viewer_on_room(struct http_request *r)
{
	struct live_viewer *v = http_state(r);

	if (v->waits_for_room && v->behind != NULL)
		viewer_catch_up(v);
}

static void
viewer_on_time(struct http_request *r)
{
	viewer_end(http_state(r), "time");
}

static void
viewer_on_shutdown(struct http_request *r)
{
	viewer_end(http_state(r), "shutdown");
}

static void
viewer_on_gone(struct http_request *r)
{
	viewer_leave(http_state(r));
}

static const struct http_handler viewer_handler = {.on_room = viewer_on_room,
						   .on_time = viewer_on_time,
						   .on_shutdown = viewer_on_shutdown,
						   .on_gone = viewer_on_gone};

/* ---- Its beginning ---- */

static void
viewer_free(struct op *op)
{
	struct live_viewer *v = OP_OWNER(op, struct live_viewer, op);

	mem_free(v->kind);
	mem_free(v->text);
	mem_free(v->address);
	mem_free(v->session);
	mem_free(v->token);
	mem_free(v);
}

/* "events,queue"; none: all. False: refused. */
static bool
viewer_take_topics(struct live_viewer *v, struct web_request *w)
{
	struct str list, word;
	unsigned i;

	if (!http_parameter(w->r, STR("topics"), &list)) {
		for (i = 0; i < LIVE_TOPIC_COUNT; i++)
			v->topics[i] = true;
		return true;
	}
	while (str_next_word(&list, ",", &word)) {
		for (i = 0; i < LIVE_TOPIC_COUNT && !str_eq(word, str_c(topic_names[i])); i++)
			;
		if (i == LIVE_TOPIC_COUNT) {
			web_refuse(w, 422, "topics are events, queue, status and settings");
			return false;
		}
		v->topics[i] = true;
	}
	return true;
}

/* False: refused. */
static bool
viewer_take_filter(struct web_request *w, const char *name, char **out)
{
	struct str value;

	if (!http_parameter(w->r, str_c(name), &value) || value.len == 0)
		return true;
	if (value.len > VIEWER_FILTER_MAX) {
		web_refuse(w, 422, "%s is at most %d bytes", name, VIEWER_FILTER_MAX);
		return false;
	}
	*out = str_dup(value);
	return true;
}

/* Where it begins: behind the last event that it has, or some time ago, or now (false).
 * A place that makes no sense is that of another server: begin now. */
static bool
viewer_begins_at(struct http_request *r, struct spool_place *out)
{
	struct str text = http_field(r, STR("Last-Event-ID"));
	uint64_t since_s;

	if (text.len != 0 || http_parameter(r, STR("after"), &text))
		return spool_place_parse(text, out);
	if (!http_parameter(r, STR("since"), &text) || !str_to_u64(text, &since_s))
		return false;
	if (since_s > VIEWER_SINCE_MAX_S)
		since_s = VIEWER_SINCE_MAX_S;
	*out = spool_place_before((uint64_t)clock_unix_ms() - since_s * 1000);
	return true;
}

static void
viewer_begin_answer(struct http_request *r)
{
	http_begin(r, 200, "text/event-stream; charset=utf-8", HTTP_CHUNKED);
	http_add_header(r, "Cache-Control", STR("no-store"));
	http_add_header(r, "X-Content-Type-Options", STR("nosniff"));
	http_add_header(r, "X-Accel-Buffering", STR("no")); /* nginx would collect what it gets */
}

static void
viewer_say_hello(struct live_viewer *v)
{
	cJSON *hello = cJSON_CreateObject();
	char *text;

	cJSON_AddStringToObject(hello, "process", v->live->web->frontend->service->id);
	text = cJSON_PrintUnformatted(hello);
	http_write(v->r, STR("retry: 1000\n"));
	viewer_send(v, "hello", NULL, str_c(text));
	cJSON_free(text);
	cJSON_Delete(hello);
}

static void
viewer_enter(struct live_viewer *v, const struct web_request *w)
{
	struct live *l = v->live;
	struct spool_place from;
	bool has_place = viewer_begins_at(v->r, &from);

	v->address = str_dup(str_c(w->who.address));
	if (w->who.by_cookie)
		v->session = str_dup(admin_session_key(http_arena(v->r), str_c(w->who.session)));
	if (w->who.token_id[0] != '\0')
		v->token = str_dup(str_c(w->who.token_id));
	v->budget = VIEWER_EVENTS_A_SECOND;
	viewer_begin_answer(v->r);
	viewer_say_hello(v);
	DL_APPEND(l->viewers, v);
	http_stay(v->r, &viewer_handler, v); /* w is gone */
	http_park(v->r, INT64_MAX);
	live_watch(l, v->topics);
	if (v->topics[LIVE_EVENTS]) {
		v->behind = spool_follower_new(l->web->admin.redis, has_place ? &from : NULL, viewer_on_event,
					       viewer_on_round, v);
		spool_follower_read(v->behind);
	}
	viewer_check(v); /* may end it */
}

void
web_live(struct web_request *w)
{
	const struct settings_http *http = settings_http(frontend_settings(w->web->frontend), STR_NONE);
	struct live_viewer *v;

	if (w->web->live->viewer_count >= (unsigned)http->live_viewers) {
		web_refuse(w, 503, "too many are watching through this frontend; try again later");
		return;
	}
	v = mem_new(struct live_viewer);
	op_init(&v->op, viewer_free);
	v->r = w->r;
	v->live = w->web->live;
	if (!viewer_take_topics(v, w) || !viewer_take_filter(w, "event", &v->kind) ||
	    !viewer_take_filter(w, "text", &v->text)) {
		op_cancel(&v->op);
	} else if (http_head(w->r)->method == HTTP_HEAD) {
		op_cancel(&v->op);
		viewer_begin_answer(w->r);
		http_finish(w->r);
	} else {
		viewer_enter(v, w);
	}
}
