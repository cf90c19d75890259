/* Folders of items beside those of mail, the log of folders, marks, ids as addresses. */
#include "tests/unit/lib/mailbox/items_fixture.h"

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
