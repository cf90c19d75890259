/* The list of folders, by pages: each is a script that reads some names and what
 * the list tells of them.
 *
 * A page goes by a cursor of HSCAN. What has its name from the first page to the
 * last is told, at least once; what was made or deleted meanwhile may be told. Only a
 * rename could hide a folder, where its old name is still to come and its new one was
 * passed: so the account counts renames, and a pass that saw one begins anew.
 *
 * Pages are sorted as they come, and merged with those of the same length: so
 * nothing is left to be done at the end that takes long. */
#include <stdlib.h>

#include "lib/base/mem.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(list);

/* Folders of a page: as many as the words that a script may take for them. */
enum { LIST_NAMES = 150, LIST_FOLDERS = 45, LIST_PASSES_MAX = 100, LIST_RUNS_MAX = 64 };

#define MAILBOX_PART_ROW(name, value) LIST_##name##_PART = (value),
enum list_part { MAILBOX_PARTS_TABLE(MAILBOX_PART_ROW) };

struct listing {
	unsigned classes;
	bool make_first, counts;
	/* This pass */
	enum list_part part;
	struct str cursor; /* of the next page; empty: of the first */
	int64_t renames;   /* of the account, at its first page */
	unsigned passes;   /* before it */
	/* What was read in it */
	struct mailbox_folder *folders; /* owner; texts in the call's arena */
	unsigned count, capacity;
	unsigned runs[LIST_RUNS_MAX]; /* folders of each sorted piece */
	unsigned run_count;
	struct str *missing; /* owner; texts in the call's arena */
	unsigned missing_count, missing_capacity;
};

/* ---- In order ---- */

static int
list_by_name(const void *a, const void *b)
{
	const struct mailbox_folder *x = a, *y = b;
	int order;

	if (x->id == 1 || y->id == 1)
		return (y->id == 1) - (x->id == 1);
	order = str_cmp(x->name, y->name);
	return order != 0 ? order : (x->id > y->id) - (x->id < y->id);
}

/* The last two runs become one; what was told twice stays once. */
static void
list_merge_two(struct listing *l)
{
	unsigned left = l->runs[l->run_count - 2], right = l->runs[l->run_count - 1], kept = 0, i = 0, k = 0;
	struct mailbox_folder *a = l->folders + l->count - left - right, *b = a + left;
	struct mailbox_folder *both = mem_alloc((left + right) * sizeof(*both));

	while (i < left || k < right) {
		int order = i == left ? 1 : k == right ? -1 : list_by_name(&a[i], &b[k]);

		both[kept++] = order <= 0 ? a[i] : b[k];
		i += order <= 0;
		k += order >= 0;
	}
	memcpy(a, both, kept * sizeof(*both));
	mem_free(both);
	l->count -= left + right - kept;
	l->run_count--;
	l->runs[l->run_count - 1] = kept;
}

/* Of each length one run stays, so there are few, and each folder is moved a few
 * times. */
static void
list_add_run(struct listing *l, unsigned count)
{
	qsort(l->folders + l->count - count, count, sizeof(*l->folders), list_by_name);
	l->runs[l->run_count++] = count;
	while (l->run_count > 1 &&
	       (l->runs[l->run_count - 2] <= l->runs[l->run_count - 1] * 2 || l->run_count == LIST_RUNS_MAX))
		list_merge_two(l);
}

/* ---- A page ---- */

static void
list_take_folders(struct listing *l, struct arena *arena, const redisReply *folders)
{
	unsigned count = (unsigned)folders->elements;

	if (count == 0)
		return;
	if (l->count + count > l->capacity) {
		l->capacity = (l->count + count) * 2;
		l->folders = mem_realloc(l->folders, l->capacity * sizeof(*l->folders));
	}
	for (unsigned i = 0; i < count; i++) {
		struct mailbox_folder *folder = &l->folders[l->count++];

		mailbox_parse_folder(folders->element[i], folder);
		/* The answer is gone before the last page has come. */
		folder->name = arena_str(arena, folder->name);
		folder->special_use = arena_str(arena, folder->special_use);
	}
	list_add_run(l, count);
}

static void
list_take_missing(struct listing *l, struct arena *arena, const redisReply *missing)
{
	unsigned count = (unsigned)missing->elements;

	if (l->missing_count + count > l->missing_capacity) {
		l->missing_capacity = (l->missing_count + count) * 2;
		l->missing = mem_realloc(l->missing, l->missing_capacity * sizeof(*l->missing));
	}
	for (unsigned i = 0; i < count; i++)
		l->missing[l->missing_count++] = arena_str(arena, redis_str(missing->element[i]));
}

