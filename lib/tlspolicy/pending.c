#include "lib/tlspolicy/pending.h"

#include <inttypes.h>
#include <stdio.h>

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "lib/tlspolicy/tally.h"

REDIS_SCRIPT(pending_claim_script, "lib/tlspolicy/claim.lua");
REDIS_SCRIPT(pending_put_off_script, "lib/tlspolicy/put_off.lua");
REDIS_SCRIPT(pending_begin_script, "lib/tlspolicy/begin.lua");
REDIS_SCRIPT(pending_finish_script, "lib/tlspolicy/finish.lua");

enum { CLAIMED_MAX = 100 };

struct call {
	pending_on_claimed *on_claimed;
	pending_on_plan *on_plan;
	pending_on_done *on_done;
	void *arg;
};

static struct call *
pending_call_new(void *arg)
{
	struct call *c = mem_new(struct call);

	c->arg = arg;
	return c;
}

static struct str
pending_number(struct arena *arena, int64_t n)
{
	return str_c(arena_printf(arena, "%" PRId64, n));
}

static struct str
pending_expiry(struct arena *arena, const char *day)
{
	int64_t start = 0;

	CHECK(tally_day_parse(str_c(day), &start));
	return pending_number(arena, (start + TALLY_KEPT_DAYS * TALLY_DAY_MS) / 1000);
}

/* ---- Claims ---- */
static void
on_claimed(void *arg, const redisReply *reply, const struct err *err)
{
	struct call *c = arg;
	struct str domains[CLAIMED_MAX];
	unsigned count = 0;

	while (reply != NULL && count < reply->elements && count < CLAIMED_MAX) {
		domains[count] = redis_str(reply->element[count]);
		count++;
	}
	c->on_claimed(c->arg, domains, count, err);
	mem_free(c);
}

void
pending_claim(struct redis *r, const char *day, unsigned most, pending_on_claimed *cb, void *arg)
{
	struct call *c = pending_call_new(arg);
	struct arena arena;
	struct str key;

	CHECK(most <= CLAIMED_MAX);
	c->on_claimed = cb;
	arena_init(&arena);
	key = redis_key(&arena, KEY_TLSRPT_DUE, str_c(day));
	redis_eval(r, on_claimed, c, &pending_claim_script, 1, &key, 2,
		   (const struct str[]){pending_number(&arena, PENDING_LEASE_MS), pending_number(&arena, most)});
	arena_fini(&arena);
}

void
pending_put_off(struct redis *r, const char *day, struct str domain, int64_t ms)
{
	struct arena arena;
	struct str key;

	arena_init(&arena);
	key = redis_key(&arena, KEY_TLSRPT_DUE, str_c(day));
	redis_eval(r, NULL, NULL, &pending_put_off_script, 1, &key, 2,
		   (const struct str[]){pending_number(&arena, ms), domain});
	arena_fini(&arena);
}

/* ---- One report ---- */
static void
on_begun(void *arg, const redisReply *reply, const struct err *err)
{
	struct call *c = arg;
	struct pending_plan plan = {.tries = 1};
	struct err bad;

	if (err == NULL && !spool_id_parse(redis_field(reply, "id"), NULL, NULL)) {
		err_set(&bad, ERR_CORRUPT, "the plan of a TLS report has no id");
		err = &bad;
	}
	if (err == NULL) {
		uint64_t tries = 1;

		str_copy(redis_field(reply, "id"), plan.id, sizeof(plan.id));
		str_to_i64(redis_field(reply, "first"), &plan.first_ms);
		str_to_u64(redis_field(reply, "tries"), &tries);
		plan.tries = (unsigned)tries;
	}
	c->on_plan(c->arg, err == NULL ? &plan : NULL, err == NULL ? reply : NULL, err);
	mem_free(c);
}

void
pending_begin(struct redis *r, const char *day, struct str domain, const char *id, pending_on_plan *cb, void *arg)
{
	struct call *c = pending_call_new(arg);
	struct arena arena;
	struct str key;

	c->on_plan = cb;
	arena_init(&arena);
	key = redis_key(&arena, KEY_TLSRPT_PLAN, str_c(day), domain);
	redis_eval(
		r, on_begun, c, &pending_begin_script, 1, &key, 3,
		(const struct str[]){str_c(id), pending_number(&arena, clock_unix_ms()), pending_expiry(&arena, day)});
	arena_fini(&arena);
}

static void
pending_on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct call *c = arg;

	(void)reply;
	c->on_done(c->arg, err);
	mem_free(c);
}

void
pending_mark(struct redis *r, const char *day, struct str domain, struct str uri, struct str what, pending_on_done *cb,
	     void *arg)
{
	struct call *c = pending_call_new(arg);
	struct arena arena;

	c->on_done = cb;
	arena_init(&arena);
	redis_call_key(r, pending_on_reply, c, "HSET", redis_key(&arena, KEY_TLSRPT_PLAN, str_c(day), domain), 2,
		       (const struct str[]){str_c(arena_printf(&arena, "uri %.*s", STR_ARG(uri))), what});
	arena_fini(&arena);
}

void
pending_finish(struct redis *r, const char *day, struct str domain, struct str outcome, pending_on_done *cb, void *arg)
{
	struct call *c = pending_call_new(arg);
	struct arena arena;
	struct str keys[2];

	c->on_done = cb;
	arena_init(&arena);
	keys[0] = redis_key(&arena, KEY_TLSRPT_DUE, str_c(day));
	keys[1] = redis_key(&arena, KEY_TLSRPT_DONE, str_c(day));
	redis_eval(r, pending_on_reply, c, &pending_finish_script, 2, keys, 3,
		   (const struct str[]){domain, outcome, pending_expiry(&arena, day)});
	arena_fini(&arena);
}
