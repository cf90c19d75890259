/* Folders of items beside those of mail, the log of folders, marks, ids as
 * addresses: against a real server. */
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
	uint32_t hot_count;
	struct mailbox_hot hot[RECORDS_MAX];
	struct mailbox_cold cold[RECORDS_MAX];
} got;

static void
ended(const struct err *err)
{
	got.done = true;
	got.code = err != NULL ? err->code : ERR_NONE;
	if (got.code == ERR_INVALID || got.code == ERR_UNAVAILABLE)
		print_message("%s\n", err->text);
}

static void
begin(void)
{
	memset(&got, 0, sizeof(got));
}

static enum err_code
finish(void)
{
	assert_true(redis_fixture_wait(base, &got.done, 30000));
	return got.code;
}

static void
on_done(void *arg, const struct err *err)
{
	(void)arg;
	ended(err);
}

static void
on_number(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	got.number = redis_i64(reply, -1);
	ended(err);
}

static int64_t
command(const char *text)
{
	begin();
	redis_callf(redis, on_number, NULL, text);
	assert_int_equal(finish(), ERR_NONE);
	return got.number;
}

static void
on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	(void)arg;
	if (folder != NULL)
		got.folder = *folder;
	ended(err);
}

static void
see_folder(const struct mailbox_folder *f, uint64_t modseq)
{
	struct folder_seen *s = &got.seen[got.folders];

	assert_true(got.folders++ < FOLDERS_MAX);
	*s = (struct folder_seen){.id = f->id, .class = f->class, .modseq = modseq, .born = f->born_modseq};
	str_copy(f->name, s->name, sizeof(s->name));
}

static void
on_folders(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *missing,
	   unsigned missing_count, const struct err *err)
{
	(void)arg, (void)missing, (void)missing_count;
	for (unsigned i = 0; i < count; i++)
		see_folder(&folders[i], 0);
	ended(err);
}

static void
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

static void
on_place(void *arg, const struct mailbox_place *place, const struct err *err)
{
	(void)arg;
	if (place != NULL)
		got.place = *place;
	ended(err);
}

static void
on_quota(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	(void)arg;
	if (used != NULL)
		got.quota = *used;
	ended(err);
}

static void
on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	(void)arg;
	if (filed != NULL)
		got.filed = *filed;
	ended(err);
}

static void
on_stored(void *arg, const struct mailbox_stored *s, const struct err *err)
{
	(void)arg;
	for (uint32_t i = 0; s != NULL && i < s->count; i++)
		mailbox_hot_unpack(s->hot + (size_t)i * MAILBOX_HOT_BYTES, &got.hot[i]);
	got.modseq = s != NULL ? s->modseq : 0;
	ended(err);
}

static void
on_expunged(void *arg, const struct mailbox_expunged *e, const struct err *err)
{
	(void)arg, (void)e;
	ended(err);
}

static void
on_copied(void *arg, const struct mailbox_copied *c, const struct err *err)
{
	(void)arg, (void)c;
	ended(err);
}

/* ---- Short forms ---- */

static enum err_code
items(unsigned classes, bool make_first)
{
	begin();
	mailbox_items(store, who, classes, make_first, on_folders, NULL);
	return finish();
}

static enum err_code
list(void)
{
	begin();
	mailbox_list(store, who, on_folders, NULL);
	return finish();
}

static enum err_code
create(enum mailbox_class class, const char *name)
{
	begin();
	if (class == MAILBOX_MAIL)
		mailbox_create(store, who, str_c(name), STR_NONE, on_folder, NULL);
	else
		mailbox_create_items(store, who, class, str_c(name), on_folder, NULL);
	return finish();
}

static enum err_code
open_folder(const char *name)
{
	begin();
	mailbox_open(store, who, str_c(name), on_folder, NULL);
	return finish();
}

static enum err_code
open_id(uint32_t id)
{
	begin();
	mailbox_status(store, who, id, on_folder, NULL);
	return finish();
}

