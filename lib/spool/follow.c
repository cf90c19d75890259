#include "lib/spool/follow.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/base/op.h"
#include "lib/spool/keys.h"
#include "lib/spool/spool.h"

struct follow_line {
	struct spool_place place;
	struct str json; /* in the arena */
};

struct follow_shard {
	struct spool_follower *follower;
	uint32_t index;
	struct follow_line *lines; /* in the arena */
	size_t count;
};

struct spool_follower {
	struct op op; /* its arena: of the round */
	struct redis *redis;
	struct spool_place place;
	bool begins_now, has_gap, gap_is_known;
	spool_on_follow *on_event;
	spool_on_round *on_round;
	void *arg;

	/* The round. */
	bool busy;
	uint64_t now_ms;
	struct follow_shard *shards; /* owner */
	uint32_t shard_count;
	unsigned due; /* answers */
	struct err err;
};

/* ---- Places ---- */

void
spool_place_text(const struct spool_place *p, char out[SPOOL_PLACE_MAX])
{
	snprintf(out, SPOOL_PLACE_MAX, "%" PRIu64 "-%" PRIu32 "-%" PRIu64, p->ms, p->shard, p->number);
}

bool
spool_place_parse(struct str text, struct spool_place *out)
{
	struct str ms, shard, rest;
	uint64_t index;

	if (!str_cut(text, '-', &ms, &rest) || !str_cut(rest, '-', &shard, &rest) || !str_to_u64(ms, &out->ms) ||
	    !str_to_u64(shard, &index) || index > UINT32_MAX || !str_to_u64(rest, &out->number))
		return false;
	out->shard = (uint32_t)index;
	/* What no clock says cannot be the place of an event. */
	return out->ms < (uint64_t)INT64_MAX;
}

struct spool_place
spool_place_before(uint64_t ms)
{
	return (struct spool_place){.ms = ms != 0 ? ms - 1 : 0, .shard = UINT32_MAX, .number = UINT64_MAX};
}

static int
follow_compare(const struct spool_place *a, const struct spool_place *b)
{
	if (a->ms != b->ms)
		return a->ms < b->ms ? -1 : 1;
	if (a->shard != b->shard)
		return a->shard < b->shard ? -1 : 1;
	return a->number < b->number ? -1 : a->number > b->number;
}

bool
spool_place_is_after(const struct spool_place *a, const struct spool_place *b)
{
	return follow_compare(a, b) > 0;
}

static int
follow_by_place(const void *a, const void *b)
{
	return follow_compare(&((const struct follow_line *)a)->place, &((const struct follow_line *)b)->place);
}

/* ---- The end of a round ---- */

/* Up to where the events that have come are complete. */
static struct spool_place
follow_horizon(const struct spool_follower *f, bool *is_whole_out)
{
	struct spool_place horizon = spool_place_before(f->now_ms);

	*is_whole_out = true;
	for (uint32_t i = 0; i < f->shard_count; i++) {
		const struct follow_shard *s = &f->shards[i];
		if (s->count < SPOOL_FOLLOW_PAGE || !spool_place_is_after(&horizon, &s->lines[s->count - 1].place))
			continue;
		horizon = s->lines[s->count - 1].place;
		*is_whole_out = false;
	}
	return horizon;
}

static struct follow_line *
follow_sorted(struct spool_follower *f, size_t *count_out)
{
	struct follow_line *all;
	size_t count = 0;

	for (uint32_t i = 0; i < f->shard_count; i++)
		count += f->shards[i].count;
	all = arena_array(&f->op.arena, struct follow_line, count + 1);
	*count_out = 0;
	for (uint32_t i = 0; i < f->shard_count; i++)
		for (size_t k = 0; k < f->shards[i].count; k++)
			all[(*count_out)++] = f->shards[i].lines[k];
	if (count > 1)
		qsort(all, count, sizeof(*all), follow_by_place);
	return all;
}