static void list_ask(struct mailbox_call *call);

static void
list_end(struct mailbox_call *call, const struct err *err)
{
	struct listing *l = call->state;

	while (err == NULL && l->run_count > 1)
		list_merge_two(l);
	if (err == NULL)
		call->on.folders(call->arg, l->folders, l->count, l->missing, l->missing_count, NULL);
	else
		call->on.folders(call->arg, NULL, 0, NULL, 0, err);
	mem_free(l->folders);
	mem_free(l->missing);
	mailbox_call_end(call);
}

/* The next part that is asked for; false: there is none. */
static bool
list_next_part(struct listing *l)
{
	unsigned items = MAILBOX_CLASSES_ALL & ~MAILBOX_CLASS_BIT(MAILBOX_MAIL);

	l->cursor = STR("0");
	if (l->part == LIST_NAMES_PART && (l->classes & items) != 0) {
		l->part = LIST_ITEMS_PART;
		return true;
	}
	if (l->part != LIST_SUBS_PART && (l->classes & MAILBOX_CLASS_BIT(MAILBOX_MAIL)) != 0) {
		l->part = LIST_SUBS_PART;
		return true;
	}
	return false;
}

static void
list_begin(struct listing *l)
{
	l->count = l->run_count = l->missing_count = 0;
	l->part = (l->classes & MAILBOX_CLASS_BIT(MAILBOX_MAIL)) != 0 ? LIST_NAMES_PART : LIST_ITEMS_PART;
	l->cursor = STR_NONE;
}

/* Something was renamed since the pass began. */
static void
list_begin_anew(struct mailbox_call *call)
{
	struct listing *l = call->state;
	struct err busy;

	list_begin(l);
	if (++l->passes < LIST_PASSES_MAX) {
		list_ask(call);
		return;
	}
	err_set(&busy, ERR_UNAVAILABLE, "the folders of %s are renamed too fast to be listed", call->address);
	list_end(call, &busy);
}

static void
list_on_page(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_list_answer got = mailbox_list_answer(reply);
	struct listing *l = call->state;
	struct arena *arena = &call->op.arena;

	if (err != NULL) {
		list_end(call, err);
		return;
	}
	if (l->cursor.len == 0) {
		l->renames = redis_i64(got.renames, 0);
		/* Whoever was removing these has died. */
		mailbox_reap_all(call->store, str_c(call->address), got.doomed);
	}
	if (redis_i64(got.renames, 0) != l->renames) {
		list_begin_anew(call);
		return;
	}
	list_take_folders(l, arena, got.folders);
	list_take_missing(l, arena, got.missing);
	l->cursor = arena_str(arena, redis_str(got.next));
	if (!str_eq(l->cursor, STR("0")) || list_next_part(l))
		list_ask(call);
	else
		list_end(call, NULL);
}

static void
list_ask(struct mailbox_call *call)
{
	const struct listing *l = call->state;

	mailbox_list_ask(call,
			 &(struct mailbox_list_args){.classes = l->classes,
						     .make = l->make_first,
						     .counts = l->counts,
						     .most = l->counts ? LIST_FOLDERS : LIST_NAMES,
						     .part = l->part,
						     .cursor = l->cursor},
			 list_on_page);
}

/* ---- Calls ---- */

static void
list_start(struct mailbox_store *m, struct str address, const struct listing *asked, mailbox_on_folders *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folders = cb}, arg);
	struct listing *l = call->state = arena_new(&call->op.arena, struct listing);

	*l = *asked;
	list_begin(l);
	list_ask(call);
}

void
mailbox_list(struct mailbox_store *m, struct str address, mailbox_on_folders *cb, void *arg)
{
	list_start(m, address, &(struct listing){.classes = MAILBOX_CLASS_BIT(MAILBOX_MAIL), .counts = true}, cb, arg);
}

void
mailbox_list_names(struct mailbox_store *m, struct str address, mailbox_on_folders *cb, void *arg)
{
	list_start(m, address, &(struct listing){.classes = MAILBOX_CLASS_BIT(MAILBOX_MAIL)}, cb, arg);
}

void
mailbox_items(struct mailbox_store *m, struct str address, unsigned classes, bool make_first, mailbox_on_folders *cb,
	      void *arg)
{
	list_start(m, address, &(struct listing){.classes = classes, .make_first = make_first, .counts = true}, cb,
		   arg);
}
