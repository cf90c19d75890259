/* A store of mailboxes, and what it answered last. Header only; every test program has
 * its own. mailbox_fixture.h and items_fixture.h have short forms of its calls. */
#ifndef SP_TESTS_UNIT_MAILBOX_STORE_FIXTURE_H
#define SP_TESTS_UNIT_MAILBOX_STORE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/thread.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/mailbox/items.h"
#include "tests/unit/redis_fixture.h"

enum { RECORDS_MAX = 1000, FOLDERS_MAX = 700 };

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct blob_store *blobs;
static struct mailbox_store *store;

static const struct str who = {"a@b.test", 8};

/* What the last call answered, copied. */
static struct answer {
	volatile bool done;
	enum err_code code;
	int64_t number;
	uint64_t modseq;
	bool complete;
	struct mailbox_filed filed;
	struct mailbox_folder folder;
	char special[40];
	unsigned keyword_count;
	char keywords[64][40];
	uint32_t hot_count;
	struct mailbox_hot hot[RECORDS_MAX];
	struct mailbox_cold cold[RECORDS_MAX];
	uint32_t uid_count;
	uint32_t uids[RECORDS_MAX], to_uids[RECORDS_MAX];
	unsigned folders, missing;
	struct folder_seen {
		uint32_t id;
		enum mailbox_class class;
		char name[80];
		uint64_t modseq, born;
		bool gone;
	} seen[FOLDERS_MAX];
	/* Of a delivery */
	bool flag, passed;
	/* Of items */
	struct mailbox_place place;
	struct mailbox_quota quota;
	struct mailbox_put_done put;
	uint32_t texts;
	char text[8][80]; /* names, or what lies beside records */
} got;

static inline void
ended(const struct err *err)
{
	got.done = true;
	got.code = err != NULL ? err->code : ERR_NONE;
	if (got.code == ERR_INVALID || got.code == ERR_UNAVAILABLE)
		print_message("%s\n", err->text);
}

static inline void
begin(void)
{
	memset(&got, 0, sizeof(got));
}

static inline enum err_code
finish(void)
{
	assert_true(redis_fixture_wait(base, &got.done, 30000));
	return got.code;
}

static inline void
on_done(void *arg, const struct err *err)
{
	(void)arg;
	ended(err);
}

static inline void
on_number(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	got.number = redis_i64(reply, -1);
	ended(err);
}

/* A command whose answer is a number. */
static inline int64_t
command(const char *text)
{
	begin();
	redis_callf(redis, on_number, NULL, text);
	assert_int_equal(finish(), ERR_NONE);
	return got.number;
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
on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	(void)arg;
	if (filed != NULL)
		got.filed = *filed;
	ended(err);
}

static inline void
take_hot(const char *hot, uint32_t count)
{
	got.hot_count = count;
	for (uint32_t i = 0; i < count && i < RECORDS_MAX; i++)
		mailbox_hot_unpack(hot + (size_t)i * MAILBOX_HOT_BYTES, &got.hot[i]);
}

static inline void
on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	(void)arg;
	if (r != NULL) {
		take_hot(r->hot, r->count);
		got.modseq = r->highest_modseq;
		for (uint32_t i = 0; r->cold != NULL && i < r->count && i < RECORDS_MAX; i++)
			mailbox_cold_unpack(r->cold + (size_t)i * MAILBOX_COLD_BYTES, &got.cold[i]);
	}
	ended(err);
}

static inline void
take_uids(uint32_t *out, const uint32_t *uids, uint32_t count)
{
	got.uid_count = count;
	for (uint32_t i = 0; i < count && i < RECORDS_MAX; i++)
		out[i] = uids[i];
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
see_folder(const struct mailbox_folder *f, uint64_t modseq)
{
	struct folder_seen *s = &got.seen[got.folders];

	assert_true(got.folders++ < FOLDERS_MAX);
	*s = (struct folder_seen){.id = f->id, .class = f->class, .modseq = modseq, .born = f->born_modseq};
	str_copy(f->name, s->name, sizeof(s->name));
}

static inline void
on_folders(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *missing,
	   unsigned missing_count, const struct err *err)
{
	(void)arg, (void)missing;
	got.missing = missing_count;
	for (unsigned i = 0; i < count; i++)
		see_folder(&folders[i], 0);
	ended(err);
}

static inline enum err_code
open_folder(const char *name)
{
	begin();
	mailbox_open(store, who, str_c(name), on_folder, NULL);
	return finish();
}

static inline void
destroy(void)
{
	begin();
	mailbox_destroy(store, who, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
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

#endif
