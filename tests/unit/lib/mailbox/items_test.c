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
	struct mailbox_put_done put;
	uint32_t texts;
	char text[8][80]; /* names, or what lies beside records */
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

static void
on_put(void *arg, const struct mailbox_put_done *put, const struct err *err)
{
	(void)arg;
	if (put != NULL)
		got.put = *put;
	ended(err);
}

static void
on_texts(void *arg, const struct str *texts, uint32_t count, const struct err *err)
{
	(void)arg;
	got.texts = count;
	for (uint32_t i = 0; i < count; i++)
		str_copy(texts[i], got.text[i], sizeof(got.text[i]));
	ended(err);
}

static void
on_extra_set(void *arg, uint64_t modseq, const struct err *err)
{
	(void)arg;
	got.modseq = modseq;
	ended(err);
}

static void
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

static enum err_code
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

static enum err_code
read_all(uint32_t folder_id)
{
	begin();
	mailbox_read(store, who, folder_id, 1, UINT32_MAX, MAILBOX_HOT | MAILBOX_COLD, 0, on_records, NULL);
	return finish();
}

static enum err_code
find_item(uint32_t folder_id, const unsigned char *key, const char *name)
{
	begin();
	mailbox_find_item(store, who, folder_id, key, str_c(name), on_place, NULL);
	return finish();
}

/* In got.text. */
static void
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

static enum err_code
set_extra(uint32_t folder_id, uint32_t uid, const char *extra, uint64_t unchanged_since)
{
	begin();
	mailbox_set_extra(store, who, folder_id, uid, str_c(extra), unchanged_since, on_extra_set, NULL);
	return finish();
}

