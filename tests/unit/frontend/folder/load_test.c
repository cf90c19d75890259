/* A folder loaded in pieces from a store that changes in the meantime. The store is
 * the test's own: it answers when told to, in order or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/folder/private.h"
#include "lib/base/mem.h"
#include "tests/unit/lib/mailbox/hot_pack.h"

enum { MESSAGES = 70000, CALLS = 64 };

struct call {
	bool is_changes;
	uint32_t first, last;
	uint64_t since;
	mailbox_on_records *on_records;
	mailbox_on_changes *on_changes;
	void *arg;
};

/* The store: records by UID; modseq 0: no record. */
static struct {
	uint64_t *modseq; /* owner */
	uint32_t uid_next, size;
	uint64_t highest;
	uint32_t gone[16], gone_count;
	struct call calls[CALLS];
	unsigned asked, answered;
} store;

void
mailbox_read(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t first_uid, uint32_t last_uid,
	     unsigned parts, uint64_t changed_since, mailbox_on_records *cb, void *arg)
{
	(void)m, (void)address, (void)folder_id, (void)parts, (void)changed_since;
	assert_in_range(store.asked, 0, CALLS - 1);
	store.calls[store.asked++] = (struct call){false, first_uid, last_uid, 0, cb, NULL, arg};
}

void
mailbox_read_changes(struct mailbox_store *m, struct str address, uint32_t folder_id, uint64_t since_modseq,
		     bool take_recent, mailbox_on_changes *cb, void *arg)
{
	(void)m, (void)address, (void)folder_id, (void)take_recent;
	assert_in_range(store.asked, 0, CALLS - 1);
	store.calls[store.asked++] = (struct call){true, 1, UINT32_MAX, since_modseq, NULL, cb, arg};
}

static char *
records_of(const struct call *c, struct mailbox_records *out)
{
	char *hot = mem_alloc((size_t)store.size * MAILBOX_HOT_BYTES + 1);

	*out = (struct mailbox_records){
		.hot = hot, .highest_modseq = store.highest, .uid_next = store.uid_next, .uid_validity = 7};
	for (uint64_t uid = c->first; uid <= c->last && uid < store.size; uid++)
		if (store.modseq[uid] > c->since)
			hot_pack(&(struct mailbox_hot){.uid = (uint32_t)uid, .modseq = store.modseq[uid]},
					 hot + (size_t)out->count++ * MAILBOX_HOT_BYTES);
	return hot;
}

/* The next answer reflects the store as it is now. */
static void
answer(void)
{
	const struct call *c = &store.calls[store.answered++];
	struct mailbox_changes changes = {.gone_uids = store.gone, .gone_count = store.gone_count, .complete = true};
	char *hot;

	assert_true(store.answered <= store.asked);
	hot = records_of(c, &changes.records);
	changes.folder = (struct mailbox_folder){.highest_modseq = store.highest, .uid_next = store.uid_next};
	if (c->is_changes)
		c->on_changes(c->arg, &changes, NULL);
	else
		c->on_records(c->arg, &changes.records, NULL);
	mem_free(hot);
}

/* The answer to what was asked last comes first. */
static void
answer_last(void)
{
	struct call *first = &store.calls[store.answered], *last = &store.calls[store.asked - 1], swapped = *first;

	*first = *last;
	*last = swapped;
	answer();
}

static void
store_begin(uint32_t messages)
{
	memset(&store, 0, sizeof(store));
	store.size = messages + 100;
	store.modseq = mem_zalloc(sizeof(*store.modseq) * store.size);
	for (uint32_t uid = 1; uid <= messages; uid++)
		store.modseq[uid] = store.highest = uid + 1;
	store.uid_next = messages + 1;
}

static unsigned fresh;
static int fresh_code;

static void
on_fresh(void *arg, const struct err *err)
{
	(void)arg;
	fresh++;
	fresh_code = err != NULL ? (int)err->code : 0;
}

static struct folder_index *
index_begin(struct frontend *f, uint32_t messages, uint32_t uid_next)
{
	struct folder_index_private *p = mem_new(struct folder_index_private);
	struct folder_index *ix = &p->index;

	*f = (struct frontend){.mailboxes = (struct mailbox_store *)(void *)&store};
	ix->private = p;
	ix->frontend = f;
	ix->address = str_dup(STR("a@example.test"));
	ix->folder = (struct mailbox_folder){.messages = messages, .uid_next = uid_next};
	p->refs = 1;
	fresh = 0;
	folder_index_refresh(ix, on_fresh, NULL);
	return ix;
}

