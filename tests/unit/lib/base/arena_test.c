/* Memory tied to a scope. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/arena.h"

static bool
all_zero(const char *p, size_t size)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* Also what is used again after a reset. */
static void
test_zeroed_and_aligned(void **state)
{
	static const size_t sizes[] = {0, 1, 15, 16, 17, 1000, 1024, 1025, 100000, 3};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (unsigned pass = 0; pass < 3; pass++) {
		char *before = NULL;
		for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
			char *p = arena_alloc(&a, sizes[i]);
			assert_non_null(p);
			assert_int_equal((uintptr_t)p % 16, 0);
			assert_true(all_zero(p, sizes[i]));
			memset(p, 0xaa, sizes[i]);
			/* One of no size may be where the next one is. */
			assert_true(sizes[i] == 0 || p != before);
			if (sizes[i] != 0)
				before = p;
		}
		assert_true(a.total_bytes >= 103000);
		arena_reset(&a);
		assert_int_equal(a.total_bytes, 0);
	}
	arena_fini(&a);
}

/* Nothing that was handed out is handed out again before a reset. */
static void
test_pieces_do_not_overlap(void **state)
{
	struct arena a;
	unsigned char *pieces[500];

	(void)state;
	arena_init(&a);
	for (unsigned i = 0; i < 500; i++) {
		pieces[i] = arena_alloc(&a, i % 97 + 1);
		memset(pieces[i], (int)(i % 251), i % 97 + 1);
	}
	for (unsigned i = 0; i < 500; i++)
		for (unsigned j = 0; j < i % 97 + 1; j++)
			assert_int_equal(pieces[i][j], i % 251);
	arena_fini(&a);
	assert_null(a.newest);
}

static void
test_reset_keeps_one_small_block(void **state)
{
	struct arena a;
	void *first, *again;

	(void)state;
	arena_init(&a);
	arena_reset(&a); /* of nothing */
	first = arena_alloc(&a, 10);
	arena_alloc(&a, 5000);
	arena_reset(&a);
	again = arena_alloc(&a, 10);
	assert_ptr_equal(first, again);
	arena_fini(&a);
	/* A big first block is not kept for the rest of a session. */
	arena_alloc(&a, 1000000);
	arena_reset(&a);
	assert_null(a.newest);
	arena_fini(&a);
}

static void
test_copies(void **state)
{
	struct arena a;
	struct str s;
	unsigned *numbers;

	(void)state;
	arena_init(&a);
	s = arena_str(&a, STR("a\0b"));
	assert_true(str_eq(s, STR("a\0b")));
	assert_int_equal(s.p[3], '\0');
	assert_string_equal(arena_strdup(&a, "text"), "text");
	assert_string_equal(arena_dup(&a, NULL, 0), "");
	assert_int_equal(arena_str(&a, STR_NONE).len, 0);
	assert_string_equal(arena_printf(&a, "%s-%d", "n", 5), "n-5");
	assert_int_equal(strlen(arena_printf(&a, "%0*d", 3000, 0)), 3000);
	numbers = arena_array(&a, unsigned, 10);
	assert_int_equal(numbers[9], 0);
	arena_fini(&a);
}

static void
test_wipe(void **state)
{
	struct arena a;
	char *pieces[100];

	(void)state;
	arena_init(&a);
	for (unsigned i = 0; i < 100; i++)
		pieces[i] = arena_strdup(&a, "a password that nobody may read");
	arena_wipe(&a);
	for (unsigned i = 0; i < 100; i++)
		for (unsigned k = 0; k < 31; k++)
			assert_int_equal(pieces[i][k], 0);
	arena_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_zeroed_and_aligned),
		cmocka_unit_test(test_pieces_do_not_overlap),
		cmocka_unit_test(test_reset_keeps_one_small_block),
		cmocka_unit_test(test_copies),
		cmocka_unit_test(test_wipe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
