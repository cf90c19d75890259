/* The watchdog: what stands still is named. */
#include "spool-broker/admin/watchdog.h"
#include "tests/unit/spool-broker/fixture.h"

/* Mail that waits for its next try, as there always is some, hides no stall. */
static void
test_stall_beside_deferred_mail(void **state)
{
	struct handed h[3] = {{.id = ""}};
	const struct watch *watch = &brokers[0]->watchdog->queues[STAGEPOST__JOB_KIND__REMOTE];

	(void)state;
	set_setting("HSET settings:spool stall_after 1s");
	hand_over(&h[0], "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(status_number(0, "queue", "deferred") == 1, 20000);
	/* What waits for a dead destination alone is none. */
	hand_over(&h[1], "a@sender.test", "two@dead.test");
	wait_until(given_count == 2, 20000);
	end_job_with(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.4.1", "no connection");
	wait_until(status_number(0, "queue", "deferred") == 2, 20000);
	hand_over(&h[2], "b@sender.test", "three@dead.test");
	turn(2500);
	assert_false(watch->told);
	workers[0].slots = 0;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	h[2] = (struct handed){.id = ""};
	hand_over(&h[2], "a@sender.test", "four@y.test");
	wait_until(watch->told, 20000);
	workers[0].slots = 10;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	wait_until(given_count == 3, 20000);
	wait_until(!watch->told, 20000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_stall_beside_deferred_mail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
