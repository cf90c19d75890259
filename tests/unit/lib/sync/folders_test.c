/* Histories of folders: what a client that reads them is told, beside the truth. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lib/sync/sync_fixture.h"

enum { FOLDER_IDS = 200, LEAF_MAX = 16 };

/* Folders as a client of ids knows them. */
struct tree {
	struct {
		bool is_there;
		uint32_t parent;
		enum mailbox_class class;
		char leaf[LEAF_MAX];
	} folder[FOLDER_IDS];
};

static struct {
	volatile bool done;
	enum err_code code;
	struct sync_point point;
	struct tree tree; /* as it is, or after what was read */
} tree_got;

static void
tree_put(struct tree *t, const struct mailbox_folder *f, uint32_t parent)
{
	struct str name = f->name, level;

	assert_true(f->id < FOLDER_IDS);
	while (str_cut(name, '/', &level, &name))
		;
	t->folder[f->id].is_there = true;
	t->folder[f->id].parent = parent;
	t->folder[f->id].class = f->class;
	str_copy(level, t->folder[f->id].leaf, LEAF_MAX);
}

/* In tree_got.tree. A folder told of for the first time must be told as new. */
static void
on_tree_read(void *arg, const struct sync_folders_answer *answer, const struct err *err)
{
	struct tree *t = &tree_got.tree;

	(void)arg;
	tree_got.done = true;
	tree_got.code = err != NULL ? err->code : ERR_NONE;
	for (uint32_t i = 0; answer != NULL && i < answer->count; i++) {
		const struct sync_folder_entry *e = &answer->entries[i];

		if (e->what == SYNC_GONE) {
			t->folder[e->id].is_there = false;
			continue;
		}
		if (e->what == SYNC_CHANGED && !t->folder[e->id].is_there)
			fail_msg("folder %u is told as changed to a client that has it not", e->id);
		tree_put(t, e->folder, e->parent_id);
	}
	if (answer != NULL)
		tree_got.point = answer->point;
}

static void
on_tree(void *arg, const struct mailbox_folder *list, unsigned count, const struct str *missing, unsigned missing_count,
	const struct err *err)
{
	unsigned classes = *(const unsigned *)arg;

	(void)missing, (void)missing_count;
	tree_got.done = true;
	tree_got.code = err != NULL ? err->code : ERR_NONE;
	memset(&tree_got.tree, 0, sizeof(tree_got.tree));
	for (unsigned i = 0; i < count; i++) {
		uint32_t parent = 0;

		for (unsigned k = 0; k < count; k++) {
			struct str upper = list[k].name;

			if ((list[k].class == MAILBOX_MAIL) == (list[i].class == MAILBOX_MAIL) &&
			    list[i].name.len > upper.len && list[i].name.p[upper.len] == '/' &&
			    memcmp(list[i].name.p, upper.p, upper.len) == 0 &&
			    memchr(list[i].name.p + upper.len + 1, '/', list[i].name.len - upper.len - 1) == NULL)
				parent = list[k].id;
		}
		if ((classes & MAILBOX_CLASS_BIT(list[i].class)) != 0)
			tree_put(&tree_got.tree, &list[i], parent);
	}
}

static void
learn_tree(unsigned classes)
{
	volatile bool never = false;
	unsigned tries = 0;

	do {
		if (tries != 0)
			redis_fixture_wait(base, &never, 50);
		tree_got.done = false;
		mailbox_items(store, who(), MAILBOX_CLASSES_ALL, false, on_tree, &classes);
		assert_true(redis_fixture_wait(base, &tree_got.done, 20000));
	} while (tree_got.code != ERR_NONE && ++tries < 200);
	assert_int_equal(tree_got.code, ERR_NONE);
}

static void
on_written(void *arg, const struct err *err)
{
	(void)arg, (void)err;
	writes_due--;
}

/* Mail and items alike; some fail, as a client's do. */
static void
write_folder(const struct tree *t)
{
	static const char *const names[] = {"a", "b", "c", "a/d", "b/d", "c/a/b", "e/f", "g"};
	struct str name = str_c(names[draw(8)]);
	uint32_t id = 1 + draw(FOLDER_IDS - 1);

	for (unsigned i = 0; i < FOLDER_IDS && !t->folder[id].is_there; i++)
		id = id % (FOLDER_IDS - 1) + 1;
	writes_due++;
	switch (draw(6)) {
	case 0: mailbox_create(writer, who(), name, STR_NONE, on_made, NULL); break;
	case 1:
	case 2: mailbox_create_items(writer, who(), (enum mailbox_class)(1 + draw(3)), name, on_made, NULL); break;
	case 3: mailbox_rename_id(writer, who(), id, name, on_written, NULL); break;
	case 4: mailbox_delete_id(writer, who(), id, on_written, NULL); break;
	default: mailbox_reclass(writer, who(), id, (enum mailbox_class)(1 + draw(3)), on_written, NULL);
	}
}

