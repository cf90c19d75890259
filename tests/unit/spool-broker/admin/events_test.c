/* Events: each is told once. */
#include "tests/unit/spool-broker/fixture.h"

/* The trace keeps only so many; subscribers are told of all. */
static void
test_every_event_is_told(void **state)
{
	struct handed h = {.id = ""};
	struct buf to = BUF_EMPTY;

	(void)state;
	for (int i = 0; i < 100; i++)
		buf_printf(&to, "a%d@here ", i);
	workers[0].obliging = true;
	hand_over(&h, "a@sender.test", to.data);
	buf_fini(&to);
	wait_until(is_finished(h.id), 20000);
	assert_int_equal(count_events(h.id, "\"event\":\"accepted\""), 1);
	assert_int_equal(count_events(h.id, "\"event\":\"delivered\""), 100);
}

static void
test_take_over_is_told_once(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	for (int i = 0; i < 2; i++) {
		broker_free(&brokers[0]);
		start_broker(0);
		wait_until(given_count == (unsigned)i + 2, 20000);
	}
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
	assert_int_equal(count_events(h.id, "\"event\":\"taken-over\""), 1);
	assert_int_equal(count_events(h.id, "\"event\":\"delivered\""), 1);
}

/* Of its own try, whatever became of the recipient before it was told. */
static void
test_deferred_event_has_its_own_code(void **state)
{
	struct handed old = {.age_ms = 6 * 24 * (int64_t)HOUR_IN_MS};

	(void)state;
	hand_over(&old, "", "one@x.test");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(is_finished(old.id), 20000);
	assert_int_equal(count_events(old.id, "\"event\":\"deferred\""), 1);
	assert_int_equal(count_events(old.id, "\"code\":\"4.2.1\",\"attempt\":1"), 1);
	assert_int_equal(count_events(old.id, "\"event\":\"expired\""), 1);
	assert_int_equal(count_events(old.id, "\"code\":\"5.4.7\""), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_every_event_is_told),
		BROKER_TEST(test_take_over_is_told_once),
		BROKER_TEST(test_deferred_event_has_its_own_code),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
