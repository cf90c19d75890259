/* Changes to one shard, gathered and sent as one script call. */

#include "lib/base/arena.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/spool/id.h"
#include "lib/spool/keys.h"
#include "lib/spool/spool.h"

REDIS_SCRIPT(spool_write, "lib/spool/write.lua");

/* A resend may arrive this late after the message has left. */
enum { REMEMBER_LEAST_MS = 10 * 60 * 1000 };
enum { FIXED_KEYS = 4, FIXED_ARGS = 2, ARGS_PER_CHANGE = 6 };

struct change {
	char verb;
	struct str id;	   /* in the arena */
	struct str data;   /* in the arena */
	struct str events; /* in the arena; lines */
	int64_t retention_ms;
};

struct spool_batch {
	struct arena arena;
	struct change *changes; /* owner */
	size_t count, capacity;
	size_t bytes;
	unsigned events_kept;
};

struct spool_batch *
spool_batch_new(void)
{
	struct spool_batch *b = mem_new(struct spool_batch);
	arena_init(&b->arena);
	return b;
}

void
spool_batch_free(struct spool_batch **b)
{
	if (*b == NULL)
		return;
	arena_fini(&(*b)->arena);
	mem_free((*b)->changes);
	mem_free(*b);
	*b = NULL;
}

size_t
spool_batch_count(const struct spool_batch *b)
{
	return b->count;
}

size_t
spool_batch_bytes(const struct spool_batch *b)
{
	return b->bytes;
}

static void
batch_append(struct spool_batch *b, char verb, struct str id, struct str data, int64_t retention_ms)
{
	if (b->count == b->capacity) {
		b->capacity = b->capacity == 0 ? 16 : b->capacity * 2;
		b->changes = mem_realloc(b->changes, b->capacity * sizeof(*b->changes));
	}
	b->bytes += id.len + data.len;
	b->changes[b->count++] = (struct change){.verb = verb,
						 .id = arena_str(&b->arena, id),
						 .data = arena_str(&b->arena, data),
						 .retention_ms = retention_ms};
}

void
spool_batch_add(struct spool_batch *b, struct str id, struct str envelope)
{
	batch_append(b, 'a', id, envelope, 0);
}

void
spool_batch_save(struct spool_batch *b, struct str id, struct str state)
{
	batch_append(b, 's', id, state, 0);
}

void
spool_batch_finish(struct spool_batch *b, struct str id, struct str trace, int64_t retention_ms)
{
	batch_append(b, 'f', id, retention_ms > 0 ? trace : STR("-"),
		     retention_ms < REMEMBER_LEAST_MS ? REMEMBER_LEAST_MS : retention_ms);
}

void
spool_batch_pass(struct spool_batch *b, struct str id)
{
	batch_append(b, 'p', id, STR_NONE, 0);
}

void
spool_batch_publish(struct spool_batch *b, struct str events, unsigned kept)
{
	CHECK(b->count != 0);
	b->bytes += events.len;
	b->events_kept = kept;
	b->changes[b->count - 1].events = arena_str(&b->arena, events);
}

/* ---- Sending ---- */
struct call {
	struct arena arena; /* keys and numbers of the call */
	struct str *keys;
	size_t key_count;
	int64_t *hours; /* of keys[FIXED_KEYS + i] */
	struct str *args;
	size_t arg_count;
};

/* Number of the key, from 1, of the finished messages of the id's hour. */
static size_t
done_key_number(struct call *c, unsigned shard, struct str id)
{
	int64_t unix_ms, hour;
	size_t i;

	CHECKF(spool_id_parse(id, NULL, &unix_ms), "id %.*s", STR_ARG(id));
	hour = unix_ms / 3600000;
	for (i = 0; i < c->key_count - FIXED_KEYS; i++)
		if (c->hours[i] == hour)
			return FIXED_KEYS + i + 1;
	c->hours[i] = hour;
	c->keys[c->key_count] = spool_done_key(shard, unix_ms, arena_alloc(&c->arena, SPOOL_KEY_MAX));
	return ++c->key_count;
}

static void
add_change(struct call *c, unsigned shard, const struct change *change)
{
	struct str *args = c->args + c->arg_count;

	args[0] = arena_str(&c->arena, str_of(&change->verb, 1));
	args[1] = str_c(arena_printf(&c->arena, "%zu", done_key_number(c, shard, change->id)));
	args[2] = change->id;
	args[3] = change->data;
	args[4] = str_c(arena_printf(&c->arena, "%lld", (long long)change->retention_ms));
	args[5] = change->events;
	c->arg_count += ARGS_PER_CHANGE;
}

struct write_call {
	size_t count;
	spool_on_written *cb;
	void *arg;
};

static void
on_written(void *arg, const redisReply *reply, const struct err *err)
{
	struct write_call *w = arg;
	enum spool_result *results = NULL;
	struct err bad;

	if (err == NULL && (reply->type != REDIS_REPLY_ARRAY || reply->elements != w->count)) {
		err_set(&bad, ERR_CORRUPT, "the answer to a write of the spool has the wrong form");
		err = &bad;
	}
	if (err == NULL) {
		results = mem_alloc(w->count * sizeof(*results));
		for (size_t i = 0; i < w->count; i++)
			results[i] = (enum spool_result)redis_i64(reply->element[i], 0);
	}
	w->cb(w->arg, results, err == NULL ? w->count : 0, err);
	mem_free(results);
	mem_free(w);
}

void
spool_batch_send(struct redis *r, const struct spool_lease *lease, const struct spool_batch *b, spool_on_written *cb,
		 void *arg)
{
	static const enum redis_key keys[FIXED_KEYS] = {KEY_SPOOL_LEASE, KEY_SPOOL_ENVELOPES, KEY_SPOOL_STATES,
							KEY_SPOOL_EVENTS};
	struct write_call *w = mem_new(struct write_call);
	struct call c = {.key_count = FIXED_KEYS, .arg_count = FIXED_ARGS};

	CHECK(b->count != 0);
	arena_init(&c.arena);
	c.keys = arena_array(&c.arena, struct str, FIXED_KEYS + b->count);
	c.hours = arena_array(&c.arena, int64_t, b->count);
	c.args = arena_array(&c.arena, struct str, FIXED_ARGS + ARGS_PER_CHANGE * b->count);
	for (unsigned i = 0; i < FIXED_KEYS; i++)
		c.keys[i] = spool_key(keys[i], lease->shard, arena_alloc(&c.arena, SPOOL_KEY_MAX));
	c.args[0] = str_c(lease->value);
	c.args[1] = str_c(arena_printf(&c.arena, "%u", b->events_kept));
	for (size_t i = 0; i < b->count; i++)
		add_change(&c, lease->shard, &b->changes[i]);
	*w = (struct write_call){.count = b->count, .cb = cb, .arg = arg};
	redis_eval(r, on_written, w, &spool_write, c.key_count, c.keys, c.arg_count, c.args);
	arena_fini(&c.arena);
}
