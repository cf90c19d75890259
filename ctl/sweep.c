/* `stagepost sweep`: finds bodies that nothing refers to any more.
 *
 * First everything that refers is read into a set: spool entries, and the
 * records of every mailbox. Then every body older than the limit that is not in
 * the set is released. What comes in meanwhile is younger than the limit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/blob/blob.h"
#include "lib/mailbox/mailbox.h"
#include "lib/settings/settings.h"
#include "proto/stagepost.pb-c.h"

#define DEFAULT_AGE_MS (INT64_C(24) * 3600 * 1000)

struct place {
	uint64_t key[2]; /* pack, offset */
	UT_hash_handle hh;
};

struct sweep {
	struct ctl *ctl;
	struct place *referred; /* owner */
	bool dry_run;
	uint64_t leaked, leaked_bytes;
};

static void
refer(struct sweep *s, uint64_t pack, uint64_t offset)
{
	struct place *p, look = {.key = {pack, offset}};

	if (pack == 0)
		return;
	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): lost in uthash */
	HASH_FIND(hh, s->referred, look.key, sizeof(look.key), p);
	if (p != NULL)
		return;
	p = mem_new(struct place);
	p->key[0] = pack;
	p->key[1] = offset;
	HASH_ADD(hh, s->referred, key, sizeof(p->key), p);
}

static void
take_envelopes(struct sweep *s, const redisReply *values)
{
	for (size_t i = 1; i < values->elements; i += 2) {
		struct str packed = redis_str(values->element[i]);
		Stagepost__Envelope *e = stagepost__envelope__unpack(NULL, packed.len, (const uint8_t *)packed.p);
		if (e != NULL && e->body != NULL)
			refer(s, e->body->pack, e->body->offset);
		if (e != NULL)
			stagepost__envelope__free_unpacked(e, NULL);
	}
}

static void
take_cold_chunk(struct sweep *s, struct str chunk)
{
	for (size_t at = 0; at + MAILBOX_COLD_BYTES <= chunk.len; at += MAILBOX_COLD_BYTES) {
		struct mailbox_cold cold;
		mailbox_cold_unpack(chunk.p + at, &cold);
		refer(s, cold.body.pack, cold.body.offset);
		refer(s, cold.digest.pack, cold.digest.offset);
	}
}

/* Calls take() with the value of every key that matches. */
static int
each_key(struct sweep *s, const char *pattern, const char *command, void (*take)(struct sweep *s, const redisReply *r),
	 struct err *err)
{
	char cursor[32] = "0";

	do {
		redisReply *page = ctl_redis(s->ctl, err, "SCAN", cursor, "MATCH", pattern, "COUNT", "1000", NULL);
		if (page == NULL)
			return -1;
		str_copy(redis_str(page->element[0]), cursor, sizeof(cursor));
		for (size_t i = 0; i < page->element[1]->elements; i++) {
			redisReply *value = ctl_redis(s->ctl, err, command, page->element[1]->element[i]->str, NULL);
			if (value == NULL) {
				freeReplyObject(page);
				return -1;
			}
			take(s, value);
			freeReplyObject(value);
		}
		freeReplyObject(page);
	} while (strcmp(cursor, "0") != 0);
	return 0;
}

static void
take_chunk_reply(struct sweep *s, const redisReply *reply)
{
	take_cold_chunk(s, redis_str(reply));
}

static bool
is_referred(void *arg, const struct blob_id *id)
{
	struct sweep *s = arg;
	struct place *p, look = {.key = {id->pack, id->offset}};

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): lost in uthash */
	HASH_FIND(hh, s->referred, look.key, sizeof(look.key), p);
	if (p != NULL)
		return true;
	s->leaked++;
	s->leaked_bytes += id->length;
	return s->dry_run;
}

int
command_sweep(struct ctl *ctl, int argc, char **argv)
{
	struct sweep s = {.ctl = ctl, .dry_run = ctl_take_flag(&argc, argv, "--dry-run")};
	const char *age = NULL;
	int64_t age_ms = DEFAULT_AGE_MS, before = clock_unix_ms();
	struct place *p, *next;
	struct blob_store *blobs;
	struct err err;
	int result;

	if (ctl_take_option(&argc, argv, "--older-than", &age) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("sweep");
	if (age != NULL && ctl_duration("--older-than", age, &age_ms) != 0)
		return 1;
	if (ctl_connect(ctl, &err) != 0 || (blobs = ctl_blobs(ctl, &err)) == NULL)
		return ctl_fail("%s", err.text);
	if (each_key(&s, "spool:{*}:env", "HGETALL", take_envelopes, &err) != 0 ||
	    each_key(&s, "mail:{*}:f:*:c:*", "GET", take_chunk_reply, &err) != 0)
		return ctl_fail("%s", err.text);
	result = blob_sweep(blobs, before - age_ms, is_referred, &s, &err);
	printf("%llu bodies are referred to; %llu leaked ones (%llu bytes) %s\n",
	       (unsigned long long)HASH_COUNT(s.referred), (unsigned long long)s.leaked,
	       (unsigned long long)s.leaked_bytes, s.dry_run ? "would be released" : "were released");
	HASH_ITER (hh, s.referred, p, next) {
		HASH_DEL(s.referred, p);
		mem_free(p);
	}
	return result == 0 ? 0 : ctl_fail("%s", err.text);
}
