/* Workers that cannot do their jobs. */
#include "delivery-worker/jobs/health.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

/* A job of a fresh message fails. */
static bool
note_failure(struct health *h, int64_t now_ms)
{
	static unsigned n;
	char id[SPOOL_ID_MAX];

	snprintf(id, sizeof(id), "%020u", ++n);
	return health_note(h, str_c(id), true, now_ms);
}

static bool
note_success(struct health *h, int64_t now_ms)
{
	return health_note(h, STR("00000000000000000000"), false, now_ms);
}

static void
test_some_failures_are_nothing(void **state)
{
	struct health h = {0};

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		assert_false(note_failure(&h, 0));
		assert_false(note_failure(&h, 0));
		assert_false(note_success(&h, 0));
	}
	assert_int_equal(health_slots(&h, 50, 0), 50);
}

static void
test_one_damaged_message_is_nothing(void **state)
{
	struct health h = {0};

	(void)state;
	for (unsigned i = 0; i < 10; i++)
		assert_false(health_note(&h, STR("0123456789abcdefghjk"), true, 0));
	assert_int_equal(health_slots(&h, 50, 0), 50);
}

static void
test_rests_longer_each_time(void **state)
{
	struct health h = {0};
	int64_t now_ms = 0, last_ms = 0;

	(void)state;
	assert_false(note_failure(&h, 0));
	assert_false(note_failure(&h, 0));
	assert_true(note_failure(&h, 0));
	for (unsigned i = 0; i < 8; i++) {
		int64_t rest_ms = h.rest_until_ms - now_ms;
		assert_true(rest_ms > last_ms || rest_ms == 1000);
		last_ms = rest_ms;
		assert_int_equal(health_slots(&h, 50, now_ms), 0);
		assert_false(note_failure(&h, now_ms)); /* one that was still under way */
		now_ms += rest_ms;
		assert_int_equal(health_slots(&h, 50, now_ms), 1);
		assert_true(note_failure(&h, now_ms)); /* the trial */
	}
	assert_int_equal(last_ms, 1000);
	now_ms = h.rest_until_ms;
	assert_true(note_success(&h, now_ms));
	assert_int_equal(health_slots(&h, 50, now_ms), 50);
	assert_int_equal(health_slots(&h, 0, now_ms), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_some_failures_are_nothing),
		cmocka_unit_test(test_one_damaged_message_is_nothing),
		cmocka_unit_test(test_rests_longer_each_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