static enum err_code
rename_id(uint32_t id, const char *to)
{
	begin();
	mailbox_rename_id(store, who, id, str_c(to), on_done, NULL);
	return finish();
}

static enum err_code
delete_id(uint32_t id)
{
	begin();
	mailbox_delete_id(store, who, id, on_done, NULL);
	return finish();
}

static enum err_code
reclass(uint32_t id, enum mailbox_class class)
{
	begin();
	mailbox_reclass(store, who, id, class, on_done, NULL);
	return finish();
}

static enum err_code
folders_since(unsigned classes, uint64_t since)
{
	begin();
	mailbox_folders_since(store, who, classes, since, on_folder_changes, NULL);
	return finish();
}

static enum err_code
find_email(uint64_t email_id)
{
	begin();
	mailbox_find_email(store, who, email_id, on_place, NULL);
	return finish();
}

static enum err_code
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

static enum err_code
store_flags(uint32_t uid, enum mailbox_store_mode mode, uint16_t flags, uint16_t mask)
{
	struct mailbox_flag_change change = {
		.mode = mode, .flags = flags, .mask = mask, .unchanged_since = UINT64_MAX};

	begin();
	mailbox_store_flags(store, who, 1, &uid, 1, &change, on_stored, NULL);
	return finish();
}

static enum err_code
expunge(uint32_t folder_id, uint32_t uid)
{
	begin();
	mailbox_expunge(store, who, folder_id, &uid, 1, false, on_expunged, NULL);
	return finish();
}

static enum err_code
move(uint32_t from, uint32_t uid, const char *to)
{
	begin();
	mailbox_copy(store, who, from, &uid, 1, str_c(to), true, 0, on_copied, NULL);
	return finish();
}

static struct mailbox_quota
quota(void)
{
	begin();
	mailbox_quota_used(store, who, on_quota, NULL);
	assert_int_equal(finish(), ERR_NONE);
	return got.quota;
}