static uint32_t
make_calendar(void)
{
	assert_int_equal(create(MAILBOX_CALENDAR, "Mine"), ERR_NONE);
	return got.folder.id;
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

/* ---- Items ---- */

static const unsigned char key_a[MAILBOX_KEY_BYTES] = "a\0b\r\n key.."; /* any bytes */
static const unsigned char key_b[MAILBOX_KEY_BYTES] = "another.key";

static void
test_put(void **state)
{
	uint32_t folder = make_calendar();
	struct mailbox_put new = {.folder_id = folder, .size = 100, .key = key_a, .date = -7, .kind = 0x123};
	struct mailbox_put change = {.folder_id = folder, .uid = 1, .size = 30, .flags = MAILBOX_SEEN | 0x8000};
	uint64_t first;

	(void)state;
	assert_int_equal(put(&new), ERR_NONE);
	assert_int_equal(got.put.folder_id, folder);
	assert_int_equal(got.put.uid, 1);
	assert_true(got.put.took_reference && !got.put.duplicate);
	first = got.put.modseq;
	assert_int_equal(read_all(folder), ERR_NONE);
	assert_int_equal(got.hot_count, 1);
	assert_int_equal(got.hot[0].modseq, first);
	assert_int_equal(got.hot[0].size, 100);
	assert_int_equal(got.cold[0].internal_date, -7);
	assert_int_equal(got.cold[0].zone_minutes, 0x123);
	assert_int_equal(quota().bytes, 100);
	assert_int_equal(got.quota.messages, 0);

	/* In place: UID and email id stay. */
	change.unchanged_since = first - 1;
	assert_int_equal(put(&change), ERR_FENCED);
	change.unchanged_since = first;
	assert_int_equal(put(&change), ERR_NONE);
	assert_int_equal(got.put.uid, 1);
	assert_true(got.put.modseq > first);
	assert_int_equal(put(&change), ERR_FENCED);
	assert_int_equal(read_all(folder), ERR_NONE);
	assert_int_equal(got.hot_count, 1);
	assert_int_equal(got.hot[0].email_id, 1);
	assert_int_equal(got.hot[0].size, 30);
	assert_int_equal(got.hot[0].flags, MAILBOX_SEEN);
	assert_int_equal(got.hot[0].marks, 0);
	assert_int_equal(open_id(folder), ERR_NONE);
	assert_int_equal(got.folder.messages, 1);
	assert_int_equal(got.folder.unseen, 0);
	assert_int_equal(got.folder.bytes, 30);
	assert_int_equal(quota().bytes, 30);

	change.uid = 9;
	change.unchanged_since = 0;
	assert_int_equal(put(&change), ERR_NOT_FOUND);
	change.folder_id = 99;
	assert_int_equal(put(&change), ERR_NOT_FOUND);
	new.folder_id = 1;
	assert_int_equal(put(&new), ERR_DENIED);

	/* What does not grow fits in an account that is full. */
	change = (struct mailbox_put){.folder_id = folder, .uid = 1, .size = 30, .quota_bytes = 20};
	assert_int_equal(put(&change), ERR_NONE);
	change.size = 31;
	assert_int_equal(put(&change), ERR_OVER_QUOTA);
	change.uid = 0;
	change.size = 1;
	assert_int_equal(put(&change), ERR_OVER_QUOTA);

	assert_int_equal(expunge(folder, 1), ERR_NONE);
	assert_int_equal(quota().bytes, 0);
	assert_int_equal(got.quota.messages, 0);
	assert_int_equal(put(&(struct mailbox_put){.folder_id = folder, .size = 5}), ERR_NONE);
	assert_int_equal(got.put.uid, 2);
	assert_int_equal(delete_id(folder), ERR_NONE);
	assert_int_equal(quota().bytes, 0);
	assert_int_equal(put(&(struct mailbox_put){.folder_id = folder, .size = 5}), ERR_NOT_FOUND);
	destroy();
}

static void
test_names(void **state)
{
	uint32_t folder = make_calendar();
	struct mailbox_put a = {.folder_id = folder, .size = 1, .key = key_a, .name = STR("one.ics")};
	struct mailbox_put b = {.folder_id = folder, .size = 1, .key = key_b, .name = STR("one.ics")};
	char long_name[MAILBOX_ITEM_NAME_MAX + 2];

	(void)state;
	assert_int_equal(put(&a), ERR_NONE);
	assert_int_equal(put(&a), ERR_EXISTS);
	assert_int_equal(got.put.other_uid, 1);
	assert_int_equal(put(&b), ERR_EXISTS); /* its name */
	assert_int_equal(got.put.other_uid, 1);
	b.name = STR("two.ics");
	b.key = key_a;
	assert_int_equal(put(&b), ERR_EXISTS); /* its key */
	assert_int_equal(read_all(folder), ERR_NONE);
	assert_int_equal(got.hot_count, 1);
	b.key = key_b;
	assert_int_equal(put(&b), ERR_NONE);
	assert_int_equal(find_item(folder, key_a, ""), ERR_NONE);
	assert_int_equal(got.place.uid, 1);
	assert_int_equal(find_item(folder, NULL, "two.ics"), ERR_NONE);
	assert_int_equal(got.place.uid, 2);
	assert_int_equal(find_item(folder, NULL, "three.ics"), ERR_NOT_FOUND);

	/* They stay where none is given; another takes the place of the old. */
	assert_int_equal(put(&(struct mailbox_put){.folder_id = folder, .uid = 1, .size = 2}), ERR_NONE);
	assert_int_equal(find_item(folder, key_a, ""), ERR_NONE);
	assert_int_equal(find_item(folder, NULL, "one.ics"), ERR_NONE);
	assert_int_equal(put(&(struct mailbox_put){.folder_id = folder, .uid = 1, .size = 2, .name = STR("two.ics")}),
			 ERR_EXISTS);
	assert_int_equal(got.put.other_uid, 2);
	assert_int_equal(put(&(struct mailbox_put){.folder_id = folder, .uid = 1, .size = 2, .name = STR("uno.ics")}),
			 ERR_NONE);
	assert_int_equal(find_item(folder, NULL, "one.ics"), ERR_NOT_FOUND);
	assert_int_equal(find_item(folder, NULL, "uno.ics"), ERR_NONE);
	assert_int_equal(find_item(folder, key_a, ""), ERR_NONE);
	get_texts(true, folder, 1, 3);
	assert_string_equal(got.text[0], "uno.ics");
	assert_string_equal(got.text[1], "two.ics");
	assert_string_equal(got.text[2], "");

	/* What is gone is still told by name, and its name and key are free. */
	assert_int_equal(expunge(folder, 1), ERR_NONE);
	assert_int_equal(find_item(folder, key_a, ""), ERR_NOT_FOUND);
	get_texts(true, folder, 1, 1);
	assert_string_equal(got.text[0], "uno.ics");
	a.name = STR("uno.ics");
	assert_int_equal(put(&a), ERR_NONE);
	assert_int_equal(got.put.uid, 3);
	/* Until its tombstone goes. */
	mailbox_store_set_retention(store, 0);
	usleep(1100000);
	assert_int_equal(expunge(folder, 2), ERR_NONE);
	mailbox_store_set_retention(store, INT64_C(30) * 86400 * 1000);
	get_texts(true, folder, 1, 3);
	assert_string_equal(got.text[0], "");
	assert_string_equal(got.text[2], "uno.ics");

	memset(long_name, 'x', sizeof(long_name));
	a.name = str_of(long_name, MAILBOX_ITEM_NAME_MAX + 1);
	assert_int_equal(put(&a), ERR_LIMIT);
	destroy();
}

static enum err_code
add_keyword(uint32_t folder_id, uint32_t uid, const char *keyword)
{
	const struct str k = str_c(keyword);
	struct mailbox_flag_change change = {
		.mode = MAILBOX_FLAGS_ADD, .keywords = &k, .keyword_count = 1, .unchanged_since = UINT64_MAX};

	begin();
	mailbox_store_flags(store, who, folder_id, &uid, 1, &change, on_stored, NULL);
	return finish();
}

static enum err_code
move_item(uint32_t from, uint32_t uid, uint32_t to, const char *name, uint64_t unchanged_since)
{
	begin();
	mailbox_move_item(store, who, from, uid, to, str_c(name), unchanged_since, on_put, NULL);
	return finish();
}

static void
test_move_item(void **state)
{
	const struct str bag = STR("bag");
	uint32_t here = make_calendar(), there, tasks;
	struct mailbox_put p = {.folder_id = here,
				.size = 9,
				.flags = MAILBOX_SEEN,
				.key = key_a,
				.name = STR("one.ics"),
				.extra = &bag,
				.body = {0, 7, 9},
				.date = 5};
	uint64_t since;

	(void)state;
	assert_int_equal(create(MAILBOX_CALENDAR, "Other"), ERR_NONE);
	there = got.folder.id;
	assert_int_equal(create(MAILBOX_TASKS, "Tasks too"), ERR_NONE);
	tasks = got.folder.id;
	assert_int_equal(put(&p), ERR_NONE);
	assert_int_equal(add_keyword(there, 1, "Other"), ERR_NONE); /* takes a bit, though there is no such item */
	assert_int_equal(add_keyword(here, 1, "Work"), ERR_NONE);
	assert_int_equal(got.hot[0].keywords, 1);
	since = got.modseq;
	assert_int_equal(move_item(here, 1, tasks, "", UINT64_MAX), ERR_DENIED);
	assert_int_equal(move_item(here, 1, 1, "", UINT64_MAX), ERR_DENIED);
	assert_int_equal(move_item(1, 1, here, "", UINT64_MAX), ERR_DENIED);
	assert_int_equal(move_item(here, 2, there, "", UINT64_MAX), ERR_NOT_FOUND);
	assert_int_equal(move_item(here, 1, 99, "", UINT64_MAX), ERR_NOT_FOUND);
	assert_int_equal(move_item(here, 1, there, "", since - 1), ERR_FENCED);
	assert_int_equal(move_item(here, 1, there, "", since), ERR_NONE);
	assert_int_equal(got.put.folder_id, there);
	assert_int_equal(got.put.uid, 1);
	assert_int_equal(got.put.email_id, 1);
	assert_int_equal(read_all(here), ERR_NONE);
	assert_int_equal(got.hot_count, 0);
	assert_int_equal(find_item(here, key_a, ""), ERR_NOT_FOUND);
	assert_int_equal(find_item(there, key_a, ""), ERR_NONE);
	assert_int_equal(find_item(there, NULL, "one.ics"), ERR_NONE);
	get_texts(false, there, 1, 1);
	assert_string_equal(got.text[0], "bag");
	get_texts(true, here, 1, 1);
	assert_string_equal(got.text[0], "one.ics");
	assert_int_equal(read_all(there), ERR_NONE);
	assert_int_equal(got.hot_count, 1);
	assert_int_equal(got.hot[0].flags, MAILBOX_SEEN);
	assert_int_equal(got.hot[0].marks, MAILBOX_EXTRA);
	assert_int_equal(got.hot[0].keywords, 2);
	assert_int_equal(got.cold[0].internal_date, 5);
	assert_int_equal(got.cold[0].body.offset, 7);
	assert_int_equal(quota().bytes, 9);
	assert_int_equal(got.quota.messages, 0);
	assert_int_equal(find_email(1), ERR_NONE);
	assert_int_equal(got.place.folder_id, there);

	/* Key or name may be another's there; and a new name. */
	assert_int_equal(put(&p), ERR_NONE);
	assert_int_equal(got.put.uid, 2);
	assert_int_equal(move_item(here, 2, there, "two.ics", UINT64_MAX), ERR_EXISTS);
	assert_int_equal(got.put.other_uid, 1);
	assert_int_equal(move_item(there, 1, there, "two.ics", UINT64_MAX), ERR_NONE);
	assert_int_equal(got.put.uid, 2);
	assert_int_equal(find_item(there, NULL, "one.ics"), ERR_NOT_FOUND);
	assert_int_equal(find_item(there, NULL, "two.ics"), ERR_NONE);
	assert_int_equal(got.place.uid, 2);
	assert_int_equal(find_item(there, key_a, ""), ERR_NONE);
	assert_int_equal(got.place.uid, 2);
	get_texts(false, there, 2, 1);
	assert_string_equal(got.text[0], "bag");
	destroy();
	assert_int_equal(command("DBSIZE"), 1);
}

static void
test_once(void **state)
{
	uint32_t folder = make_calendar();
	const unsigned char token[MAILBOX_ONCE_BYTES] = "a client's id..", other[MAILBOX_ONCE_BYTES] = "\0\1\2";
	struct mailbox_put new = {.folder_id = folder, .size = 7, .once = token, .body = {0, 5, 7}, .key = key_a};
	struct mailbox_new_message message = {.body = {0, 0, 10}};
	struct mailbox_filing filing = {.address = who, .messages = &message, .count = 1, .once = other};
	struct mailbox_put_done first;
	char ttl[80];

	(void)state;
	assert_int_equal(put(&new), ERR_NONE);
	first = got.put;
	assert_int_equal(put(&new), ERR_NONE); /* though its key is taken: by itself */
	assert_true(got.put.duplicate && got.put.took_reference);
	assert_true(got.put.uid == first.uid && got.put.modseq == first.modseq && got.put.email_id == first.email_id);
	new.body.offset = 6; /* written again, by a client that sent it again */
	assert_int_equal(put(&new), ERR_NONE);
	assert_true(got.put.duplicate && !got.put.took_reference);
	assert_int_equal(read_all(folder), ERR_NONE);
	assert_int_equal(got.hot_count, 1);
	new.once = other;
	assert_int_equal(put(&new), ERR_EXISTS); /* which is no answer to be remembered */
	new.key = key_b;
	assert_int_equal(put(&new), ERR_NONE);
	assert_false(got.put.duplicate);
	/* A change, too, is made once; also when the item has gone since. */
	new = (struct mailbox_put){.folder_id = folder, .uid = 1, .size = 9, .once = (const unsigned char *)"0123456789abcdef"};
	new.unchanged_since = first.modseq;
	assert_int_equal(put(&new), ERR_NONE);
	assert_int_equal(expunge(folder, 1), ERR_NONE);
	assert_int_equal(put(&new), ERR_NONE);
	assert_true(got.put.duplicate);

	for (int i = 0; i < 2; i++) {
		filing.once = (const unsigned char *)"sent from a phone";
		begin();
		mailbox_file(store, &filing, on_filed, NULL);
		assert_int_equal(finish(), ERR_NONE);
		assert_int_equal(got.filed.first_uid, 1);
		assert_true(got.filed.uid_validity != 0);
		assert_int_equal(got.filed.duplicate, i == 1);
		assert_int_equal(got.filed.had_passed, i == 1);
	}
	/* It is for three days, and goes with the account. */
	snprintf(ttl, sizeof(ttl), "TTL mail:{a@b.test}:once:%lld", (long long)(clock_unix_ms() / 86400000));
	assert_true(command(ttl) > 3 * 86400);
	destroy();
	assert_int_equal(command("DBSIZE"), 1);
	assert_int_equal(create(MAILBOX_CALENDAR, "Mine"), ERR_NONE);
	new = (struct mailbox_put){.folder_id = got.folder.id, .size = 7, .once = token};
	assert_int_equal(put(&new), ERR_NONE);
	assert_false(got.put.duplicate);
	destroy();
}

/* What lies beside a message, too, whatever IMAP does with it. */
static void
test_extra(void **state)
{
	char *large = mem_alloc(MAILBOX_EXTRA_MAX + 2);
	uint64_t since, email;

	(void)state;
	memset(large, 'x', MAILBOX_EXTRA_MAX + 1);
	large[MAILBOX_EXTRA_MAX + 1] = '\0';
	assert_int_equal(file_many(3), ERR_NONE);
	since = got.filed.modseq;
	email = got.filed.first_email_id + 1;
	assert_int_equal(set_extra(1, 2, "a bag", since - 1), ERR_FENCED);
	assert_int_equal(set_extra(1, 2, "a bag", since), ERR_NONE);
	assert_true(got.modseq > since);
	assert_int_equal(set_extra(1, 2, "a bag", since), ERR_FENCED);
	assert_int_equal(set_extra(1, 2, "a bag", UINT64_MAX), ERR_NONE);
	assert_int_equal(got.modseq, 0);
	assert_int_equal(set_extra(1, 9, "a bag", UINT64_MAX), ERR_NOT_FOUND);
	assert_int_equal(set_extra(1, 2, large, UINT64_MAX), ERR_LIMIT);
	mem_free(large);
	get_texts(false, 1, 1, 3);
	assert_string_equal(got.text[0], "");
	assert_string_equal(got.text[1], "a bag");
	assert_int_equal(store_flags(2, MAILBOX_FLAGS_SET, 0, 0), ERR_NONE);
	assert_int_equal(got.hot[0].marks, MAILBOX_EXTRA);
	assert_int_equal(store_flags(2, MAILBOX_FLAGS_REMOVE, 0xff00, 0xff00), ERR_NONE);
	assert_int_equal(got.hot[0].marks, MAILBOX_EXTRA);
	assert_int_equal(open_id(1), ERR_NONE);
	assert_int_equal(got.folder.unseen, 1);
	assert_int_equal(got.folder.deleted, 2);

	assert_int_equal(move(1, 2, "Archive"), ERR_NONE);
	get_texts(false, 6, 1, 1);
	assert_string_equal(got.text[0], "a bag");
	assert_int_equal(command("EXISTS mail:{a@b.test}:f:1:x"), 0);
	assert_int_equal(read_all(6), ERR_NONE);
	assert_int_equal(got.hot[0].marks, MAILBOX_EXTRA);
	assert_int_equal(got.hot[0].email_id, email);
	assert_int_equal(set_extra(6, 1, "", UINT64_MAX), ERR_NONE);
	assert_int_equal(read_all(6), ERR_NONE);
	assert_int_equal(got.hot[0].marks, 0);
	assert_int_equal(command("EXISTS mail:{a@b.test}:f:6:x"), 0);
	assert_int_equal(set_extra(6, 1, "once more", UINT64_MAX), ERR_NONE);
	assert_int_equal(expunge(6, 1), ERR_NONE);
	assert_int_equal(command("EXISTS mail:{a@b.test}:f:6:x"), 0);
	destroy();
}

/* A copy takes it along too, by one step or by many. */
static void
test_extra_is_copied(void **state)
{
	uint32_t uids[300], calendar = make_calendar(), found[2] = {0}, count = 0;

	(void)state;
	assert_int_equal(file_many(300), ERR_NONE);
	assert_int_equal(set_extra(1, 2, "a bag", UINT64_MAX), ERR_NONE);
	assert_int_equal(set_extra(1, 299, "another", UINT64_MAX), ERR_NONE);
	for (uint32_t i = 0; i < 300; i++)
		uids[i] = i + 1;
	begin();
	mailbox_copy(store, who, 1, uids, 300, STR("Archive"), false, 0, on_copied, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(read_all(6), ERR_NONE);
	assert_int_equal(got.hot_count, 300);
	for (uint32_t i = 0; i < 300; i++)
		if (got.hot[i].marks != 0 && count < 2)
			found[count++] = got.hot[i].uid;
	assert_int_equal(count, 2);
	assert_int_equal(found[1] - found[0], 297);
	get_texts(false, 6, found[0], 1);
	assert_string_equal(got.text[0], "a bag");
	get_texts(false, 6, found[1], 1);
	assert_string_equal(got.text[0], "another");
	begin();
	mailbox_copy(store, who, 1, uids, 3, STR("Sent"), false, 0, on_copied, NULL);
	assert_int_equal(finish(), ERR_NONE);
	get_texts(false, 3, 1, 3);
	assert_string_equal(got.text[1], "a bag");
	get_texts(false, 1, 1, 3);
	assert_string_equal(got.text[1], "a bag");

	/* Items never come into a folder of mail. */
	assert_int_equal(put(&(struct mailbox_put){.folder_id = calendar, .size = 1}), ERR_NONE);
	for (unsigned n = 1; n <= 300; n += 299) {
		begin();
		mailbox_copy(store, who, calendar, uids, n, STR("Sent"), false, 0, on_copied, NULL);
		assert_int_equal(finish(), ERR_DENIED);
	}
	assert_int_equal(move(calendar, 1, "Sent"), ERR_DENIED);
	destroy();
	assert_int_equal(command("DBSIZE"), 1);
}

static void
test_extra_of_items(void **state)
{
	uint32_t folder = make_calendar();
	const struct str bag = STR("bag"), none = STR_NONE;
	struct mailbox_put p = {.folder_id = folder, .size = 1, .extra = &bag, .key = key_a};

	(void)state;
	assert_int_equal(put(&p), ERR_NONE);
	get_texts(false, folder, 1, 1);
	assert_string_equal(got.text[0], "bag");
	p.uid = 1;
	p.extra = NULL;
	assert_int_equal(put(&p), ERR_NONE);
	get_texts(false, folder, 1, 1);
	assert_string_equal(got.text[0], "bag");
	assert_int_equal(read_all(folder), ERR_NONE);
	assert_int_equal(got.hot[0].marks, MAILBOX_EXTRA);
	p.extra = &none;
	assert_int_equal(put(&p), ERR_NONE);
	get_texts(false, folder, 1, 1);
	assert_string_equal(got.text[0], "");
	assert_int_equal(read_all(folder), ERR_NONE);
	assert_int_equal(got.hot[0].marks, 0);
	p.extra = &bag;
	assert_int_equal(put(&p), ERR_NONE);
	assert_int_equal(delete_id(folder), ERR_NONE);
	begin();
	mailbox_list(store, who, on_folders, NULL);
	finish();
	destroy();
	assert_int_equal(command("DBSIZE"), 1);
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
		cmocka_unit_test(test_put),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_move_item),
		cmocka_unit_test(test_once),
		cmocka_unit_test(test_extra),
		cmocka_unit_test(test_extra_is_copied),
		cmocka_unit_test(test_extra_of_items),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
