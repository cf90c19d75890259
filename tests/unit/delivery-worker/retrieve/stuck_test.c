/* Messages that the remote does not give. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "delivery-worker/retrieve/stuck.h"
#include "lib/base/clock.h"

static bool
try_fails(struct stuck *s, uint64_t id)
{
	return stuck_note(s, id, "hung up", true);
}

static void
test_put_aside_after_three_tries(void **state)
{
	struct stuck s = {0};

	(void)state;
	assert_false(stuck_note(&s, 1, "hung up", false)); /* a suspect only */
	assert_true(stuck_suspects(&s, 1) && !stuck_suspects(&s, 2));
	assert_false(try_fails(&s, 1));
	assert_false(try_fails(&s, 1));
	assert_false(stuck_passes_over(&s, 1));
	assert_true(try_fails(&s, 1));
	assert_true(stuck_passes_over(&s, 1));
	assert_int_equal(stuck_count(&s), 1);
	s.rows[0].tried_ms -= 25 * 3600 * 1000;
	assert_false(stuck_passes_over(&s, 1)); /* once a day */
	assert_true(try_fails(&s, 1));
	assert_true(stuck_passes_over(&s, 1));
	stuck_note_come(&s, 1);
	assert_int_equal(s.count, 0);
}

static void
test_stored_and_read(void **state)
{
	struct arena arena;
	struct stuck s = {0}, again;
	char line[100];

	(void)state;
	arena_init(&arena);
	for (uint64_t id = 1; id <= 3; id++)
		for (uint64_t i = 0; i < id; i++)
			stuck_note(&s, id << 60 | 7, "it said | this", true);
	stuck_read(&again, stuck_write(&s, &arena));
	assert_int_equal(again.count, 3);
	assert_memory_equal(again.rows, s.rows, 3 * sizeof(s.rows[0]));
	assert_int_equal(again.streak, 1);
	assert_string_equal(again.words, "it said | this");
	assert_false(again.is_changed);
	/* What is not so, and what is old, is left out. */
	stuck_read(&again, STR(""));
	assert_int_equal(again.count, 0);
	stuck_read(&again, STR(";;x;1 2;zz zz zz;|x|"));
	assert_int_equal(again.count, 0);
	snprintf(line, sizeof(line), "1 3 %lld;2 3 %lld;|1|words",
		 (long long)(clock_unix_ms() - INT64_C(31) * 24 * 3600 * 1000), (long long)clock_unix_ms());
	stuck_read(&again, str_c(line));
	assert_int_equal(again.count, 1);
	assert_int_equal(again.rows[0].id, 2);
	arena_fini(&arena);
}

/* If none of many comes it is the remote's own trouble. */
static void
test_a_remote_that_gives_nothing(void **state)
{
	struct stuck s = {0};
	uint64_t id;

	(void)state;
	for (id = 1; !stuck_is_remotes_own(&s); id++)
		while (!try_fails(&s, id))
			assert_true(id < 100);
	assert_int_equal(stuck_count(&s), id - 1);
	for (int i = 0; i < 5; i++)
		assert_false(try_fails(&s, id));
	stuck_note_come(&s, id);
	assert_int_equal(stuck_count(&s), 0); /* all are tried again */
	assert_false(stuck_passes_over(&s, 1));
	assert_true(stuck_suspects(&s, 1));
}

static void
test_not_too_many(void **state)
{
	struct stuck s = {0};

	(void)state;
	for (uint64_t id = 1; id <= STUCK_MAX + 50; id++)
		stuck_note(&s, id, "x", false);
	assert_int_equal(s.count, STUCK_MAX);
	assert_true(stuck_suspects(&s, STUCK_MAX + 50));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_put_aside_after_three_tries),
		cmocka_unit_test(test_stored_and_read),
		cmocka_unit_test(test_a_remote_that_gives_nothing),
		cmocka_unit_test(test_not_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
