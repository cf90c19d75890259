/* A store of mailboxes with what it answered last, and short forms of its calls. */
#ifndef SP_TESTS_UNIT_MAILBOX_FIXTURE_H
#define SP_TESTS_UNIT_MAILBOX_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/thread.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/mailbox/mailbox.h"
#include "lib/mailbox/name.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct blob_store *blobs;
static struct mailbox_store *store;

/* What the last call answered, copied. */
static struct answer {
	volatile bool done;
	enum err_code code;
	struct mailbox_filed filed;
	struct mailbox_folder folder;
	char special[40];
	unsigned folders;
	char names[64][80];
	uint32_t hot_count;
	struct mailbox_hot hot[1000];
	struct mailbox_cold cold[1000];
	uint64_t modseq;
	uint32_t uid_count;
	uint32_t uids[1000], to_uids[1000];
	bool complete, flag, passed;
	unsigned keyword_count;
	char keywords[64][40];
} got;

static inline void
ended(const struct err *err)
{
	got.done = true;
	got.code = err != NULL ? err->code : ERR_NONE;
	if (got.code == ERR_INVALID)
		print_message("%s\n", err->text);
}

static inline enum err_code
finish(void)
{
	assert_true(redis_fixture_wait(base, &got.done, 10000));
	return got.code;
}

static inline void
begin(void)
{
	memset(&got, 0, sizeof(got));
}

static inline void
on_done(void *arg, const struct err *err)
{
	(void)arg;
	ended(err);
}

static inline void
on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	(void)arg;
	if (filed != NULL)
		got.filed = *filed;
	ended(err);
}

static inline void
take_keywords(const struct str *names, unsigned count)
{
	got.keyword_count = count;
	for (unsigned i = 0; i < count; i++)
		str_copy(names[i], got.keywords[i], sizeof(got.keywords[i]));
}

static inline void
on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	(void)arg;
	if (folder != NULL) {
		got.folder = *folder;
		str_copy(folder->special_use, got.special, sizeof(got.special));
		take_keywords(folder->keywords, folder->keyword_count);
	}
	ended(err);
}

static inline void
take_hot(const char *hot, uint32_t count)
{
	got.hot_count = count;
	for (uint32_t i = 0; i < count && i < 1000; i++)
		mailbox_hot_unpack(hot + (size_t)i * MAILBOX_HOT_BYTES, &got.hot[i]);
}

static inline void
on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	(void)arg;
	if (r != NULL) {
		take_hot(r->hot, r->count);
		got.modseq = r->highest_modseq;
		for (uint32_t i = 0; r->cold != NULL && i < r->count && i < 1000; i++)
			mailbox_cold_unpack(r->cold + (size_t)i * MAILBOX_COLD_BYTES, &got.cold[i]);
	}
	ended(err);
}

static inline void
take_uids(uint32_t *out, const uint32_t *uids, uint32_t count)
{
	got.uid_count = count;
	for (uint32_t i = 0; i < count && i < 1000; i++)
		out[i] = uids[i];
}

static inline void
on_changes(void *arg, const struct mailbox_changes *c, const struct err *err)
{
	(void)arg;
	if (c != NULL) {
		take_hot(c->records.hot, c->records.count);
		take_uids(got.uids, c->gone_uids, c->gone_count);
		got.complete = c->complete;
		got.modseq = c->records.highest_modseq;
	}
	ended(err);
}

static inline void
on_stored(void *arg, const struct mailbox_stored *s, const struct err *err)
{
	(void)arg;
	if (s != NULL) {
		take_hot(s->hot, s->count);
		take_uids(got.uids, s->modified_uids, s->modified_count);
		got.modseq = s->modseq;
		take_keywords(s->keywords, s->keyword_count);
	}
	ended(err);
}

static inline void
on_expunged(void *arg, const struct mailbox_expunged *e, const struct err *err)
{
	(void)arg;
	if (e != NULL) {
		take_uids(got.uids, e->uids, e->count);
		got.modseq = e->modseq;
	}
	ended(err);
}

static inline void
on_copied(void *arg, const struct mailbox_copied *c, const struct err *err)
{
	(void)arg;
	if (c != NULL) {
		take_uids(got.uids, c->from_uids, c->count);
		take_uids(got.to_uids, c->to_uids, c->count);
		got.modseq = c->modseq;
	}
	ended(err);
}

static inline void
on_filed_flag(void *arg, bool filed, bool had_passed, const struct err *err)
{
	(void)arg;
	got.flag = filed;
	got.passed = had_passed;
	ended(err);
}

