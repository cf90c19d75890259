/* `stagepost sweep`: finds bodies that nothing refers to any more.
 *
 * First everything that refers is read into a set: spool entries, then the
 * records of every account. Messages go from the spool to the mailboxes, never
 * back, and mailbox_read_bodies() sees to those that move within an account. What
 * comes in meanwhile is younger than the limit.
 *
 * A body that is not in the set is a suspect. A worker that got the message
 * before it left the spool may still file it, for MAILBOX_TRY_LIFE_MS and no
 * longer: so a suspect is released by the next sweep that finds it unreferred
 * after that time. Suspects are kept in the hash sweep:suspects. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <uthash.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/blob/blob.h"
#include "lib/blob/refs.h"
#include "lib/mailbox/mailbox.h"
#include "lib/settings/settings.h"
#include "proto/stagepost.pb-c.h"

#define DEFAULT_AGE_MS (INT64_C(24) * 3600 * 1000)

struct place {
	uint64_t key[2]; /* pack, offset */
	UT_hash_handle hh;
};

/* Clocks may differ by an hour. */
#define SUSPECT_MS   (MAILBOX_TRY_LIFE_MS + INT64_C(3600) * 1000)
#define SUSPECTS_KEY "sweep:suspects"

struct suspect {
	struct place place; /* first: found as one */
	int64_t since_ms;   /* unix */
};

struct sweep {
	struct ctl *ctl;
	struct place *referred; /* owner */
	struct place *before;	/* owner: suspects of earlier sweeps, each a struct suspect */
	bool dry_run;
	int64_t wait_ms;    /* how long a body is a suspect */
	int64_t started_ms; /* unix: of the sweep */
	int64_t read_ms;    /* unix: when the spool had been read */
	uint64_t leaked, leaked_bytes, suspects;
};

static struct place *
find_place(struct place *table, uint64_t pack, uint64_t offset)
{
	struct place *p, look = {.key = {pack, offset}};

	/* NOLINTNEXTLINE(clang-analyzer-core.UndefinedBinaryOperatorResult): lost in uthash */
	HASH_FIND(hh, table, look.key, sizeof(look.key), p);
	return p;
}

static void
add_place(struct place **table, struct place *p, uint64_t pack, uint64_t offset)
{
	p->key[0] = pack;
	p->key[1] = offset;
	HASH_ADD(hh, *table, key, sizeof(p->key), p);
}

static void
free_places(struct place **table)
{
	struct place *p, *next;

	HASH_ITER (hh, *table, p, next) {
		HASH_DEL(*table, p);
		mem_free(p);
	}
}

static void
refer(struct sweep *s, uint64_t pack, uint64_t offset)
{
	if (pack != 0 && find_place(s->referred, pack, offset) == NULL)
		add_place(&s->referred, mem_new(struct place), pack, offset);
}

/* ---- Who refers ---- */
static void
take_envelope(struct sweep *s, struct str id, struct str packed)
{
	Stagepost__Envelope *e = stagepost__envelope__unpack(NULL, packed.len, (const uint8_t *)packed.p);

	(void)id;
	if (e != NULL && e->body != NULL)
		refer(s, e->body->pack, e->body->offset);
	if (e != NULL)
		stagepost__envelope__free_unpacked(e, NULL);
}

static void
take_suspect(struct sweep *s, struct str name, struct str since)
{
	struct suspect *found;
	struct blob_id id;
	int64_t since_ms;

	if (!blob_id_parse(name, &id) || !str_to_i64(since, &since_ms))
		return;
	found = mem_new(struct suspect);
	found->since_ms = since_ms;
	add_place(&s->before, &found->place, id.pack, id.offset);
}

static void
take_cold(void *arg, struct str cold)
{
	for (size_t at = 0; at + MAILBOX_COLD_BYTES <= cold.len; at += MAILBOX_COLD_BYTES) {
		struct mailbox_cold record;
		mailbox_cold_unpack(cold.p + at, &record);
		refer(arg, record.body.pack, record.body.offset);
		refer(arg, record.digest.pack, record.digest.offset);
	}
}

/* Calls take() with every field of a hash, a page at a time. */
static int
each_field(struct sweep *s, const char *key, void (*take)(struct sweep *s, struct str field, struct str value),
	   struct err *err)
{
	char cursor[32] = "0";

	do {
		redisReply *page = ctl_redis(s->ctl, err, "HSCAN", key, cursor, "COUNT", "500", NULL);
		if (page == NULL)
			return -1;
		str_copy(redis_str(page->element[0]), cursor, sizeof(cursor));
		for (size_t i = 0; i + 1 < page->element[1]->elements; i += 2)
			take(s, redis_str(page->element[1]->element[i]), redis_str(page->element[1]->element[i + 1]));
		freeReplyObject(page);
	} while (strcmp(cursor, "0") != 0);
	return 0;
}

static int
read_shard(struct sweep *s, const char *key, struct err *err)
{
	return each_field(s, key, take_envelope, err);
}

struct account_read {
	struct ctl_wait wait; /* first: ctl_on_done() gets it */
	struct sweep *sweep;
};

static void
on_cold(void *arg, struct str cold)
{
	take_cold(((struct account_read *)arg)->sweep, cold);
}

