/* References to bodies: entries of the spool, then records of the mailboxes. */
#include "lib/sweep/private.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"
#include "proto/stagepost.pb-c.h"

static void
refer_to(struct sweep *s, uint64_t pack, uint64_t offset)
{
	if (pack != 0 && places_add(&s->places, pack, offset))
		s->figures.referred++;
}

struct sweep_suspect *
sweep_find_suspect(const struct sweep *s, const struct blob_id *id)
{
	struct sweep_suspect *found, look = {.key = {id->pack, id->offset}};

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): lost in uthash */
	HASH_FIND(hh, s->suspects, look.key, sizeof(look.key), found);
	return found;
}

/* ---- The fields of a hash, a page at a time ---- */

static void
refer_ask_fields(struct sweep *s, struct str key, redis_on_reply *cb)
{
	const struct str args[] = {str_c(s->fields_cursor), STR("COUNT"), STR("500")};

	op_hold(&s->op);
	redis_call_key(s->options.redis, cb, s, "HSCAN", key, 3, args);
}

/* Records where the next page begins; NULL: not a valid answer. */
static const redisReply *
refer_page(const redisReply *reply, char cursor[SWEEP_CURSOR_MAX])
{
	if (reply->type != REDIS_REPLY_ARRAY || reply->elements != 2 ||
	    !str_copy(redis_str(reply->element[0]), cursor, SWEEP_CURSOR_MAX))
		return NULL;
	return reply->element[1];
}

static bool
refer_is_at_end(const char cursor[SWEEP_CURSOR_MAX])
{
	return strcmp(cursor, "0") == 0;
}

static void
refer_rewind(char cursor[SWEEP_CURSOR_MAX])
{
	str_copy(STR("0"), cursor, SWEEP_CURSOR_MAX);
}

static void
refer_fail_malformed(struct sweep *s)
{
	struct err err;

	err_set(&err, ERR_CORRUPT, "Redis returned an invalid page of a scan");
	sweep_fail(s, &err);
}

/* ---- Keys by a pattern ---- */

static sweep_step refer_ask_keys;

/* The next key of the page, the next page, or the end. */
static void
refer_next_key(struct sweep *s)
{
	if (s->key_next < s->key_count)
		s->on_key(s);
	else if (refer_is_at_end(s->keys_cursor))
		s->on_keys_end(s);
	else
		refer_ask_keys(s);
}

static void
refer_on_keys(void *arg, const redisReply *reply, const struct err *err)
{
	struct sweep *s = arg;
	const redisReply *page;

	if (!sweep_back(s, err))
		return;
	page = refer_page(reply, s->keys_cursor);
	if (page == NULL) {
		refer_fail_malformed(s);
		return;
	}
	arena_reset(&s->keys_arena);
	s->keys = arena_array(&s->keys_arena, struct str, page->elements + 1);
	for (size_t i = 0; i < page->elements; i++)
		s->keys[i] = arena_str(&s->keys_arena, redis_str(page->element[i]));
	s->key_count = page->elements;
	s->key_next = 0;
	sweep_go_on(s, refer_next_key);
}

static void
refer_ask_keys(struct sweep *s)
{
	op_hold(&s->op);
	redis_call(s->options.redis, refer_on_keys, s, 6,
		   (const struct str[]){STR("SCAN"), str_c(s->keys_cursor), STR("MATCH"), str_c(s->pattern),
					STR("COUNT"), STR("1000")});
}

static void
refer_each_key(struct sweep *s, const char *pattern, sweep_step *on_key, sweep_step *on_end)
{
	s->pattern = pattern;
	s->on_key = on_key;
	s->on_keys_end = on_end;
	refer_rewind(s->keys_cursor);
	refer_ask_keys(s);
}

/* ---- Mailboxes ---- */

static void
refer_on_cold(void *arg, struct str cold)
{
	for (size_t at = 0; at + MAILBOX_COLD_BYTES <= cold.len; at += MAILBOX_COLD_BYTES) {
		struct mailbox_cold record;

		mailbox_cold_unpack(cold.p + at, &record);
		refer_to(arg, record.body.pack, record.body.offset);
		refer_to(arg, record.digest.pack, record.digest.offset);
	}
}