/* ---- Short forms ---- */

static const struct str who = {"a@b.test", 8};

static inline enum err_code
file_one(const char *folder, const struct mailbox_delivery *delivery, uint64_t size, uint64_t flags, uint64_t quota)
{
	static const struct str keyword = {"$Label1", 7};
	struct mailbox_new_message m = {.flags = flags & 31,
					.body = {0, 0, size},
					.internal_date = 1700000000,
					.zone_minutes = -90,
					.keywords = &keyword,
					.keyword_count = (flags & 32) != 0};
	struct mailbox_filing f = {.address = who,
				   .folder = str_c(folder),
				   .delivery = delivery,
				   .quota_bytes = quota,
				   .messages = &m,
				   .count = 1};
	begin();
	mailbox_file(store, &f, on_filed, NULL);
	return finish();
}

static inline enum err_code
open_folder(const char *name)
{
	begin();
	mailbox_open(store, who, str_c(name), on_folder, NULL);
	return finish();
}

static inline enum err_code
read_folder(uint32_t id, uint32_t first, uint32_t last, uint64_t since)
{
	begin();
	mailbox_read(store, who, id, first, last, MAILBOX_HOT | MAILBOX_COLD, since, on_records, NULL);
	return finish();
}

static inline enum err_code
store_flags(uint32_t id, const uint32_t *uids, uint32_t count, enum mailbox_store_mode mode, uint16_t flags,
	    const char *keyword, uint64_t unchanged_since)
{
	struct str k = str_c(keyword);
	struct mailbox_flag_change change = {mode, flags, &k, keyword != NULL, unchanged_since, 0};
	begin();
	mailbox_store_flags(store, who, id, uids, count, &change, on_stored, NULL);
	return finish();
}

static inline enum err_code
expunge(uint32_t id, const uint32_t *uids, uint32_t count, bool only_deleted)
{
	begin();
	mailbox_expunge(store, who, id, uids, count, only_deleted, on_expunged, NULL);
	return finish();
}

static inline enum err_code
copy(uint32_t from, const uint32_t *uids, uint32_t count, const char *to, bool move)
{
	begin();
	mailbox_copy(store, who, from, uids, count, str_c(to), move, 0, on_copied, NULL);
	return finish();
}

static inline enum err_code
changes(uint32_t id, uint64_t since)
{
	begin();
	mailbox_read_changes(store, who, id, since, false, on_changes, NULL);
	return finish();
}

static inline enum err_code
create(const char *name)
{
	begin();
	mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	return finish();
}

static inline void
destroy(void)
{
	begin();
	mailbox_destroy(store, who, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

static inline void
on_number(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	got.modseq = (uint64_t)redis_i64(reply, 0);
	ended(err);
}

/* A command whose answer is a number. */
static inline int64_t
command(const char *text)
{
	begin();
	redis_callf(redis, on_number, NULL, text);
	assert_int_equal(finish(), ERR_NONE);
	return (int64_t)got.modseq;
}

static inline int
setup(void **state)
{
	char url[128];
	struct err err;
	bool never = false;

	(void)state;
	evthread_use_pthreads();
	if (!redis_fixture_start(&server, false))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
	snprintf(url, sizeof(url), "file:%s/blobs", server.dir);
	blobs = blob_store_open(base, url, &err);
	store = mailbox_store_new(redis, blobs);
	redis_fixture_wait(base, &never, 200);
	if (!redis_is_connected(redis))
		return -1;
	command("HSET user:{a@b.test} address a@b.test");
	return 0;
}

static inline int
teardown(void **state)
{
	(void)state;
	mailbox_store_free(&store);
	redis_free(&redis);
	blob_store_close(&blobs);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

/* ---- The ledger of deliveries ---- */

static const int64_t day_ms = 86400000;

static inline struct mailbox_delivery
delivery(const char *id, const char *way)
{
	return (struct mailbox_delivery){.spool_id = str_c(id),
					 .way = str_c(way),
					 .spooled_ms = clock_unix_ms(),
					 .begun_ms = clock_unix_ms(),
					 .ledger_life_ms = 12 * day_ms};
}

/* The account as it was at first, its ledgers too. */
static inline void
begin_anew(void)
{
	command("FLUSHALL");
	command("HSET user:{a@b.test} address a@b.test");
}

static inline void
make_folder(const char *name)
{
	begin();
	mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

#endif