static void
index_end(struct folder_index *ix)
{
	folder_records_free(ix);
	mem_free(ix->address);
	mem_free(ix->private);
	mem_free(store.modseq);
}

static void
assert_same(const struct folder_index *ix)
{
	uint32_t at = 0;

	for (uint32_t uid = 1; uid < store.size; uid++) {
		if (store.modseq[uid] == 0)
			continue;
		assert_true(at < folder_index_count(ix));
		assert_int_equal(ix->uids->uids[at], uid);
		assert_int_equal(mailbox_hot_modseq(folder_index_record(ix, at)), store.modseq[uid]);
		assert_true(folder_index_group_modseq(ix, at / FOLDER_INDEX_GROUP) >= store.modseq[uid]);
		at++;
	}
	assert_int_equal(at, folder_index_count(ix));
	assert_int_equal(ix->folder.highest_modseq, store.highest);
}

static void
test_quiet(void **state)
{
	struct frontend f;
	struct folder_index *ix;

	(void)state;
	store_begin(MESSAGES);
	ix = index_begin(&f, MESSAGES, MESSAGES + 1);
	while (store.answered < store.asked)
		answer();
	assert_int_equal(store.asked, 5); /* pieces; nothing has changed */
	assert_int_equal(fresh, 1);
	assert_same(ix);
	assert_int_equal(ix->folder.unseen, MESSAGES);
	index_end(ix);
}

/* Nobody is notified before all pieces are of one state. */
static void
test_changes_between_pieces(void **state)
{
	struct frontend f;
	struct folder_index *ix;

	(void)state;
	store_begin(MESSAGES);
	ix = index_begin(&f, MESSAGES, MESSAGES + 1);
	answer();
	store.modseq[5] = ++store.highest; /* in a piece already received */
	answer();
	store.modseq[MESSAGES - 1] = ++store.highest; /* in one still to come */
	store.gone[store.gone_count++] = 9;
	store.gone[store.gone_count++] = MESSAGES - 2;
	store.modseq[9] = store.modseq[MESSAGES - 2] = 0;
	store.highest++;
	answer();
	store.modseq[store.uid_next++] = ++store.highest; /* a new one */
	answer();
	answer();
	assert_int_equal(fresh, 0);
	assert_false(ix->loaded);
	assert_int_equal(store.asked, 6);
	assert_true(store.calls[5].is_changes);
	assert_int_equal(store.calls[5].since, MESSAGES + 1);
	store.modseq[6] = ++store.highest;
	answer();
	assert_int_equal(fresh, 1);
	assert_true(ix->loaded);
	assert_same(ix);
	index_end(ix);
}

/* A piece of several pages is answered behind one that was asked for later. */
static void
test_answers_out_of_order(void **state)
{
	struct frontend f;
	struct folder_index *ix;

	(void)state;
	for (unsigned changes = 0; changes < 2; changes++) {
		store_begin(MESSAGES);
		ix = index_begin(&f, MESSAGES, MESSAGES + 1);
		while (store.answered < store.asked) {
			if (changes != 0 && store.answered < 4)
				store.modseq[store.answered * 17000 + 5] = ++store.highest;
			answer_last();
		}
		assert_int_equal(fresh, 1);
		assert_same(ix);
		if (changes == 0)
			assert_int_equal(ix->folder.unseen, MESSAGES);
		index_end(ix);
	}
}

/* Most UIDs are of messages that have gone long ago, up to the last UID there is. */
static void
test_sparse(void **state)
{
	struct frontend f;
	struct folder_index *ix;

	(void)state;
	store_begin(20000);
	store.uid_next = UINT32_MAX;
	ix = index_begin(&f, 20000, UINT32_MAX);
	while (store.answered < store.asked)
		answer();
	assert_in_range(store.asked, 2, 20);
	assert_int_equal(store.calls[store.asked - 1].last, UINT32_MAX);
	for (unsigned i = 1; i < store.asked; i++)
		assert_int_equal(store.calls[i].first, store.calls[i - 1].last + 1);
	assert_same(ix);
	index_end(ix);
	/* Few messages: one piece. */
	store_begin(100);
	store.uid_next = 1000000;
	ix = index_begin(&f, 100, 1000000);
	answer();
	assert_int_equal(store.asked, 1);
	assert_same(ix);
	index_end(ix);
}