static sweep_step refer_read_account;

static void
refer_on_account(void *arg, const struct err *err)
{
	struct sweep *s = arg;

	if (!sweep_back(s, err))
		return;
	if (s->at.ended) {
		s->key_next++;
		s->at = (struct mailbox_bodies_at){.ended = false};
	}
	sweep_go_on(s, s->at.folder == 0 ? refer_next_key : refer_read_account);
}

/* The key is "mail:{<address>}:meta". */
static void
refer_read_account(struct sweep *s)
{
	size_t before = strlen("mail:{"), around = before + strlen("}:meta");
	struct str key = s->keys[s->key_next];

	op_hold(&s->op);
	mailbox_read_some_bodies(s->options.mailboxes, str_of(key.p + before, key.len - around), &s->at, refer_on_cold,
				 refer_on_account, s);
}

/* ---- The spool ---- */

static void
refer_on_spool_end(struct sweep *s)
{
	s->read_ms = clock_unix_ms();
	refer_each_key(s, "mail:{*}:meta", refer_read_account, sweep_packs);
}

static void
refer_take_envelope(struct sweep *s, struct str packed)
{
	Stagepost__Envelope *e = stagepost__envelope__unpack(NULL, packed.len, (const uint8_t *)packed.p);

	if (e != NULL && e->body != NULL)
		refer_to(s, e->body->pack, e->body->offset);
	if (e != NULL)
		stagepost__envelope__free_unpacked(e, NULL);
}

static sweep_step refer_read_shard;

static void
refer_on_envelopes(void *arg, const redisReply *reply, const struct err *err)
{
	struct sweep *s = arg;
	const redisReply *page;

	if (!sweep_back(s, err))
		return;
	page = refer_page(reply, s->fields_cursor);
	if (page == NULL) {
		refer_fail_malformed(s);
		return;
	}
	for (size_t i = 0; i + 1 < page->elements; i += 2)
		refer_take_envelope(s, redis_str(page->element[i + 1]));
	if (!refer_is_at_end(s->fields_cursor)) {
		sweep_go_on(s, refer_read_shard);
		return;
	}
	s->key_next++;
	sweep_go_on(s, refer_next_key);
}

static void
refer_read_shard(struct sweep *s)
{
	refer_ask_fields(s, s->keys[s->key_next], refer_on_envelopes);
}

/* ---- Suspects of earlier sweeps ---- */

static void
refer_take_suspect(struct sweep *s, struct str name, struct str since)
{
	struct sweep_suspect *suspect;
	struct blob_id id;
	int64_t since_ms;

	if (!blob_id_parse(name, &id) || !str_to_i64(since, &since_ms) || sweep_find_suspect(s, &id) != NULL)
		return;
	suspect = mem_new(struct sweep_suspect);
	suspect->key[0] = id.pack;
	suspect->key[1] = id.offset;
	suspect->length = id.length;
	suspect->since_ms = since_ms;
	HASH_ADD(hh, s->suspects, key, sizeof(suspect->key), suspect);
}

static sweep_step refer_read_suspects;

static void
refer_on_suspects(void *arg, const redisReply *reply, const struct err *err)
{
	struct sweep *s = arg;
	const redisReply *page;

	if (!sweep_back(s, err))
		return;
	page = refer_page(reply, s->fields_cursor);
	if (page == NULL) {
		refer_fail_malformed(s);
		return;
	}
	for (size_t i = 0; i + 1 < page->elements; i += 2)
		refer_take_suspect(s, redis_str(page->element[i]), redis_str(page->element[i + 1]));
	if (!refer_is_at_end(s->fields_cursor))
		sweep_go_on(s, refer_read_suspects);
	else
		refer_each_key(s, "spool:{*}:env", refer_read_shard, refer_on_spool_end);
}

static void
refer_read_suspects(struct sweep *s)
{
	refer_ask_fields(s, str_c(redis_key_pattern(KEY_SWEEP_SUSPECTS)), refer_on_suspects);
}

void
sweep_read(struct sweep *s)
{
	refer_rewind(s->fields_cursor);
	refer_read_suspects(s);
}
