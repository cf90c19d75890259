/* The random run: a mailbox beside a model of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lib/mailbox/mailbox_fixture.h"

static enum err_code
select_folder(const char *name, bool take_recent)
{
	begin();
	mailbox_select(store, who, str_c(name), take_recent, on_folder, NULL);
	return finish();
}

/* ---- The random run ---- */

enum { MODEL_FOLDERS = 3, MODEL_MESSAGES = 2000, MODEL_STEPS = 1500 };

struct model_message {
	uint32_t uid;
	uint16_t flags;
	uint64_t size, email, modseq;
};

struct model_folder {
	const char *name;
	uint32_t id, uid_next;
	uint32_t recent_from;
	struct model_message messages[MODEL_MESSAGES];
	unsigned count;
	struct {
		uint32_t uid;
		uint64_t modseq;
	} gone[MODEL_MESSAGES];
	unsigned gone_count;
};

static struct model_folder model[MODEL_FOLDERS] = {{.name = "INBOX"}, {.name = "One"}, {.name = "Two/Three"}};

static void
compare(struct model_folder *f)
{
	unsigned unseen = 0;
	uint64_t bytes = 0;

	assert_int_equal(read_folder(f->id, 1, UINT32_MAX, 0), ERR_NONE);
	assert_int_equal(got.hot_count, f->count);
	for (unsigned i = 0; i < f->count; i++) {
		assert_int_equal(got.hot[i].uid, f->messages[i].uid);
		assert_int_equal(got.hot[i].flags, f->messages[i].flags);
		assert_int_equal(got.hot[i].size, f->messages[i].size);
		assert_int_equal(got.hot[i].email_id, f->messages[i].email);
		assert_int_equal(got.hot[i].modseq, f->messages[i].modseq);
		unseen += (f->messages[i].flags & MAILBOX_SEEN) == 0;
		bytes += f->messages[i].size;
	}
	assert_int_equal(open_folder(f->name), ERR_NONE);
	assert_int_equal(got.folder.messages, f->count);
	assert_int_equal(got.folder.unseen, unseen);
	assert_int_equal(got.folder.bytes, bytes);
	assert_int_equal(got.folder.uid_next, f->uid_next);
}

static void
compare_changes(struct model_folder *f, uint64_t since)
{
	unsigned changed = 0, gone = 0;

	assert_int_equal(changes(f->id, since), ERR_NONE);
	for (unsigned i = 0; i < f->count; i++)
		if (f->messages[i].modseq > since)
			assert_int_equal(got.hot[changed++].uid, f->messages[i].uid);
	assert_int_equal(got.hot_count, changed);
	for (unsigned i = 0; i < f->gone_count; i++)
		gone += f->gone[i].modseq > since;
	assert_int_equal(got.uid_count, gone);
	assert_true(got.complete);
}

static void
model_remove(struct model_folder *f, unsigned at, uint64_t modseq)
{
	f->gone[f->gone_count].uid = f->messages[at].uid;
	f->gone[f->gone_count++].modseq = modseq;
	memmove(&f->messages[at], &f->messages[at + 1], (f->count - at - 1) * sizeof(f->messages[0]));
	f->count--;
}

/* What a session is told that selects it, and what it leaves to the next one. */
static void
compare_selected(struct model_folder *f, bool take_recent)
{
	uint32_t recent = 0, first_unseen = 0;

	for (unsigned i = 0; i < f->count; i++) {
		recent += f->messages[i].uid >= f->recent_from;
		if (first_unseen == 0 && (f->messages[i].flags & MAILBOX_SEEN) == 0)
			first_unseen = i + 1;
	}
	assert_int_equal(select_folder(f->name, take_recent), ERR_NONE);
	assert_int_equal(got.folder.recent, recent);
	assert_int_equal(got.folder.first_recent, f->recent_from);
	assert_int_equal(got.folder.first_unseen, first_unseen);
	if (take_recent)
		f->recent_from = f->uid_next;
}

static void
test_random(void **state)
{
	uint64_t newest = 1;

	(void)state;
	srand(7);
	assert_int_equal(create("One"), ERR_NONE);
	assert_int_equal(create("Two/Three"), ERR_NONE);
	for (unsigned i = 0; i < MODEL_FOLDERS; i++) {
		assert_int_equal(open_folder(model[i].name), ERR_NONE);
		model[i].id = got.folder.id;
		model[i].uid_next = model[i].recent_from = 1;
	}
	for (unsigned step = 0; step < MODEL_STEPS; step++) {
		struct model_folder *f = &model[rand() % MODEL_FOLDERS], *g = &model[rand() % MODEL_FOLDERS];
		unsigned what = (unsigned)rand() % 10, at = f->count != 0 ? (unsigned)rand() % f->count : 0;
		uint16_t flags = (uint16_t)(rand() & 31);
		uint64_t size = (uint64_t)(rand() % 10000);

		if (what < 5 || f->count == 0) {
			assert_int_equal(file_one(f->name, NULL, size, flags, 0), ERR_NONE);
			f->messages[f->count++] = (struct model_message){f->uid_next++, flags, size,
									 got.filed.first_email_id, got.filed.modseq};
		} else if (what < 7) {
			assert_int_equal(
				store_flags(f->id, &f->messages[at].uid, 1, MAILBOX_FLAGS_SET, flags, NULL, UINT64_MAX),
				ERR_NONE);
			if (f->messages[at].flags != flags)
				f->messages[at].modseq = got.modseq;
			f->messages[at].flags = flags;
		} else if (what < 8) {
			assert_int_equal(expunge(f->id, &f->messages[at].uid, 1, false), ERR_NONE);
			model_remove(f, at, got.modseq);
		} else {
			bool move = what == 8;
			struct model_message m = f->messages[at];
			assert_int_equal(copy(f->id, &m.uid, 1, g->name, move), ERR_NONE);
			assert_int_equal(got.uid_count, 1);
			assert_int_equal(got.to_uids[0], g->uid_next);
			if (move)
				model_remove(f, at, got.modseq);
			m.uid = g->uid_next++;
			m.modseq = got.modseq;
			g->messages[g->count++] = m;
		}
		compare_selected(&model[rand() % MODEL_FOLDERS], step % 50 == 0);
		if (step % 100 == 0)
			compare_changes(f, newest - (uint64_t)rand() % newest);
		newest = step + 1;
	}
	for (unsigned i = 0; i < MODEL_FOLDERS; i++) {
		compare(&model[i]);
		for (uint64_t since = 1; since < MODEL_STEPS; since += 97)
			compare_changes(&model[i], since);
	}
	destroy();
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