/* As if retention were over for what has gone so far. */
static void
cut_folder_log(void)
{
	volatile bool never = false;

	redis_callf(redis, NULL, NULL, "EVAL %s 1 mail:{%s}:",
		    "local k = KEYS[1] local last = redis.call('ZRANGE', k .. 'fgone', -1, -1, 'WITHSCORES')[2] "
		    "if last then redis.call('DEL', k .. 'fgone') redis.call('HSET', k .. 'meta', 'folders_since', "
		    "last) end",
		    account);
	redis_fixture_wait(base, &never, 10);
}

static void
assert_same_tree(const struct tree *a, const struct tree *b, unsigned seed)
{
	for (uint32_t id = 1; id < FOLDER_IDS; id++)
		if (a->folder[id].is_there != b->folder[id].is_there ||
		    (a->folder[id].is_there &&
		     (a->folder[id].parent != b->folder[id].parent || a->folder[id].class != b->folder[id].class ||
		      strcmp(a->folder[id].leaf, b->folder[id].leaf) != 0)))
			fail_msg("history %u: folder %u: client %d %u %s, account %d %u %s", seed, id,
				 a->folder[id].is_there, a->folder[id].parent, a->folder[id].leaf,
				 b->folder[id].is_there, b->folder[id].parent, b->folder[id].leaf);
}

/* False: begin anew, or try again. */
static bool
read_tree(struct tree *t, struct sync_point *p, unsigned classes, bool kills)
{
	char token[SYNC_TOKEN_MAX];
	struct err err;

	tree_got.tree = *t;
	tree_got.done = false;
	sync_read_folders(store, who(), p, classes, on_tree_read, NULL);
	assert_true(redis_fixture_wait(base, &tree_got.done, 20000));
	if (tree_got.code == ERR_NOT_FOUND) {
		memset(t, 0, sizeof(*t));
		*p = sync_point_first(0);
		return false;
	}
	if (tree_got.code != ERR_NONE) {
		ride_out(kills);
		return false;
	}
	if (draw(5) == 0)
		return false; /* the answer is lost */
	*t = tree_got.tree;
	sync_seal(secret, &tree_got.point, SYNC_FOLDERS, who(), 20000, token);
	assert_int_equal(sync_open(secret, str_c(token), SYNC_FOLDERS, who(), 20000, p, &err), 0);
	return true;
}

static void
run_folder_history(unsigned seed, bool kills)
{
	static const unsigned choices[] = {MAILBOX_CLASSES_ALL, MAILBOX_CLASS_BIT(MAILBOX_MAIL),
					   MAILBOX_CLASS_BIT(MAILBOX_CALENDAR) | MAILBOX_CLASS_BIT(MAILBOX_TASKS)};
	struct tree *t = mem_new(struct tree);
	struct sync_point p = sync_point_first(0);
	unsigned classes;

	srandom(seed);
	classes = choices[draw(3)];
	new_account();
	for (unsigned round = 0; round < 30; round++) {
		learn_tree(MAILBOX_CLASSES_ALL);
		for (unsigned i = draw(4); i-- > 0;)
			write_folder(&tree_got.tree);
		if (draw(15) == 0)
			cut_folder_log();
		read_tree(t, &p, classes, kills);
		if (kills && draw(10) == 0)
			kill_server();
		if (draw(3) != 0)
			settle();
	}
	settle();
	while (!read_tree(t, &p, classes, kills))
		;
	learn_tree(classes);
	assert_same_tree(t, &tree_got.tree, seed);
	mem_free(t);
}

static void
test_histories_of_folders(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed <= histories(60); seed++)
		run_folder_history(seed, seed % 20 == 0);
}

/* A point is of some classes, and of an account's folders, never of their items. */
static void
test_points_of_folders(void **state)
{
	struct tree *t = mem_new(struct tree);
	struct sync_point p = sync_point_first(0), others;

	(void)state;
	new_account();
	while (!read_tree(t, &p, MAILBOX_CLASSES_ALL, false))
		;
	assert_true(t->folder[1].is_there && t->folder[6].is_there);
	others = p;
	assert_false(read_tree(t, &others, MAILBOX_CLASS_BIT(MAILBOX_NOTES), false));
	assert_int_equal(others.modseq, 0);
	others = (struct sync_point){.folder_id = 1, .modseq = 1, .low = MAILBOX_CLASSES_ALL};
	assert_false(read_tree(t, &others, MAILBOX_CLASSES_ALL, false));
	assert_int_equal(others.modseq, 0);
	mem_free(t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histories_of_folders),
		cmocka_unit_test(test_points_of_folders),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
