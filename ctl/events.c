/* The command events: what happens to messages, as JSON lines, from the streams
 * that the brokers write with every change of the spool. They are kept even if
 * nobody listens; a late reader finds the newest of them. A named reader
 * continues where it stopped: its positions are in the store, and are set only
 * after the lines are printed, so that none is missed and at most a page is
 * repeated. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/commands.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/spool/spool.h"

enum { PAGE_EVENTS = 500, POLL_MS = 200, CURSOR_MAX = 48 };

struct line {
	uint64_t ms, number; /* the event's id in its stream */
	unsigned shard;
	char *json; /* owner */
};

struct stream {
	char after[CURSOR_MAX]; /* id of the last printed event */
	char saved[CURSOR_MAX]; /* of a named reader: the stored position */
	bool full;		/* there may be more after the page */
	uint64_t last_ms;	/* of the page */
};

struct events {
	struct ctl *ctl;
	struct stream *streams; /* owner */
	unsigned count;
	unsigned due; /* answers */
	bool failed;
	struct line *lines; /* owner: of this round */
	size_t line_count, line_room;
	const char *id, *kind; /* filters; NULL: any */
	const char *reader;    /* NULL: none */
};

/* ---- A round: a page of each stream ---- */
struct page_wait {
	struct events *events;
	unsigned shard;
};

static void
take_line(struct events *e, unsigned shard, const struct spool_event *event)
{
	struct str ms, number;
	struct line *l;

	if (e->line_count == e->line_room) {
		e->line_room = e->line_room == 0 ? 1024 : e->line_room * 2;
		e->lines = mem_realloc(e->lines, e->line_room * sizeof(*e->lines));
	}
	l = &e->lines[e->line_count];
	*l = (struct line){.shard = shard};
	if (!str_cut(event->id, '-', &ms, &number) || !str_to_u64(ms, &l->ms) || !str_to_u64(number, &l->number))
		return;
	l->json = str_dup(event->json);
	e->line_count++;
}

static void
events_on_page(void *arg, const struct spool_event *events, size_t count, const struct err *err)
{
	struct page_wait w = *(struct page_wait *)arg;
	struct stream *s = &w.events->streams[w.shard];

	mem_free(arg);
	w.events->due--;
	w.events->failed |= err != NULL;
	s->full = count == PAGE_EVENTS;
	for (size_t i = 0; i < count; i++)
		take_line(w.events, w.shard, &events[i]);
	if (count != 0)
		s->last_ms = w.events->lines[w.events->line_count - 1].ms;
}

static void
events_turn(struct ctl *ctl, int64_t ms)
{
	struct timeval tv = clock_timeval(ms);

	event_base_loopexit(ctl->base, &tv);
	event_base_loop(ctl->base, EVLOOP_ONCE);
}

static void
read_round(struct events *e)
{
	e->failed = false;
	e->line_count = 0;
	for (unsigned i = 0; i < e->count; i++) {
		struct page_wait *w = mem_new(struct page_wait);
		*w = (struct page_wait){.events = e, .shard = i};
		e->due++;
		spool_read_events(e->ctl->redis, i, e->streams[i].after, PAGE_EVENTS, events_on_page, w);
	}
	while (e->due != 0)
		events_turn(e->ctl, 20);
}

