/* Waits between tries, and the heap by time. */
#include "spool-broker/schedule/backoff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "spool-broker/schedule/heap.h"

static void
test_doubles(void **state)
{
	static const struct {
		int64_t first, longest;
		unsigned tries;
		int64_t middle;
	} cases[] = {
		{300000, 14400000, 1, 300000},
		{300000, 14400000, 2, 600000},
		{300000, 14400000, 6, 9600000},
		{300000, 14400000, 7, 14400000},
		{300000, 14400000, 60000, 14400000},
		{300000, 1000, 1, 1000},
		{1000, INT64_MAX / 2, 200, INT64_MAX / 2},
		{0, 1000, 3, 0},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t m = cases[i].middle;
		assert_int_equal(backoff_ms(cases[i].first, cases[i].longest, cases[i].tries, 0), m - m / 8);
		for (unsigned n = 0; n < 1000; n++) {
			int64_t ms = backoff_ms(cases[i].first, cases[i].longest, cases[i].tries, backoff_random());
			assert_true(ms >= m - m / 8 && ms <= m - m / 8 + m / 4);
		}
	}
}

static void
test_spreads(void **state)
{
	int64_t least = INT64_MAX, most = 0;

	(void)state;
	for (unsigned n = 0; n < 1000; n++) {
		int64_t ms = backoff_ms(8000, 100000, 1, backoff_random());
		least = ms < least ? ms : least;
		most = ms > most ? ms : most;
	}
	assert_true(least < 7300 && most > 8700);
}

static void
test_heap(void **state)
{
	enum { COUNT = 2000 };
	struct heap_node *nodes = calloc(COUNT, sizeof(*nodes));
	struct heap h = {NULL, 0, 0};
	int64_t last = -1;
	unsigned left = COUNT;

	(void)state;
	for (unsigned i = 0; i < COUNT; i++)
		heap_set(&h, &nodes[i], backoff_random() % 1000);
	for (unsigned i = 0; i < COUNT; i += 3)
		heap_set(&h, &nodes[i], backoff_random() % 1000);
	for (unsigned i = 0; i < COUNT; i += 7, left--)
		heap_remove(&h, &nodes[i]);
	assert_int_equal(h.count, left);
	for (struct heap_node *n; (n = heap_first(&h)) != NULL; left--) {
		assert_true(n->time_ms >= last);
		last = n->time_ms;
		heap_remove(&h, n);
		heap_remove(&h, n); /* no harm */
	}
	assert_int_equal(left, 0);
	heap_fini(&h);
	free(nodes);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_doubles),
		cmocka_unit_test(test_spreads),
		cmocka_unit_test(test_heap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
