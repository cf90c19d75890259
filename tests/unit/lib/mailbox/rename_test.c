/* A rename of very many folders goes by steps; everybody else sees it happen at once. */
#include "tests/unit/lib/mailbox/staging_fixture.h"

enum { FOLDERS = 600, LATE = 30 };

static struct {
	unsigned at[3]; /* below "a", "b", "c" */
	bool each_once;
} seen;

static void
on_list(void *arg, const struct mailbox_folder *folders, unsigned count, const struct str *missing,
	unsigned missing_count, const struct err *err)
{
	(void)missing, (void)missing_count;
	memset(&seen, 0, sizeof(seen));
	seen.each_once = true;
	for (unsigned i = 0; i < count; i++) {
		seen.each_once = seen.each_once && (i < 2 || str_cmp(folders[i - 1].name, folders[i].name) < 0);
		if (folders[i].name.len > 2 && folders[i].name.p[1] == '/')
			seen.at[folders[i].name.p[0] - 'a']++;
	}
	*(bool *)arg = true;
	assert_true(err == NULL);
}

static char name_got[80];
static uint32_t parent_got;

static void
on_name(void *arg, const struct mailbox_folder *f, const struct err *err)
{
	(void)arg;
	if (f != NULL) {
		got.folder.id = f->id;
		str_copy(f->name, name_got, sizeof(name_got));
	}
	ended(err);
}

static void
on_tree(void *arg, const struct mailbox_folder_changes *c, const struct err *err)
{
	const uint32_t *id = arg;

	parent_got = 0;
	for (uint32_t i = 0; c != NULL && i < c->count; i++)
		if (c->list[i].id == *id) {
			parent_got = c->list[i].parent_id;
			str_copy(c->list[i].folder.name, name_got, sizeof(name_got));
		}
	ended(err);
}

/* The id of a name. */
static uint32_t
open_name(const char *name)
{
	mailbox_open(store, who, str_c(name), on_name, NULL);
	return finish() == ERR_NONE ? got.folder.id : 0;
}

static const char *
name_of(uint32_t id)
{
	mailbox_status(store, who, id, on_name, NULL);
	assert_int_equal(finish(), ERR_NONE);
	return name_got;
}

static enum err_code
rename_folder(const char *from, const char *to)
{
	mailbox_rename(store, who, str_c(from), str_c(to), on_done, NULL);
	return finish();
}

static void
make_folders(void)
{
	char name[40];

	for (unsigned i = 0; i < FOLDERS; i++) {
		snprintf(name, sizeof(name), "a/%u", i);
		create(name);
	}
}

/* Nothing is left of the steps, and the names stay. */
static void
check_finished(void)
{
	assert_int_equal(command("HEXISTS mail:{a@b.test}:meta renaming"), 0);
	assert_int_equal(keys_like("mail:{a@b.test}:rename:*"), 0);
	assert_int_equal(command("TTL mail:{a@b.test}:names"), -1);
}