static void
destroy(void)
{
	begin();
	mailbox_destroy(store, who, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
}

/* ---- Classes ---- */

/* Mail does not see folders of items, by whatever name. */
static void
test_classes(void **state)
{
	uint32_t calendar, team;

	(void)state;
	assert_int_equal(list(), ERR_NONE);
	assert_int_equal(got.folders, 6);
	assert_int_equal(items(MAILBOX_CLASSES_ALL & ~1u, false), ERR_NONE);
	assert_int_equal(got.folders, 0);
	assert_int_equal(items(MAILBOX_CLASS_BIT(MAILBOX_CALENDAR) | MAILBOX_CLASS_BIT(MAILBOX_TASKS), true), ERR_NONE);
	assert_int_equal(got.folders, 2);
	assert_string_equal(got.seen[0].name, "Calendar");
	assert_int_equal(got.seen[0].class, MAILBOX_CALENDAR);
	assert_string_equal(got.seen[1].name, "Tasks");
	calendar = got.seen[0].id;
	assert_int_equal(create(MAILBOX_CONTACTS, "Team/Old"), ERR_NONE);
	team = got.folder.id;
	assert_int_equal(got.folder.class, MAILBOX_CONTACTS);
	assert_int_equal(create(MAILBOX_TASKS, "Team"), ERR_EXISTS); /* one space of names */
	assert_int_equal(create(MAILBOX_MAIL, "Team"), ERR_NONE);    /* and another for mail */
	assert_int_equal(create(MAILBOX_CONTACTS, "Sent"), ERR_NONE);
	assert_int_equal(list(), ERR_NONE);
	assert_int_equal(got.folders, 7);
	assert_int_equal(open_folder("Calendar"), ERR_NOT_FOUND);
	assert_int_equal(open_folder("Team/Old"), ERR_NOT_FOUND);
	begin();
	mailbox_select(store, who, STR("Tasks"), true, on_folder, NULL);
	assert_int_equal(finish(), ERR_NOT_FOUND);
	begin();
	mailbox_delete(store, who, STR("Tasks"), on_done, NULL);
	assert_int_equal(finish(), ERR_NOT_FOUND);
	assert_int_equal(items(MAILBOX_CLASS_BIT(MAILBOX_CONTACTS), false), ERR_NONE);
	assert_int_equal(got.folders, 3);
	assert_int_equal(items(MAILBOX_CLASSES_ALL, false), ERR_NONE);
	assert_int_equal(got.folders, 7 + 5);

	/* By id: the class stays, and the levels below go along. */
	assert_int_equal(rename_id(calendar, "Kalender"), ERR_NONE);
	assert_int_equal(open_id(calendar), ERR_NONE);
	assert_int_equal(got.folder.class, MAILBOX_CALENDAR);
	assert_int_equal(items(MAILBOX_CLASS_BIT(MAILBOX_CALENDAR), true), ERR_NONE);
	assert_int_equal(got.folders, 1); /* it is the first one still */
	assert_string_equal(got.seen[0].name, "Kalender");
	assert_int_equal(rename_id(team, "Kalender"), ERR_EXISTS);
	assert_int_equal(rename_id(1, "x"), ERR_DENIED);
	assert_int_equal(delete_id(calendar), ERR_DENIED);
	assert_int_equal(delete_id(1), ERR_DENIED);
	assert_int_equal(delete_id(team), ERR_NONE);
	assert_int_equal(delete_id(team), ERR_NOT_FOUND);
	assert_int_equal(rename_id(team, "x"), ERR_NOT_FOUND);
	assert_int_equal(items(MAILBOX_CLASS_BIT(MAILBOX_CONTACTS), false), ERR_NONE);
	assert_int_equal(got.folders, 2);
	destroy();
	assert_int_equal(command("DBSIZE"), 1); /* the user */
}

static void
test_reclass(void **state)
{
	uint32_t id, mail;

	(void)state;
	assert_int_equal(create(MAILBOX_CALENDAR, "One"), ERR_NONE);
	id = got.folder.id;
	assert_int_equal(create(MAILBOX_MAIL, "One"), ERR_NONE);
	mail = got.folder.id;
	assert_int_equal(reclass(id, MAILBOX_TASKS), ERR_NONE);
	assert_int_equal(open_id(id), ERR_NONE);
	assert_int_equal(got.folder.class, MAILBOX_TASKS);
	assert_int_equal(reclass(id, MAILBOX_MAIL), ERR_DENIED);
	assert_int_equal(reclass(mail, MAILBOX_TASKS), ERR_DENIED);
	assert_int_equal(reclass(77, MAILBOX_TASKS), ERR_NOT_FOUND);
	assert_int_equal(items(MAILBOX_CLASS_BIT(MAILBOX_NOTES), true), ERR_NONE);
	assert_int_equal(reclass(got.seen[0].id, MAILBOX_TASKS), ERR_DENIED);
	destroy();
}

/* ---- The log of folders ---- */

static void
test_folder_log(void **state)
{
	uint32_t team, below;
	uint64_t since;

	(void)state;
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, 0), ERR_NONE);
	assert_int_equal(got.folders, 6);
	assert_true(got.complete);
	since = got.modseq;
	assert_int_equal(create(MAILBOX_CALENDAR, "Team/Below"), ERR_NONE);
	below = got.folder.id;
	assert_int_equal(file_many(3), ERR_NONE); /* no change of a folder itself */
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, since), ERR_NONE);
	assert_int_equal(got.folders, 2);
	assert_string_equal(got.seen[0].name, "Team");
	assert_string_equal(got.seen[1].name, "Team/Below");
	assert_true(got.seen[0].born > since);
	team = got.seen[0].id;
	since = got.modseq;
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, since), ERR_NONE);
	assert_int_equal(got.folders, 0);

	/* The one renamed is told, not those below it. */
	assert_int_equal(rename_id(team, "Crew"), ERR_NONE);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, since), ERR_NONE);
	assert_int_equal(got.folders, 1);
	assert_string_equal(got.seen[0].name, "Crew");
	assert_true(got.seen[0].born <= since);
	assert_int_equal(folders_since(MAILBOX_CLASS_BIT(MAILBOX_MAIL), since), ERR_NONE);
	assert_int_equal(got.folders, 0);

	assert_int_equal(reclass(below, MAILBOX_TASKS), ERR_NONE);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, since), ERR_NONE);
	assert_int_equal(got.folders, 3);
	assert_true(got.seen[1].gone && got.seen[1].class == MAILBOX_CALENDAR && got.seen[1].id == below);
	assert_true(!got.seen[2].gone && got.seen[2].class == MAILBOX_TASKS && got.seen[2].born == got.seen[2].modseq);
	since = got.modseq;

	assert_int_equal(delete_id(below), ERR_NONE);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, since), ERR_NONE);
	assert_int_equal(got.folders, 1);
	assert_true(got.seen[0].gone && got.seen[0].class == MAILBOX_TASKS && got.seen[0].id == below);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, 0), ERR_NONE);
	assert_int_equal(got.folders, 7);
	destroy();
}

