/* Tests of copies that take several steps, against a real server: an actor with
 * its own loop copies while everybody else watches. Header only; every test
 * program has its own. */
#ifndef SP_TESTS_UNIT_STAGING_FIXTURE_H
#define SP_TESTS_UNIT_STAGING_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/mailbox/private.h"
#include "tests/unit/lib/blob/blob_fixture.h"
#include "tests/unit/redis_fixture.h"

enum { MESSAGES = 7, AT_ONCE = 2, BODY_BYTES = 500, SIZE = 500, RECORDS_MAX = 12000, STEPS_MAX = 400 };
/* Of the folders of a scene: six are made with the account. */
enum { FROM = 7, TO = 8, COPY = 9 };

static struct blob_fixture blobs;
static struct redis_fixture server;
static struct redis *redis;
static struct mailbox_store *store;
static struct body bodies[MESSAGES];
static const struct str who = {"a@b.test", 8};
static const uint32_t uids[MESSAGES] = {1, 2, 3, 4, 5, 6, 7};

/* ---- What everybody else asks ---- */

static struct answer {
	volatile bool done;
	enum err_code code;
	struct mailbox_folder folder;
	uint32_t count, uid_next;
	struct mailbox_hot hot[RECORDS_MAX];
	struct mailbox_cold cold[RECORDS_MAX];
	uint64_t modseq;
	int64_t number;
	size_t elements;
	unsigned keyword_count;
	char keywords[64][40];
} got;

static inline void
ended(const struct err *err)
{
	got.done = true;
	got.code = err != NULL ? err->code : ERR_NONE;
}

static inline enum err_code
finish(void)
{
	assert_true(redis_fixture_wait(blobs.base, &got.done, 20000));
	got.done = false;
	return got.code;
}

static inline void
on_done(void *arg, const struct err *err)
{
	(void)arg;
	ended(err);
}

static inline void
on_filed(void *arg, const struct mailbox_filed *f, const struct err *err)
{
	(void)arg, (void)f;
	ended(err);
}

static inline void
on_folder(void *arg, const struct mailbox_folder *f, const struct err *err)
{
	(void)arg;
	if (f != NULL) {
		got.folder = *f;
		got.keyword_count = f->keyword_count;
		for (unsigned i = 0; i < f->keyword_count; i++)
			str_copy(f->keywords[i], got.keywords[i], sizeof(got.keywords[i]));
	}
	ended(err);
}

static unsigned folder_count;

static inline void
on_folders(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *missing,
	   unsigned missing_count, const struct err *err)
{
	(void)arg, (void)folders, (void)missing, (void)missing_count;
	folder_count = count;
	ended(err);
}

static inline void
on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	(void)arg;
	if (r != NULL) {
		assert_true(r->count <= RECORDS_MAX);
		got.count = r->count;
		got.uid_next = r->uid_next;
		got.modseq = r->highest_modseq;
	}
	for (uint32_t i = 0; r != NULL && i < r->count; i++) {
		mailbox_hot_unpack(r->hot + (size_t)i * MAILBOX_HOT_BYTES, &got.hot[i]);
		if (r->cold != NULL)
			mailbox_cold_unpack(r->cold + (size_t)i * MAILBOX_COLD_BYTES, &got.cold[i]);
	}
	ended(err);
}

static inline void
on_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	on_records(arg, c != NULL ? &c->records : NULL, err);
}

static inline void
on_stored(void *arg, const struct mailbox_stored *s, const struct err *err)
{
	(void)arg, (void)s;
	ended(err);
}

static inline void
on_expunged(void *arg, const struct mailbox_expunged *e, const struct err *err)
{
	(void)arg, (void)e;
	ended(err);
}

static inline void
on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	got.number = redis_i64(reply, -1);
	got.elements = reply != NULL ? reply->elements : 0;
	ended(err);
}

static inline int64_t
command(const char *text)
{
	redis_callf(redis, on_reply, NULL, text);
	assert_int_equal(finish(), ERR_NONE);
	return got.number;
}

static inline size_t
keys_like(const char *pattern)
{
	redis_callf(redis, on_reply, NULL, "KEYS %s", pattern);
	assert_int_equal(finish(), ERR_NONE);
	return got.elements;
}