static void
test_names_and_ids(void **state)
{
	uint32_t id, last;

	(void)state;
	make_folders();
	id = open_name("a/7");
	last = open_name("a/599");
	assert_int_equal(rename_folder("a", "Sent"), ERR_EXISTS);
	assert_int_equal(rename_folder("a", "a/x"), ERR_DENIED);
	assert_int_equal(rename_folder("a", "up/b"), ERR_NONE);
	check_finished();
	assert_int_equal(open_name("up/b/7"), id);
	assert_int_equal(open_name("a/7"), 0);
	assert_true(open_name("up") != 0);
	assert_string_equal(name_of(last), "up/b/599");
	mailbox_rename_id(store, who, open_name("up/b"), STR("a"), on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	check_finished();
	assert_string_equal(name_of(id), "a/7");
}

/* At whatever moment a list begins it tells the one tree or the other. */
static void
test_seen_as_one(void **state)
{
	unsigned both[2] = {0};

	(void)state;
	for (unsigned turns_before = 0; turns_before < 40; turns_before++) {
		bool done = false;
		const char *from = open_name("a/7") != 0 ? "a" : "b";

		mailbox_rename(store, who, str_c(from), from[0] == 'a' ? STR("b") : STR("a"), on_done, NULL);
		for (unsigned i = 0; i < turns_before && !got.done; i++)
			event_base_loop(blobs.base, EVLOOP_ONCE);
		mailbox_list_names(store, who, on_list, &done);
		while (!done)
			event_base_loop(blobs.base, EVLOOP_ONCE);
		assert_int_equal(finish(), ERR_NONE);
		assert_true(seen.each_once);
		assert_int_equal(seen.at[0] + seen.at[1], FOLDERS);
		assert_true(seen.at[0] == 0 || seen.at[1] == 0);
		both[seen.at[0] == 0 ? 0 : 1]++;
		check_finished();
	}
	assert_true(both[0] != 0 && both[1] != 0);
}

static void
on_quiet_folder(void *arg, const struct mailbox_folder *f, const struct err *err)
{
	(void)arg, (void)f;
	assert_true(err == NULL);
}

static void
on_quiet(void *arg, const struct err *err)
{
	(void)arg;
	assert_true(err == NULL);
}

/* Folders that are made, and one that goes, between two steps. */
static void
test_changes_between(void **state)
{
	const char *from = open_name("a/7") != 0 ? "a" : "b";
	bool done = false;
	char late[20];

	(void)state;
	mailbox_rename(store, who, str_c(from), STR("c"), on_done, NULL);
	for (unsigned i = 0; i < 2; i++)
		event_base_loop(blobs.base, EVLOOP_ONCE);
	assert_false(got.done);
	for (unsigned i = 0; i < LATE; i++) {
		snprintf(late, sizeof(late), "%s/late%u", from, i);
		mailbox_create(store, who, str_c(late), STR_NONE, on_quiet_folder, NULL);
	}
	mailbox_delete(store, who, STR("Archive"), on_quiet, NULL);
	assert_int_equal(finish(), ERR_NONE);
	mailbox_list_names(store, who, on_list, &done);
	while (!done)
		event_base_loop(blobs.base, EVLOOP_ONCE);
	assert_int_equal(seen.at[2], FOLDERS + LATE);
	assert_true(open_name("c/late7") != 0);
	assert_int_equal(open_name("Archive"), 0);
	check_finished();
}

/* As it stands when the one who renames dies before the last names were put right. */
static void
test_unfinished(void **state)
{
	uint32_t id = open_name("c/5"), next = open_name("c/6");
	char text[160];

	(void)state;
	assert_int_equal(rename_folder("c", "a"), ERR_NONE);
	snprintf(text, sizeof(text), "HSET mail:{a@b.test}:f:%u name c/5", id);
	command(text);
	snprintf(text, sizeof(text), "HSET mail:{a@b.test}:f:%u name c/6", next);
	command(text);
	command("HSET mail:{a@b.test}:meta renaming token renaming_class 0 renaming_from c renaming_to a");
	assert_string_equal(name_of(id), "a/5");
	/* Its old name is another's now. */
	create("c/5");
	assert_string_equal(name_of(id), "a/5");
	assert_string_equal(name_of(open_name("c/5")), "c/5");
	mailbox_folders_since(store, who, 1, 0, on_tree, &id);
	assert_int_equal(finish(), ERR_NONE);
	assert_string_equal(name_got, "a/5");
	assert_int_equal(parent_got, open_name("a"));
	/* It is deleted by its true name. */
	mailbox_delete_id(store, who, next, on_done, NULL);
	assert_int_equal(finish(), ERR_NONE);
	assert_int_equal(open_name("a/6"), 0);
	assert_int_equal(command("HEXISTS mail:{a@b.test}:meta renaming"), 1);
	assert_int_equal(rename_folder("a", "b"), ERR_NONE);
	check_finished();
	assert_string_equal(name_of(id), "b/5");
	assert_string_equal(name_of(open_name("c/5")), "c/5");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_names_and_ids), cmocka_unit_test(test_seen_as_one),
					   cmocka_unit_test(test_changes_between), cmocka_unit_test(test_unfinished)};

	return cmocka_run_group_tests(tests, setup, teardown);
}