/* Longer than a slice; and entries that are let go. */
static void
test_long_folder_log(void **state)
{
	uint32_t ids[450];
	uint64_t since;
	char name[20];

	(void)state;
	assert_int_equal(list(), ERR_NONE);
	for (unsigned i = 0; i < 450; i++) {
		snprintf(name, sizeof(name), "f%u", i);
		assert_int_equal(create(i % 2 == 0 ? MAILBOX_MAIL : MAILBOX_NOTES, name), ERR_NONE);
		ids[i] = got.folder.id;
	}
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, 0), ERR_NONE);
	assert_int_equal(got.folders, 456);
	for (unsigned i = 1; i < 456; i++)
		assert_true(got.seen[i].modseq >= got.seen[i - 1].modseq);
	assert_int_equal(folders_since(MAILBOX_CLASS_BIT(MAILBOX_NOTES), 0), ERR_NONE);
	assert_int_equal(got.folders, 225);
	since = got.modseq;
	for (unsigned i = 0; i < 300; i++)
		assert_int_equal(delete_id(ids[i]), ERR_NONE);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, since), ERR_NONE);
	assert_int_equal(got.folders, 300);
	assert_true(got.complete && got.seen[299].gone);
	mailbox_store_set_retention(store, 0);
	usleep(1100000); /* all of them are too old now */
	for (unsigned i = 300; i < 400; i++)
		assert_int_equal(delete_id(ids[i]), ERR_NONE);
	mailbox_store_set_retention(store, INT64_C(30) * 86400 * 1000);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, since), ERR_NONE);
	assert_false(got.complete);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, got.modseq), ERR_NONE);
	assert_true(got.complete);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, 0), ERR_NONE);
	assert_true(got.complete);
	destroy();
}

/* An account from before the log was kept. */
static void
test_folders_without_a_log(void **state)
{
	(void)state;
	assert_int_equal(list(), ERR_NONE);
	assert_int_equal(command("DEL mail:{a@b.test}:fmod"), 1);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, 0), ERR_NONE);
	assert_int_equal(got.folders, 6);
	assert_int_equal(folders_since(MAILBOX_CLASSES_ALL, got.modseq), ERR_NONE);
	assert_int_equal(got.folders, 0);
	destroy();
}

/* ---- Marks ---- */

