/* Reports to senders: failure and success. */
#include "tests/unit/spool-broker/fixture.h"

static void
test_failure_report(void **state)
{
	struct handed h = {.id = ""}, dsn = {.id = ""};
	char report[SPOOL_ID_MAX];

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test two@x.test");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.1.1");
	wait_until(given_count == 2, 20000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__REPORT);
	assert_int_equal(given[1].job->report, STAGEPOST__JOB__REPORT__FAILURE);
	assert_int_equal(given[1].job->n_recipients, 2);
	assert_string_equal(given[1].job->state->status[0]->last_code, "5.1.1");
	assert_true(spool_id_parse(str_c(given[1].job->report_id), NULL, NULL));
	str_copy(str_c(given[1].job->report_id), report, sizeof(report));
	/* It cannot be handed over now: the same again later. */
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	turn(50);
	assert_true(order("retry", h.id));
	wait_until(given_count == 3, 20000);
	assert_string_equal(given[2].job->report_id, report);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
	/* The report itself fails: nobody is told. */
	hand_over(&dsn, "", "a@sender.test");
	wait_until(given_count == 4, 20000);
	end_job(&given[3], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.1.1");
	wait_until(is_finished(dsn.id), 20000);
	assert_int_equal(given_count, 4);
}

/* Some are delivered first, others fail later: the report is about these alone. */
static void
test_failure_report_of_some(void **state)
{
	struct handed h = {.id = ""};
	unsigned local;
	const Stagepost__Job *job;

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here one@x.test alice@here two@x.test");
	wait_until(given_count == 2, 20000);
	local = given[0].job->kind == STAGEPOST__JOB_KIND__LOCAL ? 0 : 1;
	deliver(&given[local]);
	wait_until(has_state(h.id), 20000);
	end_job(&given[1 - local], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.1.1");
	wait_until(given_count == 3, 20000);
	job = given[2].job;
	assert_int_equal(job->kind, STAGEPOST__JOB_KIND__REPORT);
	assert_int_equal(job->recipient_total, 4);
	assert_int_equal(job->n_recipients, 2);
	assert_int_equal(job->recipients[1], 3);
	assert_int_equal(job->envelope->n_recipients, 2);
	assert_string_equal(job->envelope->recipients[1]->address, "two@x.test");
	assert_int_equal(job->state->n_status, 2);
	assert_string_equal(job->state->status[0]->last_code, "5.1.1");
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
}

static void
test_notify(void **state)
{
	struct handed never = {.notify = NOTIFY_NEVER}, success = {.notify = NOTIFY_SUCCESS};

	(void)state;
	hand_over(&never, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.1.1");
	wait_until(is_finished(never.id), 20000);
	hand_over(&success, "a@sender.test", "bob@here");
	wait_until(given_count == 2, 20000);
	assert_false(given[1].job->pass_reference); /* the report still needs the body */
	deliver(&given[1]);
	wait_until(given_count == 3, 20000);
	assert_int_equal(given[2].job->report, STAGEPOST__JOB__REPORT__SUCCESS);
	deliver(&given[2]);
	wait_until(is_finished(success.id), 20000);
	/* A server that knows DSN reports itself; one that does not leaves it to us. */
	success = (struct handed){.notify = NOTIFY_SUCCESS};
	hand_over(&success, "a@sender.test", "one@x.test");
	wait_until(given_count == 4, 20000);
	deliver(&given[3]);
	wait_until(is_finished(success.id), 20000);
	success = (struct handed){.notify = NOTIFY_SUCCESS};
	hand_over(&success, "a@sender.test", "one@x.test");
	wait_until(given_count == 5, 20000);
	end_job(&given[4], STAGEPOST__RECIPIENT_RESULT__OUTCOME__RELAYED, "2.0.0");
	wait_until(given_count == 6, 20000);
	assert_true(given[5].job->state->status[0]->relayed);
	deliver(&given[5]);
	wait_until(is_finished(success.id), 20000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_failure_report),
		BROKER_TEST(test_failure_report_of_some),
		BROKER_TEST(test_notify),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
