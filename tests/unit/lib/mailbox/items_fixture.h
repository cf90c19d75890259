/* Folders of items against a real server: the calls, and the last answer. Header
 * only; every test program has its own. */
#ifndef SP_TESTS_UNIT_ITEMS_FIXTURE_H
#define SP_TESTS_UNIT_ITEMS_FIXTURE_H

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
	struct mailbox_folder folder;
	struct mailbox_place place;
	struct mailbox_quota quota;
	struct mailbox_filed filed;
	unsigned folders;
	struct folder_seen {
		uint32_t id;
		enum mailbox_class class;
		char name[40];
		uint64_t modseq, born;
		bool gone;
	} seen[FOLDERS_MAX];
	uint64_t modseq;
	bool complete;
	struct mailbox_put_done put;
	uint32_t texts;
	char text[8][80]; /* names, or what lies beside records */
	uint32_t hot_count;
	struct mailbox_hot hot[RECORDS_MAX];
	struct mailbox_cold cold[RECORDS_MAX];
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

static inline int64_t
command(const char *text)
{
	begin();
	redis_callf(redis, on_number, NULL, text);
	assert_int_equal(finish(), ERR_NONE);
	return got.number;
}

static inline void
on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	(void)arg;
	if (folder != NULL)
		got.folder = *folder;
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
	(void)arg, (void)missing, (void)missing_count;
	for (unsigned i = 0; i < count; i++)
		see_folder(&folders[i], 0);
	ended(err);
}

static inline void
on_folder_changes(void *arg, const struct mailbox_folder_changes *c, const struct err *err)
{
	(void)arg;
	for (uint32_t i = 0; c != NULL && i < c->count; i++) {
		const struct mailbox_folder_change *change = &c->list[i];

		see_folder(&change->folder, change->modseq);
		got.seen[i].id = change->id;
		got.seen[i].class = change->class;
		got.seen[i].gone = change->gone;
	}
	if (c != NULL) {
		got.modseq = c->modseq;
		got.complete = c->complete;
	}
	ended(err);
}

static inline void
on_place(void *arg, const struct mailbox_place *place, const struct err *err)
{
	(void)arg;
	if (place != NULL)
		got.place = *place;
	ended(err);
}