/* IMAP's flags and others' marks share a field, and none touches the other's. */
static void
test_marks(void **state)
{
	(void)state;
	assert_int_equal(file_many(1), ERR_NONE);
	assert_int_equal(store_flags(1, MAILBOX_FLAGS_ADD, 0x0300, 0x0f00), ERR_NONE);
	assert_int_equal(got.hot[0].flags, 0x1f); /* as filed: no mark came in that way */
	assert_int_equal(got.hot[0].marks, 0x0300);
	assert_true(got.modseq != 0);
	assert_int_equal(store_flags(1, MAILBOX_FLAGS_SET, 0xff00 | MAILBOX_SEEN, 0), ERR_NONE);
	assert_int_equal(got.hot[0].flags, MAILBOX_SEEN);
	assert_int_equal(got.hot[0].marks, 0x0300);
	assert_int_equal(store_flags(1, MAILBOX_FLAGS_SET, 0, 0), ERR_NONE);
	assert_int_equal(got.hot[0].marks, 0x0300);
	assert_int_equal(store_flags(1, MAILBOX_FLAGS_REMOVE, 0x0100, 0x0f00), ERR_NONE);
	assert_int_equal(got.hot[0].marks, 0x0200);
	assert_int_equal(got.hot[0].flags, 0);
	destroy();
}

/* ---- By id ---- */

static void
test_find_email(void **state)
{
	uint32_t old;

	(void)state;
	assert_int_equal(find_email(1), ERR_NOT_FOUND);
	for (unsigned i = 0; i < 40; i++)
		assert_int_equal(file_many(1000), ERR_NONE); /* 157 chunks: more than a slice */
	assert_int_equal(find_email(39000), ERR_NONE);
	assert_int_equal(got.place.folder_id, 1);
	assert_int_equal(got.place.uid, 39000);
	assert_int_equal(command("HLEN mail:{a@b.test}:ids"), 1);
	assert_int_equal(move(1, 39000, "Archive"), ERR_NONE);
	assert_int_equal(find_email(39000), ERR_NONE);
	assert_int_equal(got.place.folder_id, 6);
	assert_int_equal(got.place.uid, 1);
	assert_int_equal(find_email(39000), ERR_NONE);
	assert_int_equal(got.place.folder_id, 6);
	assert_int_equal(expunge(6, 1), ERR_NONE);
	assert_int_equal(find_email(39000), ERR_NOT_FOUND);
	assert_int_equal(find_email(40001), ERR_NOT_FOUND);
	/* A folder that is being removed has none. */
	assert_int_equal(create(MAILBOX_MAIL, "Old"), ERR_NONE);
	old = got.folder.id;
	assert_int_equal(move(1, 7, "Old"), ERR_NONE);
	assert_int_equal(find_email(7), ERR_NONE);
	assert_int_equal(got.place.folder_id, old);
	assert_int_equal(delete_id(old), ERR_NONE);
	assert_int_equal(find_email(7), ERR_NOT_FOUND);
	/* The index does not grow without end. */
	for (uint64_t id = 100; id < 1400; id++)
		assert_int_equal(find_email(id), ERR_NONE);
	assert_int_equal(command("HLEN mail:{a@b.test}:ids"), 1024);
	destroy();
}

/* What is expunged from a folder that is being removed was taken off the account
 * with the folder. */
static void
test_expunge_from_a_deleted_folder(void **state)
{
	uint32_t id;

	(void)state;
	assert_int_equal(create(MAILBOX_MAIL, "Old"), ERR_NONE);
	id = got.folder.id;
	assert_int_equal(file_many(3), ERR_NONE);
	assert_int_equal(move(1, 2, "Old"), ERR_NONE);
	begin();
	mailbox_delete_id(store, who, id, on_done, NULL);
	{
		const uint32_t uid = 1;
		mailbox_expunge(store, who, id, &uid, 1, false, on_expunged, NULL); /* in front of the reaping */
	}
	finish();
	assert_int_equal(quota().bytes, 20);
	assert_int_equal(got.quota.messages, 2);
	destroy();
}

static int
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

static int
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_classes),
		cmocka_unit_test(test_reclass),
		cmocka_unit_test(test_folder_log),
		cmocka_unit_test(test_long_folder_log),
		cmocka_unit_test(test_folders_without_a_log),
		cmocka_unit_test(test_marks),
		cmocka_unit_test(test_find_email),
		cmocka_unit_test(test_expunge_from_a_deleted_folder),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