/* ---- Printing ---- */
static int
by_time(const void *a, const void *b)
{
	const struct line *x = a, *y = b;

	if (x->ms != y->ms)
		return x->ms < y->ms ? -1 : 1;
	if (x->shard != y->shard)
		return x->shard < y->shard ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static bool
has_member(const char *json, const char *name, const char *value)
{
	char text[200];

	snprintf(text, sizeof(text), "\"%s\":\"%s\"", name, value);
	return value == NULL || strstr(json, text) != NULL;
}

/* The object, with the position from which to continue. */
static void
print_line(const struct events *e, const struct line *l)
{
	size_t len = strlen(l->json);

	if (len < 2 || l->json[len - 1] != '}' || (e->id != NULL && !has_member(l->json, "id", e->id)) ||
	    (e->kind != NULL && !has_member(l->json, "event", e->kind)))
		return;
	printf("%.*s,\"cursor\":%llu}\n", (int)(len - 1), l->json, (unsigned long long)l->ms);
}

/* Prints in order of time, up to the point that all streams have reached; false: there was nothing. */
static bool
print_round(struct events *e)
{
	uint64_t until_ms = UINT64_MAX;
	bool any = false;

	for (unsigned i = 0; i < e->count; i++)
		if (e->streams[i].full && e->streams[i].last_ms < until_ms)
			until_ms = e->streams[i].last_ms;
	if (e->line_count > 1)
		qsort(e->lines, e->line_count, sizeof(*e->lines), by_time);
	for (size_t i = 0; i < e->line_count; i++) {
		struct line *l = &e->lines[i];
		if (l->ms <= until_ms) {
			print_line(e, l);
			snprintf(e->streams[l->shard].after, CURSOR_MAX, "%llu-%llu", (unsigned long long)l->ms,
				 (unsigned long long)l->number);
			any = true;
		}
		mem_free(l->json);
	}
	return any;
}

/* ---- Positions of a named reader ---- */
enum { READER_NAME_MAX = 64, READER_KEY_MAX = READER_NAME_MAX + 20 };

static void
reader_key(const struct events *e, char out[READER_KEY_MAX])
{
	redis_key_print(out, READER_KEY_MAX, KEY_EVENTS_READER, str_c(e->reader));
}

static bool
reader_name_is_good(const char *name)
{
	size_t len = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.");
	return len != 0 && len <= READER_NAME_MAX && name[len] == '\0';
}

/* Events that were removed to make room before they were read are reported. */
static void
tell_gap(struct events *e, unsigned shard)
{
	const char *key =
		redis_key(&e->ctl->arena, KEY_SPOOL_EVENTS, str_c(arena_printf(&e->ctl->arena, "%u", shard))).p;
	redisReply *reply;
	struct str first;
	struct err err;

	reply = ctl_redis(e->ctl, &err, "XRANGE", key, "-", e->streams[shard].after, "COUNT", "1", NULL);
	if (reply == NULL)
		return;
	first = reply->elements == 1 && reply->element[0]->elements == 2 ? redis_str(reply->element[0]->element[0])
									 : STR_NONE;
	if (first.len == 0)
		printf("{\"event\":\"trimmed\",\"shard\":%u,\"after\":\"%s\"}\n", shard, e->streams[shard].after);
	freeReplyObject(reply);
}

static int
read_places(struct events *e)
{
	char key[READER_KEY_MAX];
	redisReply *reply;
	struct err err;

	reader_key(e, key);
	reply = ctl_redis(e->ctl, &err, "HGETALL", key, NULL);
	if (reply == NULL)
		return ctl_fail("%s", err.text);
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		uint64_t shard;
		struct stream *s;
		if (!str_to_u64(redis_str(reply->element[i]), &shard) || shard >= e->count)
			continue;
		s = &e->streams[shard];
		str_copy(redis_str(reply->element[i + 1]), s->after, CURSOR_MAX);
		str_copy(redis_str(reply->element[i + 1]), s->saved, CURSOR_MAX);
		tell_gap(e, (unsigned)shard);
	}
	freeReplyObject(reply);
	return 0;
}

/* All lines so far are printed; if that is uncertain they are printed again. */
static void
save_places(struct events *e)
{
	char key[READER_KEY_MAX], shard[12];

	if (e->reader == NULL || fflush(stdout) != 0)
		return;
	reader_key(e, key);
	for (unsigned i = 0; i < e->count; i++) {
		struct stream *s = &e->streams[i];
		redisReply *reply;
		if (strcmp(s->after, s->saved) == 0)
			continue;
		snprintf(shard, sizeof(shard), "%u", i);
		reply = ctl_redis(e->ctl, NULL, "HSET", key, shard, s->after, NULL);
		if (reply == NULL)
			return;
		freeReplyObject(reply);
		str_copy(str_c(s->after), s->saved, CURSOR_MAX);
	}
}

/* ---- The command ---- */
struct count_wait {
	struct ctl_wait wait;
	int64_t count;
};