static inline void
on_quota(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	(void)arg;
	if (used != NULL)
		got.quota = *used;
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
on_stored(void *arg, const struct mailbox_stored *s, const struct err *err)
{
	(void)arg;
	for (uint32_t i = 0; s != NULL && i < s->count; i++)
		mailbox_hot_unpack(s->hot + (size_t)i * MAILBOX_HOT_BYTES, &got.hot[i]);
	got.modseq = s != NULL ? s->modseq : 0;
	ended(err);
}

static inline void
on_expunged(void *arg, const struct mailbox_expunged *e, const struct err *err)
{
	(void)arg, (void)e;
	ended(err);
}

static inline void
on_copied(void *arg, const struct mailbox_copied *c, const struct err *err)
{
	(void)arg, (void)c;
	ended(err);
}

static inline void
on_put(void *arg, const struct mailbox_put_done *put, const struct err *err)
{
	(void)arg;
	if (put != NULL)
		got.put = *put;
	ended(err);
}

static inline void
on_texts(void *arg, const struct str *texts, uint32_t count, const struct err *err)
{
	(void)arg;
	got.texts = count;
	for (uint32_t i = 0; i < count; i++)
		str_copy(texts[i], got.text[i], sizeof(got.text[i]));
	ended(err);
}

static inline void
on_extra_set(void *arg, uint64_t modseq, const struct err *err)
{
	(void)arg;
	got.modseq = modseq;
	ended(err);
}

static inline void
on_records(void *arg, const struct mailbox_records *r, const struct err *err)
{
	(void)arg;
	got.hot_count = r != NULL ? r->count : 0;
	for (uint32_t i = 0; i < got.hot_count && i < RECORDS_MAX; i++) {
		mailbox_hot_unpack(r->hot + (size_t)i * MAILBOX_HOT_BYTES, &got.hot[i]);
		mailbox_cold_unpack(r->cold + (size_t)i * MAILBOX_COLD_BYTES, &got.cold[i]);
	}
	ended(err);
}

/* ---- Short forms ---- */

static inline enum err_code
items(unsigned classes, bool make_first)
{
	begin();
	mailbox_items(store, who, classes, make_first, on_folders, NULL);
	return finish();
}

static inline enum err_code
list(void)
{
	begin();
	mailbox_list(store, who, on_folders, NULL);
	return finish();
}

static inline enum err_code
create(enum mailbox_class class, const char *name)
{
	begin();
	if (class == MAILBOX_MAIL)
		mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	else
		mailbox_create_items(store, who, class, str_c(name), on_folder, NULL);
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
open_id(uint32_t id)
{
	begin();
	mailbox_status(store, who, id, on_folder, NULL);
	return finish();
}

static inline enum err_code
rename_id(uint32_t id, const char *to)
{
	begin();
	mailbox_rename_id(store, who, id, str_c(to), on_done, NULL);
	return finish();
}

static inline enum err_code
delete_id(uint32_t id)
{
	begin();
	mailbox_delete_id(store, who, id, on_done, NULL);
	return finish();
}

static inline enum err_code
reclass(uint32_t id, enum mailbox_class class)
{
	begin();
	mailbox_reclass(store, who, id, class, on_done, NULL);
	return finish();
}

static inline enum err_code
folders_since(unsigned classes, uint64_t since)
{
	begin();
	mailbox_folders_since(store, who, classes, since, on_folder_changes, NULL);
	return finish();
}

static inline enum err_code
find_email(uint64_t email_id)
{
	begin();
	mailbox_find_email(store, who, email_id, on_place, NULL);
	return finish();
}

static inline enum err_code
file_many(unsigned count)
{
	struct mailbox_new_message *messages = mem_alloc(count * sizeof(*messages));
	struct mailbox_filing f = {.address = who, .messages = messages, .count = count};

	for (unsigned i = 0; i < count; i++)
		messages[i] = (struct mailbox_new_message){.body = {0, 0, 10}, .flags = 0xffff};
	begin();
	mailbox_file(store, &f, on_filed, NULL);
	mem_free(messages);
	return finish();
}

static inline enum err_code
store_flags(uint32_t uid, enum mailbox_store_mode mode, uint16_t flags, uint16_t mask)
{
	struct mailbox_flag_change change = {
		.mode = mode, .flags = flags, .mask = mask, .unchanged_since = UINT64_MAX};

	begin();
	mailbox_store_flags(store, who, 1, &uid, 1, &change, on_stored, NULL);
	return finish();
}

static inline enum err_code
expunge(uint32_t folder_id, uint32_t uid)
{
	begin();
	mailbox_expunge(store, who, folder_id, &uid, 1, false, on_expunged, NULL);
	return finish();
}

static inline enum err_code
move(uint32_t from, uint32_t uid, const char *to)
{
	begin();
	mailbox_copy(store, who, from, &uid, 1, str_c(to), true, 0, on_copied, NULL);
	return finish();
}

static inline enum err_code
put(const struct mailbox_put *p)
{
	struct mailbox_put one = *p;

	one.address = who;
	if (one.unchanged_since == 0)
		one.unchanged_since = UINT64_MAX;
	begin();
	mailbox_put(store, &one, on_put, NULL);
	return finish();
}

static inline enum err_code
read_all(uint32_t folder_id)
{
	begin();
	mailbox_read(store, who, folder_id, 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0, on_records, NULL);
	return finish();
}

static inline enum err_code
find_item(uint32_t folder_id, const unsigned char *key, const char *name)
{
	begin();
	mailbox_find_item(store, who, folder_id, key, str_c(name), on_place, NULL);
	return finish();
}

/* In got.text. */
static inline void
get_texts(bool names, uint32_t folder_id, uint32_t first_uid, uint32_t count)
{
	uint32_t uids[8];

	for (uint32_t i = 0; i < count; i++)
		uids[i] = first_uid + i;
	begin();
	if (names)
		mailbox_get_names(store, who, folder_id, uids, count, on_texts, NULL);
	else
		mailbox_get_extra(store, who, folder_id, uids, count, on_texts, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(got.texts, count);
}

static inline enum err_code
set_extra(uint32_t folder_id, uint32_t uid, const char *extra, uint64_t unchanged_since)
{
	begin();
	mailbox_set_extra(store, who, folder_id, uid, str_c(extra), unchanged_since, on_extra_set, NULL);
	return finish();
}

static inline uint32_t
make_calendar(void)
{
	assert_int_equal(create(MAILBOX_CALENDAR, "Mine"), ERR_NONE);
	return got.folder.id;
}

static inline struct mailbox_quota
quota(void)
{
	begin();
	mailbox_quota_used(store, who, on_quota, NULL);
	assert_int_equal(finish(), ERR_NONE);
	return got.quota;
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