/* key: "mail:{<address>}:meta" */
static int
read_account(struct sweep *s, const char *key, struct err *err)
{
	struct mailbox_store *m = ctl_mailboxes(s->ctl, err);
	struct account_read read = {.wait = CTL_WAIT, .sweep = s};
	size_t len = strlen(key), around = strlen("mail:{") + strlen("}:meta");

	if (m == NULL)
		return -1;
	mailbox_read_bodies(m, str_of(key + strlen("mail:{"), len - around), on_cold, ctl_on_done, &read);
	if (ctl_wait(s->ctl, &read.wait) == 0)
		return 0;
	*err = read.wait.err;
	return -1;
}

/* Calls read() with every key that matches. */
static int
each_key(struct sweep *s, const char *pattern, int (*read)(struct sweep *s, const char *key, struct err *err),
	 struct err *err)
{
	char cursor[32] = "0";
	int result = 0;

	do {
		redisReply *page = ctl_redis(s->ctl, err, "SCAN", cursor, "MATCH", pattern, "COUNT", "1000", NULL);
		if (page == NULL)
			return -1;
		str_copy(redis_str(page->element[0]), cursor, sizeof(cursor));
		for (size_t i = 0; result == 0 && i < page->element[1]->elements; i++)
			result = read(s, page->element[1]->element[i]->str, err);
		freeReplyObject(page);
	} while (result == 0 && strcmp(cursor, "0") != 0);
	return result;
}

static int
read_all(struct sweep *s, struct err *err)
{
	if (each_field(s, SUSPECTS_KEY, take_suspect, err) != 0 || each_key(s, "spool:{*}:env", read_shard, err) != 0)
		return -1;
	s->read_ms = clock_unix_ms();
	return each_key(s, "mail:{*}:meta", read_account, err);
}

/* ---- Who does not ---- */
static void
remember_suspect(struct sweep *s, const struct blob_id *id)
{
	char name[BLOB_ID_TEXT];

	blob_id_text(id, name);
	if (!s->dry_run)
		redis_callf(s->ctl->redis, NULL, NULL, "HSET %s %s %lld", SUSPECTS_KEY, name, (long long)s->read_ms);
}

static void
forget_suspect(struct sweep *s, const struct blob_id *id)
{
	char name[BLOB_ID_TEXT];

	blob_id_text(id, name);
	if (!s->dry_run)
		redis_callf(s->ctl->redis, NULL, NULL, "HDEL %s %s", SUSPECTS_KEY, name);
}

static bool
is_to_stay(void *arg, const struct blob_id *id)
{
	struct sweep *s = arg;
	const struct suspect *before = (const struct suspect *)find_place(s->before, id->pack, id->offset);
	bool referred = find_place(s->referred, id->pack, id->offset) != NULL;
	bool may_wait = before == NULL ? s->wait_ms > 0 : s->started_ms - before->since_ms < s->wait_ms;

	if (!referred && may_wait) {
		s->suspects++;
		if (before == NULL)
			remember_suspect(s, id);
		return true;
	}
	if (before != NULL)
		forget_suspect(s, id);
	if (referred)
		return true;
	s->leaked++;
	s->leaked_bytes += id->length;
	if (!s->dry_run)
		blob_ref_forget(s->ctl->redis, id);
	return s->dry_run;
}

static void
tell(const struct sweep *s)
{
	printf("%llu bodies are referred to; %llu leaked ones (%llu bytes) %s",
	       (unsigned long long)HASH_COUNT(s->referred), (unsigned long long)s->leaked,
	       (unsigned long long)s->leaked_bytes, s->dry_run ? "would be released" : "were released");
	if (s->suspects != 0)
		printf("; %llu more are to be looked at again by a sweep in %lld hours",
		       (unsigned long long)s->suspects, (long long)(s->wait_ms / 3600000));
	printf("\n");
}

/* A body that is without a reference now may be in a backup's snapshot. Asked behind
 * the reading: what was without one then is in no snapshot that comes later. */
static int
refuse_beside_backup(struct ctl *ctl, struct err *err)
{
	redisReply *hold = ctl_redis(ctl, err, "EXISTS", "backup:hold", NULL);
	bool held = redis_i64(hold, 0) != 0;

	if (hold == NULL)
		return -1;
	freeReplyObject(hold);
	return held ? err_set(err, ERR_EXISTS, "a backup is under way: sweep when it is done") : 0;
}

int
command_sweep(struct ctl *ctl, int argc, char **argv)
{
	struct sweep s = {
		.ctl = ctl, .dry_run = ctl_take_flag(&argc, argv, "--dry-run"), .started_ms = clock_unix_ms()};
	const char *age = NULL;
	int64_t age_ms = DEFAULT_AGE_MS;
	struct blob_store *blobs;
	redisReply *last;
	struct err err;
	int result;

	if (ctl_take_option(&argc, argv, "--older-than", &age) != 0 || ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("sweep");
	if (age != NULL && ctl_duration("--older-than", age, &age_ms) != 0)
		return 1;
	s.wait_ms = age_ms < SUSPECT_MS ? age_ms : SUSPECT_MS;
	if (ctl_connect(ctl, &err) != 0 || (blobs = ctl_blobs(ctl, &err)) == NULL)
		return ctl_fail("%s", err.text);
	if (read_all(&s, &err) != 0 || refuse_beside_backup(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	result = blob_sweep(blobs, s.started_ms - age_ms, is_to_stay, &s, &err);
	tell(&s);
	free_places(&s.referred);
	free_places(&s.before);
	if (result != 0)
		return ctl_fail("%s", err.text);
	/* Its answer comes behind those of the changes. */
	last = ctl_redis(ctl, &err, "PING", NULL);
	freeReplyObject(last);
	return last != NULL ? 0 : ctl_fail("%s", err.text);
}
