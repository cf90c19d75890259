/* Items put into folders, their names, tokens and extra data; and moves. */
#include "tests/unit/lib/mailbox/items_fixture.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
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
