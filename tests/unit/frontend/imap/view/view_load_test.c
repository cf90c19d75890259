/* Attaching a view while the mailbox changes all the time: the log that was read is
 * older than the index each time it comes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The file is compiled in, with a store of the test's own. */
#define imap_view_attach  tested_attach
#define imap_view_refresh tested_refresh
#include "frontend/imap/private.h"
#include "lib/base/mem.h"

static struct {
	unsigned reads, late; /* how often the log was read; the first ones come too late */
	mailbox_on_changes *on_changes;
	void *arg;
} store;

static void
store_read_changes(mailbox_on_changes *on_changes, void *arg)
{
	store.reads++;
	store.on_changes = on_changes;
	store.arg = arg;
}

#define mailbox_read_changes(store, address, folder, since, take, cb, arg) store_read_changes(cb, arg)
#define folder_index_apply(index, changes)				   ((void)(index), (void)(changes))
#include "frontend/imap/view/view_load.c"

static struct {
	bool done;
	enum err_code code;
} outcome;

static void
on_ready(struct imap_session *s, const struct err *err)
{
	(void)s;
	assert_false(outcome.done); /* exactly once */
	outcome.done = true;
	outcome.code = err != NULL ? err->code : ERR_NONE;
}

static void
on_command_end(struct op *op)
{
	(void)op;
}

static void
attach(unsigned late)
{
	struct folder_uids *none = mem_zalloc(sizeof(*none));
	struct folder_index index = {.loaded = true, .uids = none};
	struct imap_view view = {.index = &index, .modseq = 5, .count = 0};
	struct imap_session s = {.view = &view};

	none->refs = 2;
	index.folder.highest_modseq = 10;
	op_init(&s.base.command, on_command_end);
	store.reads = 0;
	outcome.done = false;
	assert_false(imap_view_attach(&s, on_ready));
	while (!outcome.done) {
		struct mailbox_changes changes = {0};
		changes.folder.highest_modseq = store.reads <= late ? 9 : 10;
		assert_true(store.reads <= 100);
		store.on_changes(store.arg, &changes, NULL);
	}
	mem_free(view.uids);
	mem_free(none);
}

static void
test_index_moves_on(void **state)
{
	static const struct {
		unsigned late, reads;
		enum err_code code;
	} cases[] = {{0, 1, ERR_NONE},
		     {3, 4, ERR_NONE},
		     {9, 10, ERR_NONE},
		     {10, 10, ERR_UNAVAILABLE},
		     {1000, 10, ERR_UNAVAILABLE}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		attach(cases[i].late);
		assert_int_equal(outcome.code, cases[i].code);
		assert_int_equal(store.reads, cases[i].reads);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_index_moves_on)};
	return cmocka_run_group_tests_name("imap/view/view_load", tests, NULL, NULL);
}