/* All pending answers come first. */
static void
test_failure(void **state)
{
	struct frontend f;
	struct folder_index *ix;
	struct err err;
	const struct call *c;

	(void)state;
	store_begin(MESSAGES);
	ix = index_begin(&f, MESSAGES, MESSAGES + 1);
	answer();
	err_set(&err, ERR_UNAVAILABLE, "the store is away");
	c = &store.calls[store.answered++];
	c->on_records(c->arg, NULL, &err);
	assert_int_equal(fresh, 0);
	while (store.answered < store.asked)
		answer();
	assert_int_equal(fresh, 1);
	assert_int_equal(fresh_code, ERR_UNAVAILABLE);
	assert_false(ix->loaded);
	/* The next load starts again. */
	folder_index_refresh(ix, on_fresh, NULL);
	while (store.answered < store.asked)
		answer();
	assert_int_equal(fresh, 2);
	assert_same(ix);
	index_end(ix);
}

/* ---- Messages that go ---- */

/* The cold record of each tells its UID. */
static void
give_cold(struct folder_index *ix)
{
	uint32_t count = folder_index_count(ix);
	char *cold = mem_alloc((size_t)count * MAILBOX_COLD_BYTES);

	for (uint32_t i = 0; i < count; i++) {
		struct mailbox_cold one = {.internal_date = ix->uids->uids[i], .body = {1, 2, 3}};

		mailbox_cold_pack(&one, cold + (size_t)i * MAILBOX_COLD_BYTES);
	}
	folder_index_take_cold(ix, &(struct mailbox_records){.hot = ix->hot, .cold = cold, .count = count});
	mem_free(cold);
}

static void
assert_same_cold(const struct folder_index *ix)
{
	struct mailbox_cold cold;

	for (uint32_t i = 0; i < folder_index_count(ix); i++) {
		assert_true(folder_index_cold(ix, i, &cold));
		assert_int_equal(cold.internal_date, ix->uids->uids[i]);
	}
}

/* One of `every` UIDs goes, from first to last; those that are no more are named too. */
static void
expunge(struct folder_index *ix, uint32_t first, uint32_t last, uint32_t every)
{
	uint32_t *gone = mem_alloc((last - first + 1) * sizeof(*gone)), count = 0;

	for (uint32_t uid = first; uid <= last; uid++)
		if (uid * 7919u % every == 0) {
			gone[count++] = uid;
			if (uid < store.size)
				store.modseq[uid] = 0;
		}
	store.highest++;
	folder_index_take_expunged(ix, &(struct mailbox_expunged){.uids = gone,
								  .count = count,
								  .modseq = store.highest,
								  .previous_modseq = store.highest - 1});
	mem_free(gone);
}

static void
test_expunged(void **state)
{
	static const struct {
		uint32_t first, last, every;
	} steps[] = {{1500, 1500, 1}, {1, 1, 1},    {1, 3000, 3},    {2990, 3000, 1}, {1, 3000, 3},
		     {500, 700, 1},   {1, 3000, 2}, {3001, 3010, 1}, {1, 4000, 1}};
	struct folder_uids *others = NULL;
	struct frontend f;
	struct folder_index *ix;

	(void)state;
	store_begin(3000);
	ix = index_begin(&f, 3000, 3001);
	while (store.answered < store.asked)
		answer();
	give_cold(ix);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		uint32_t first = ix->uids->count != 0 ? ix->uids->uids[0] : 0;

		/* A session that has yet to be told keeps the list. */
		if (i % 2 == 1) {
			others = ix->uids;
			others->refs++;
		}
		expunge(ix, steps[i].first, steps[i].last, steps[i].every);
		if (others != NULL) {
			assert_int_equal(others->count != 0 ? others->uids[0] : 0, first);
			folder_uids_unref(&others);
		}
		store.highest = ix->folder.highest_modseq;
		assert_same(ix);
		assert_same_cold(ix);
	}
	assert_int_equal(folder_index_count(ix), 0);
	index_end(ix);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_quiet),
		cmocka_unit_test(test_changes_between_pieces),
		cmocka_unit_test(test_answers_out_of_order),
		cmocka_unit_test(test_sparse),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_expunged),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