static inline void
create(const char *name)
{
	mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

static inline enum err_code
delete_folder(const char *name)
{
	mailbox_delete(store, who, str_c(name), on_done, NULL);
	return finish();
}

static inline void
file(const char *folder, const struct mailbox_new_message *list, unsigned count)
{
	struct mailbox_filing f = {.address = who, .folder = str_c(folder), .messages = list, .count = count};

	mailbox_file(store, &f, on_filed, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

static inline enum err_code
try_to_file(const char *folder, uint64_t quota)
{
	const struct mailbox_new_message m = {.body = {0, 0, SIZE}};
	struct mailbox_filing f = {
		.address = who, .folder = str_c(folder), .quota_bytes = quota, .messages = &m, .count = 1};

	mailbox_file(store, &f, on_filed, NULL);
	return finish();
}

static inline void
file_one(const char *folder)
{
	assert_int_equal(try_to_file(folder, 0), ERR_NONE);
}

static inline enum err_code
status(uint32_t id)
{
	mailbox_status(store, who, id, on_folder, NULL);
	return finish();
}

static inline enum err_code
read_folder(uint32_t id)
{
	mailbox_read(store, who, id, 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0, on_records, NULL);
	return finish();
}

static inline enum err_code
keyword(uint32_t folder, uint32_t uid, enum mailbox_store_mode mode, const char *const *names, unsigned count)
{
	struct str list[64];
	struct mailbox_flag_change change = {
		.mode = mode, .keywords = list, .keyword_count = count, .unchanged_since = UINT64_MAX};

	for (unsigned i = 0; i < count; i++)
		list[i] = str_c(names[i]);
	mailbox_store_flags(store, who, folder, &uid, 1, &change, on_stored, NULL);
	return finish();
}

static inline const char *
keyword_of(uint64_t bits)
{
	for (unsigned i = 0; i < got.keyword_count; i++)
		if (bits == UINT64_C(1) << i)
			return got.keywords[i];
	return "";
}

/* ---- The actor ---- */

static struct actor {
	struct event_base *base;
	struct redis *redis;
	struct mailbox_store *store;
	bool done;
	enum err_code code;
	uint32_t count, uid_validity;
	uint32_t from[RECORDS_MAX], to[RECORDS_MAX];
} actor;

static inline void
on_copied(void *arg, const struct mailbox_copied *c, const struct err *err)
{
	(void)arg;
	actor.done = true;
	actor.code = err != NULL ? err->code : ERR_NONE;
	actor.count = c != NULL ? c->count : 0;
	actor.uid_validity = c != NULL ? c->uid_validity : 0;
	assert_true(actor.count <= RECORDS_MAX);
	for (uint32_t i = 0; i < actor.count; i++) {
		actor.from[i] = c->from_uids[i];
		actor.to[i] = c->to_uids[i];
	}
}

static inline void
actor_begin(int64_t lease_ms)
{
	actor.base = event_base_new();
	actor.redis = redis_new(actor.base, server.url, NULL);
	actor.store = mailbox_store_new(actor.redis, blobs.store);
	actor.store->copy_at_once = AT_ONCE;
	actor.store->copy_lease_ms = lease_ms;
	actor.done = false;
	while (!redis_is_connected(actor.redis))
		event_base_loop(actor.base, EVLOOP_ONCE);
}

static inline void
actor_copy(uint32_t from, const uint32_t *list, uint32_t count, const char *to, uint64_t quota)
{
	mailbox_copy(actor.store, who, from, list, count, str_c(to), false, quota, on_copied, NULL);
}

static inline void
actor_turn(void)
{
	event_base_loop(actor.base, EVLOOP_ONCE);
}

/* To the end of all that it asks. */
static inline void
actor_finish(void)
{
	while (!actor.done || redis_pending(actor.redis) != 0)
		actor_turn();
}

static inline void
actor_end(void)
{
	mailbox_store_free(&actor.store);
	redis_free(&actor.redis);
	event_base_free(actor.base);
}

/* ---- Scenes ---- */

/* MESSAGES in From, one in To, whose keywords have other bits. */
static inline void
scene_make(int64_t lease_ms)
{
	static const struct str word = {"$Label1", 7};
	static const char *const other[] = {"$Other"};
	struct mailbox_new_message list[MESSAGES];

	command("FLUSHALL");
	command("HSET user:{a@b.test} address a@b.test");
	create("From");
	assert_int_equal(got.folder.id, FROM);
	create("To");
	assert_int_equal(got.folder.id, TO);
	file_one("To");
	assert_int_equal(keyword(TO, 1, MAILBOX_FLAGS_ADD, other, 1), ERR_NONE);
	for (unsigned i = 0; i < MESSAGES; i++)
		list[i] = (struct mailbox_new_message){.flags = i % 2 == 0 ? MAILBOX_SEEN : MAILBOX_DELETED,
						       .keywords = &word,
						       .keyword_count = i % 3 == 0,
						       .body = bodies[i].id,
						       .internal_date = 1700000000 + i,
						       .zone_minutes = 60};
	file("From", list, MESSAGES);
	actor_begin(lease_ms);
}

/* And all of the first to the second. */
static inline void
scene_begin(int64_t lease_ms)
{
	scene_make(lease_ms);
	actor_copy(FROM, uids, MESSAGES, "To", 0);
}

/* References to the body beyond the first. */
static inline int64_t
references(unsigned body)
{
	char text[100];
	int64_t extra;

	snprintf(text, sizeof(text), "HGET blobrefs:{%016llx} %llu", (unsigned long long)bodies[body].id.pack,
		 (unsigned long long)bodies[body].id.offset);
	extra = command(text);
	return extra < 0 ? 0 : extra;
}

/* at_least: the answer to an addition was lost, so one may be too many. */
static inline void
check_references(bool at_least)
{
	int64_t records[MESSAGES] = {0};
	struct err err;

	for (uint32_t folder = FROM; folder <= COPY; folder++) {
		if (read_folder(folder) != ERR_NONE)
			continue;
		for (uint32_t i = 0; i < got.count; i++)
			for (unsigned b = 0; b < MESSAGES; b++)
				records[b] += got.cold[i].body.pack == bodies[b].id.pack &&
					      got.cold[i].body.offset == bodies[b].id.offset;
	}
	for (unsigned b = 0; b < MESSAGES; b++) {
		int64_t counted = 1 + references(b);
		if (at_least)
			assert_in_range(counted, records[b], records[b] + 1);
		else if (records[b] != 0)
			assert_int_equal(counted, records[b]);
		assert_true(body_is_intact(blobs.store, &bodies[b].id, bodies[b].seed, BODY_BYTES, &err));
	}
}

/* Nothing of the copy is in the store but what is in its folder. */
static inline void
check_nothing_left(void)
{
	assert_int_equal(command("EXISTS mail:{a@b.test}:copies mail:{a@b.test}:doomed"), 0);
	assert_int_equal(keys_like("mail:{a@b.test}:f:9*"), 0);
}

/* What To's counts say, and what is in it; false: it changed between. */
static inline bool
look_at_target(struct mailbox_folder *counts)
{
	assert_int_equal(status(TO), ERR_NONE);
	*counts = got.folder;
	assert_int_equal(read_folder(TO), ERR_NONE);
	return got.count == counts->messages;
}

/* `before` messages in To, or all of the copy behind them; tells whether. */
static inline bool
check_all_or_nothing(uint32_t before)
{
	struct mailbox_folder counts;
	bool all;

	/* It comes in but once. */
	assert_true(look_at_target(&counts) || look_at_target(&counts));
	all = counts.messages != before;
	assert_int_equal(counts.messages, all ? before + MESSAGES : before);
	assert_int_equal(counts.bytes, counts.messages * SIZE);
	assert_int_equal(counts.uid_next, all ? got.hot[got.count - 1].uid + 1 : before + 1);
	for (uint32_t i = 1; i < got.count; i++)
		assert_true(got.hot[i - 1].uid < got.hot[i].uid);
	return all;
}

/* Lists the folders, which dooms and reaps what was given up. */
static inline void
list_folders(void)
{
	mailbox_list(store, who, on_folders, NULL);
	assert_int_equal(finish(), ERR_NONE);
	for (unsigned i = 0; i < 1000 && command("EXISTS mail:{a@b.test}:doomed") != 0; i++)
		continue;
	command("PING"); /* behind the drops */
}

static inline void
turns(unsigned count)
{
	while (count-- != 0 && !actor.done)
		actor_turn();
}

static inline void
wait_ms(int ms)
{
	static const volatile bool never = false;

	redis_fixture_wait(blobs.base, &never, ms);
}

/* The actor's lease of 1 ms has ended, of what it has sent so far. The server looks at
 * all connections in turn: with the second answer it has done what it had before the
 * first question. */
static inline void
lease_ends(void)
{
	command("PING");
	command("PING");
	wait_ms(5);
}

/* Bodies whose last reference went are no more. */
static inline void
renew_bodies(void)
{
	static uint64_t seed = 1000;

	for (unsigned b = 0; b < MESSAGES; b++) {
		bodies[b] = (struct body){.seed = seed++, .len = BODY_BYTES};
		assert_true(body_put(&blobs, &bodies[b]));
	}
}

static inline int
setup(void **state)
{
	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	blob_fixture_start(&blobs);
	if (!redis_fixture_start(&server, false))
		return -1;
	redis = redis_new(blobs.base, server.url, NULL);
	store = mailbox_store_new(redis, blobs.store);
	while (!redis_is_connected(redis))
		event_base_loop(blobs.base, EVLOOP_ONCE);
	renew_bodies();
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	mailbox_store_free(&store);
	redis_free(&redis);
	redis_fixture_stop(&server);
	blob_fixture_stop(&blobs);
	return 0;
}

#endif