/* The caller may free it from within each call. */
static void
follow_tell(struct spool_follower *f)
{
	struct err err = f->err;
	bool is_whole = false;

	op_hold(&f->op);
	if (err.code == ERR_NONE) {
		struct spool_place horizon = follow_horizon(f, &is_whole);
		size_t count;
		const struct follow_line *lines = follow_sorted(f, &count);
		for (size_t i = 0; i < count && !f->op.cancelled; i++)
			if (!spool_place_is_after(&lines[i].place, &horizon))
				f->on_event(f->arg, &lines[i].place, lines[i].json);
		/* The store's clock may have been set back. */
		if (spool_place_is_after(&horizon, &f->place))
			f->place = horizon;
		f->gap_is_known = true;
	}
	if (!op_back(&f->op))
		return;
	arena_reset(&f->op.arena);
	f->busy = false;
	f->on_round(f->arg, is_whole, err.code != ERR_NONE ? &err : NULL);
}

static void
follow_part_done(struct spool_follower *f, const struct err *err)
{
	if (err != NULL && f->err.code == ERR_NONE)
		f->err = *err;
	if (--f->due == 0)
		follow_tell(f);
}

/* ---- A round ---- */

static bool
follow_take_id(struct str id, struct spool_place *out)
{
	struct str ms, number;

	return str_cut(id, '-', &ms, &number) && str_to_u64(ms, &out->ms) && str_to_u64(number, &out->number);
}

static void
follow_on_page(void *arg, const struct spool_event *events, size_t count, const struct err *err)
{
	struct follow_shard *s = arg;
	struct spool_follower *f = s->follower;

	if (!op_back(&f->op))
		return;
	s->lines = arena_array(&f->op.arena, struct follow_line, count + 1);
	for (size_t i = 0; i < count; i++) {
		struct follow_line *l = &s->lines[s->count];
		l->place.shard = s->index;
		if (!follow_take_id(events[i].id, &l->place))
			continue;
		l->json = arena_str(&f->op.arena, events[i].json);
		s->count++;
	}
	follow_part_done(f, err);
}

/* The id in a shard's own stream behind which it reads on. */
static void
follow_after(const struct spool_place *p, uint32_t shard, char out[SPOOL_PLACE_MAX])
{
	if (shard == p->shard)
		snprintf(out, SPOOL_PLACE_MAX, "%" PRIu64 "-%" PRIu64, p->ms, p->number);
	else if (shard < p->shard)
		snprintf(out, SPOOL_PLACE_MAX, "%" PRIu64 "-%" PRIu64, p->ms, UINT64_MAX);
	else if (p->ms != 0)
		snprintf(out, SPOOL_PLACE_MAX, "%" PRIu64 "-%" PRIu64, p->ms - 1, UINT64_MAX);
	else
		snprintf(out, SPOOL_PLACE_MAX, "0-0");
}

/* XINFO STREAM: name, value, ... */
static const redisReply *
follow_member(const redisReply *list, const char *name)
{
	for (size_t i = 0; i + 1 < list->elements; i += 2)
		if (str_eq(redis_str(list->element[i]), str_c(name)))
			return list->element[i + 1];
	return NULL;
}

/* More were added than are there, and the oldest of those is behind the place. */
static bool
follow_stream_has_gap(const struct spool_follower *f, const redisReply *info)
{
	const redisReply *first = follow_member(info, "first-entry");
	struct spool_place oldest = {.shard = f->place.shard};

	return redis_i64(follow_member(info, "entries-added"), 0) > redis_i64(follow_member(info, "length"), 0) &&
	       (first == NULL || first->type != REDIS_REPLY_ARRAY || first->elements < 1 ||
		(follow_take_id(redis_str(first->element[0]), &oldest) && spool_place_is_after(&oldest, &f->place)));
}

static void
follow_on_info(void *arg, const redisReply *reply, const struct err *err)
{
	struct spool_follower *f = arg;

	if (!op_back(&f->op))
		return;
	/* A shard without any event has no stream. */
	if (err == NULL && follow_stream_has_gap(f, reply))
		f->has_gap = true;
	follow_part_done(f, err != NULL && err->code == ERR_UNAVAILABLE ? err : NULL);
}

