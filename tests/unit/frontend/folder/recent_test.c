/* Ranges of recent messages, against a plain set. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/folder/recent.h"

enum { UIDS = 64 };

static void
check(const struct folder_recent *r, const bool *set)
{
	for (uint32_t i = 0; i < r->count; i++) {
		assert_true(r->ranges[i].first <= r->ranges[i].last);
		if (i != 0) /* separated by at least one */
			assert_true(r->ranges[i - 1].last + 1 < r->ranges[i].first);
	}
	for (uint32_t uid = 1; uid < UIDS; uid++)
		assert_int_equal(folder_recent_has(r, uid), set[uid]);
}

/* What was taken first may be reported last: messages in between belong to others. */
static void
test_older_ones_come_later(void **state)
{
	struct folder_recent index = {0}, view = {0};
	bool set[UIDS] = {[5] = true, [6] = true, [9] = true};

	(void)state;
	folder_recent_add(&index, 5, 6);
	folder_recent_add(&view, 9, 9);
	folder_recent_move(&index, &view);
	assert_int_equal(index.count, 0);
	check(&view, set);
	folder_recent_fini(&view);
}

static void
test_any_order(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 2000; seed++) {
		struct folder_recent r = {0};
		bool set[UIDS] = {false};
		srand(seed);
		for (unsigned n = 0; n < 12; n++) {
			uint32_t first = 1 + (uint32_t)rand() % (UIDS - 1), last = first + (uint32_t)rand() % 6 - 1;
			last = last < UIDS ? last : UIDS - 1;
			folder_recent_add(&r, first, last);
			for (uint32_t uid = first; uid <= last; uid++)
				set[uid] = true;
			check(&r, set);
		}
		folder_recent_fini(&r);
	}
}

static void
test_the_largest(void **state)
{
	struct folder_recent r = {0};

	(void)state;
	folder_recent_add(&r, 7, UINT32_MAX);
	folder_recent_add(&r, UINT32_MAX, UINT32_MAX);
	folder_recent_add(&r, 3, 4);
	assert_int_equal(r.count, 2);
	assert_true(folder_recent_has(&r, UINT32_MAX) && folder_recent_has(&r, 3) && !folder_recent_has(&r, 5));
	folder_recent_fini(&r);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_older_ones_come_later),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_the_largest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