static void
on_count(void *arg, int64_t count, const struct err *err)
{
	struct count_wait *w = arg;

	w->count = count;
	ctl_wait_end(&w->wait, err);
}

static int
open_streams(struct events *e, int64_t from_ms)
{
	struct count_wait shards = {.wait = CTL_WAIT};

	spool_read_shard_count(e->ctl->redis, on_count, &shards);
	if (ctl_wait(e->ctl, &shards.wait) != 0)
		return ctl_fail("%s", shards.wait.err.text);
	e->count = (unsigned)shards.count;
	e->streams = mem_zalloc((e->count + 1) * sizeof(*e->streams));
	for (unsigned i = 0; i < e->count; i++) {
		snprintf(e->streams[i].after, CURSOR_MAX, "%lld-0", (long long)(from_ms > 0 ? from_ms - 1 : 0));
		str_copy(str_c(e->streams[i].after), e->streams[i].saved, CURSOR_MAX);
	}
	return e->reader != NULL ? read_places(e) : 0;
}

/* By the store's clock, which determined the events' positions. */
static int
read_now(struct ctl *ctl, int64_t *now_ms_out)
{
	struct err err;
	redisReply *reply;

	if (ctl_connect(ctl, &err) != 0 || (reply = ctl_redis(ctl, &err, "TIME", NULL)) == NULL)
		return ctl_fail("%s", err.text);
	*now_ms_out = reply->elements == 2
			      ? redis_i64(reply->element[0], 0) * 1000 + redis_i64(reply->element[1], 0) / 1000
			      : 0;
	freeReplyObject(reply);
	return 0;
}

/* A duration, or the cursor of a line. */
static int
take_since(const char *text, int64_t now_ms, int64_t *from_ms_out)
{
	uint64_t cursor;
	int64_t age_ms;

	if (strlen(text) >= 12 && str_to_u64(str_c(text), &cursor) && cursor < INT64_MAX) {
		*from_ms_out = (int64_t)cursor;
		return 0;
	}
	if (ctl_duration("--since", text, &age_ms) != 0)
		return 1;
	*from_ms_out = now_ms - age_ms;
	return 0;
}

static void
events_follow(struct events *e)
{
	/* A store that is away comes back; the streams continue from where they were. */
	while (!ferror(stdout)) {
		bool any;
		read_round(e);
		any = print_round(e);
		if (any)
			save_places(e);
		if (!any || e->failed) {
			fflush(stdout);
			for (int64_t until = clock_monotonic_ms() + POLL_MS; clock_monotonic_ms() < until;)
				events_turn(e->ctl, POLL_MS);
		}
	}
}

int
command_events(struct ctl *ctl, int argc, char **argv)
{
	struct events e = {.ctl = ctl};
	const char *since = NULL;
	bool go_on = ctl_take_flag(&argc, argv, "--follow");
	int64_t now_ms = 0, from_ms;
	int status = 0;

	if (ctl_take_option(&argc, argv, "--since", &since) != 0 || ctl_take_option(&argc, argv, "--id", &e.id) != 0 ||
	    ctl_take_option(&argc, argv, "--event", &e.kind) != 0 ||
	    ctl_take_option(&argc, argv, "--reader", &e.reader) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("events");
	if (e.reader != NULL && !reader_name_is_good(e.reader))
		return ctl_fail("the name of a reader may have letters, digits, '-', '_' and '.', at most %d",
				READER_NAME_MAX);
	if (read_now(ctl, &now_ms) != 0)
		return 1;
	/* A new reader starts with everything that is kept. */
	from_ms = go_on && e.reader == NULL ? now_ms : 0;
	if (since != NULL && take_since(since, now_ms, &from_ms) != 0)
		return 1;
	if (open_streams(&e, from_ms) != 0)
		return 1;
	if (go_on)
		events_follow(&e);
	else {
		for (bool any = true; any && !e.failed;) {
			read_round(&e);
			any = print_round(&e);
			save_places(&e);
		}
		status = e.failed ? ctl_fail("the store did not answer") : 0;
	}
	mem_free(e.lines);
	mem_free(e.streams);
	return status;
}
