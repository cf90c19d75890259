/* Deadlines: delay reports and expiry. */
#include "tests/unit/spool-broker/fixture.h"

static void
test_delay_and_expiry(void **state)
{
	struct handed late = {.age_ms = 5 * HOUR_IN_MS}, old = {.age_ms = 6 * 24 * (int64_t)HOUR_IN_MS};

	(void)state;
	hand_over(&late, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(given_count == 2, 20000);
	assert_int_equal(given[1].job->report, STAGEPOST__JOB__REPORT__DELAY);
	deliver(&given[1]);
	wait_until(status_number(0, "queue", "active") == 0, 20000);
	assert_true(order("retry", late.id));
	wait_until(given_count == 3, 20000);
	end_job(&given[2], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	turn(1500);
	assert_int_equal(given_count, 3); /* told once */
	hand_over(&old, "a@sender.test", "one@x.test");
	wait_until(given_count == 4, 20000);
	end_job(&given[3], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(given_count == 5, 20000);
	assert_int_equal(given[4].job->report, STAGEPOST__JOB__REPORT__FAILURE);
	assert_string_equal(given[4].job->state->status[0]->last_code, "5.4.7");
	deliver(&given[4]);
	wait_until(is_finished(old.id), 20000);
}

/* It waits for nobody's slot, and still expires. */
static void
test_expiry_without_a_worker(void **state)
{
	struct handed old = {.age_ms = 6 * 24 * (int64_t)HOUR_IN_MS};

	(void)state;
	workers[0].slots = 0;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	turn(50);
	hand_over(&old, "", "one@x.test");
	wait_until(is_finished(old.id), 20000);
	assert_int_equal(given_count, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_delay_and_expiry),
		BROKER_TEST(test_expiry_without_a_worker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