static void
follow_ask_info(struct spool_follower *f, uint32_t shard)
{
	char key[SPOOL_KEY_MAX];

	op_hold(&f->op);
	f->due++;
	redis_call(f->redis, follow_on_info, f, 3,
		   (const struct str[]){STR("XINFO"), STR("STREAM"), spool_key(KEY_SPOOL_EVENTS, shard, key)});
}

static void
follow_on_time(void *arg, const redisReply *reply, const struct err *err)
{
	struct spool_follower *f = arg;
	struct spool_place before;

	if (!op_back(&f->op))
		return;
	if (err == NULL && reply->elements == 2)
		f->now_ms = (uint64_t)redis_i64(reply->element[0], 0) * 1000 +
			    (uint64_t)redis_i64(reply->element[1], 0) / 1000;
	/* A given place that is still to come would hide everything until then. Only a given
	 * one: after a round, what lies before the place has been told. */
	before = spool_place_before(f->now_ms);
	if (err == NULL && (f->begins_now || (!f->gap_is_known && spool_place_is_after(&f->place, &before)))) {
		f->place = before;
		f->begins_now = false;
	}
	follow_part_done(f, err);
}

/* Everything in one go: the store answers in this order. */
static void
follow_ask(struct spool_follower *f)
{
	char after[SPOOL_PLACE_MAX];
	bool ask_info = !f->gap_is_known && !f->begins_now;

	f->due = 1;
	op_hold(&f->op);
	redis_call(f->redis, follow_on_time, f, 1, (const struct str[]){STR("TIME")});
	for (uint32_t i = 0; i < f->shard_count; i++) {
		f->shards[i].count = 0;
		if (ask_info)
			follow_ask_info(f, i);
		if (f->begins_now) /* what there is now is older than it begins */
			continue;
		follow_after(&f->place, i, after);
		op_hold(&f->op);
		f->due++;
		spool_read_events(f->redis, i, after, SPOOL_FOLLOW_PAGE, follow_on_page, &f->shards[i]);
	}
}

static void
follow_on_count(void *arg, int64_t count, const struct err *err)
{
	struct spool_follower *f = arg;

	if (!op_back(&f->op))
		return;
	if (err != NULL) {
		f->due = 1;
		follow_part_done(f, err);
		return;
	}
	f->shard_count = (uint32_t)count;
	f->shards = mem_zalloc((f->shard_count + 1) * sizeof(*f->shards));
	for (uint32_t i = 0; i < f->shard_count; i++)
		f->shards[i] = (struct follow_shard){.follower = f, .index = i};
	follow_ask(f);
}

void
spool_follower_read(struct spool_follower *f)
{
	if (f->busy)
		return;
	f->busy = true;
	f->err = (struct err){.code = ERR_NONE};
	if (f->shards != NULL) {
		follow_ask(f);
		return;
	}
	op_hold(&f->op);
	spool_read_shard_count(f->redis, follow_on_count, f);
}

/* ---- Its life ---- */

static void
follow_on_end(struct op *op)
{
	struct spool_follower *f = OP_OWNER(op, struct spool_follower, op);

	mem_free(f->shards);
	mem_free(f);
}

struct spool_follower *
spool_follower_new(struct redis *r, const struct spool_place *from, spool_on_follow *on_event, spool_on_round *on_round,
		   void *arg)
{
	struct spool_follower *f = mem_new(struct spool_follower);

	op_init(&f->op, follow_on_end);
	f->redis = r;
	f->begins_now = from == NULL;
	f->place = from != NULL ? *from : (struct spool_place){0};
	f->on_event = on_event;
	f->on_round = on_round;
	f->arg = arg;
	return f;
}

void
spool_follower_free(struct spool_follower **f)
{
	struct spool_follower *old = *f;

	*f = NULL;
	if (old != NULL)
		op_cancel(&old->op);
}

const struct spool_place *
spool_follower_place(const struct spool_follower *f)
{
	return &f->place;
}

bool
spool_follower_has_gap(const struct spool_follower *f)
{
	return f->has_gap;
}
