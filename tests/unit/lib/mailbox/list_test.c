/* The list of very many folders: read by pages, and still of one state. */
#include "tests/unit/lib/mailbox/staging_fixture.h"

enum { FOLDERS = 600, MOVED = 70, OF_ACCOUNT = 6 };

static struct {
	unsigned count, missing;
	unsigned renamed, original; /* below "b" and below "a" */
	bool sorted, counted;
	char missing_name[40];
} seen;

static void
on_list(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *missing,
	unsigned missing_count, const struct err *err)
{
	memset(&seen, 0, sizeof(seen));
	seen.count = count;
	seen.missing = missing_count;
	seen.sorted = count != 0 && folders[0].id == 1;
	for (unsigned i = 0; i < count; i++) {
		seen.sorted = seen.sorted && (i < 2 || str_cmp(folders[i - 1].name, folders[i].name) < 0);
		seen.counted |= folders[i].uid_validity != 0;
		seen.renamed += str_starts(folders[i].name, STR("b/"));
		seen.original += str_starts(folders[i].name, STR("a/"));
	}
	if (missing_count != 0)
		str_copy(missing[0], seen.missing_name, sizeof(seen.missing_name));
	*(bool *)arg = true;
	assert_true(err == NULL);
}

static void
wait_for(bool *done)
{
	while (!*done)
		event_base_loop(blobs.base, EVLOOP_ONCE);
}

static void
make_folders(void)
{
	char name[40];

	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "a/%u", i * 7919 % FOLDERS);
		create(name);
	}
}

static void
test_all_are_told(void **state)
{
	bool done = false;

	(void)state;
	make_folders();
	mailbox_list(store, who, on_list, &done);
	wait_for(&done);
	assert_int_equal(seen.count, OF_ACCOUNT + 1 + FOLDERS);
	assert_int_equal(seen.original, FOLDERS);
	assert_true(seen.sorted && seen.counted);
	done = false;
	mailbox_list_names(store, who, on_list, &done);
	wait_for(&done);
	assert_int_equal(seen.count, OF_ACCOUNT + 1 + FOLDERS);
	assert_true(seen.sorted);
	assert_false(seen.counted);
}

/* The rename, of so few that it is one step, comes to the store behind the first page. */
static void
test_a_rename_meanwhile(void **state)
{
	bool done = false;
	char name[40];

	(void)state;
	for (unsigned i = 0; i < MOVED; i++) {
		snprintf(name, sizeof(name), "some/%u", i);
		create(name);
	}
	mailbox_list_names(store, who, on_list, &done);
	mailbox_rename(store, who, STR("some"), STR("b"), on_done, NULL);
	wait_for(&done);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(seen.count, OF_ACCOUNT + 2 + FOLDERS + MOVED);
	assert_int_equal(seen.renamed, MOVED);
	assert_true(seen.sorted);
}

/* What is made and deleted meanwhile does not begin it anew, and hides nothing. */
static void
test_changes_meanwhile(void **state)
{
	bool done = false;

	(void)state;
	mailbox_subscribe(store, who, STR("b/1"), true, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	mailbox_list_names(store, who, on_list, &done);
	mailbox_create(store, who, STR("new"), STR_NONE, on_folder, NULL);
	assert_int_equal(finish(), ERR_NONE);
	mailbox_delete(store, who, STR("b/1"), on_done, NULL);
	wait_for(&done);
	assert_int_equal(finish(), ERR_NONE);
	assert_true(seen.sorted);
	assert_true(seen.renamed == MOVED || (seen.renamed == MOVED - 1 && seen.missing == 1));
	done = false;
	mailbox_list_names(store, who, on_list, &done);
	wait_for(&done);
	assert_int_equal(seen.renamed, MOVED - 1);
	assert_int_equal(seen.missing, 1);
	assert_string_equal(seen.missing_name, "b/1");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_all_are_told),
					   cmocka_unit_test(test_a_rename_meanwhile),
					   cmocka_unit_test(test_changes_meanwhile)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
