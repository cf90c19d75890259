/* Jobs: given, ended, put off, lost with their worker. */
#include "tests/unit/spool-broker/fixture.h"

/* ---- Tests ---- */
static void
test_local_delivery(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	assert_int_equal(given[0].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	assert_string_equal(given[0].job->envelope->id, h.id);
	assert_int_equal(given[0].job->n_recipients, 1);
	assert_true(given[0].job->pass_reference);
	assert_false(given[0].job->recheck);
	assert_int_equal(given[0].job->attempt, 1);
	assert_int_equal(given[0].job->lease_ms, 30000);
	assert_false(has_state(h.id)); /* nothing to save yet */
	deliver(&given[0]);
	wait_until(is_finished(h.id), 20000);
	f = find(h.id);
	assert_int_equal(f.trace->state->status[0]->state, STAGEPOST__RECIPIENT_STATE__DELIVERED);
	assert_string_equal(f.trace->state->events[0]->kind, "accepted");
	assert_string_equal(f.trace->state->events[1]->kind, "filed");
	assert_string_equal(f.trace->state->events[1]->host, "worker-0");
	arena_fini(&f.arena);
	assert_int_equal(status_number(0, "queue", "messages"), 0);
	/* A resend that comes late is answered, and delivers nothing. */
	hand_over(&h, "a@sender.test", "bob@here");
	turn(100);
	assert_int_equal(given_count, 1);
}

static void
test_resend_while_queued(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	turn(100);
	assert_int_equal(given_count, 1);
	assert_int_equal(status_number(0, "queue", "messages"), 1);
}

static void
test_parts_by_destination(void **state)
{
	static const char *const addresses[] = {"bob@here", "one@x.test", "two@y.test", "alice@here", "three@x.test"};
	struct handed h = {.id = ""};
	unsigned local = 0, x = 0, y = 0;

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here one@x.test two@y.test alice@here three@x.test");
	wait_until(given_count == 3, 20000);
	for (unsigned i = 0; i < 3; i++) {
		const Stagepost__Job *job = given[i].job;
		assert_false(job->pass_reference);
		/* A job has its own recipients alone, in the order of their indexes. */
		assert_int_equal(job->recipient_total, 5);
		assert_int_equal(job->envelope->n_recipients, job->n_recipients);
		for (size_t k = 0; k < job->n_recipients; k++)
			assert_string_equal(job->envelope->recipients[k]->address, addresses[job->recipients[k]]);
		local += job->kind == STAGEPOST__JOB_KIND__LOCAL && job->n_recipients == 2;
		x += strcmp(job->destination, "x.test") == 0 && job->n_recipients == 2 && job->recipients[1] == 4;
		y += strcmp(job->destination, "y.test") == 0 && job->n_recipients == 1;
		deliver(&given[i]);
	}
	assert_int_equal(local + x + y, 3);
	wait_until(is_finished(h.id), 20000);
}

/* A worker of an earlier release gets all recipients in each job. */
static void
test_old_worker(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	old_workers = true;
	set_slots(10);
	hand_over(&h, "a@sender.test", "one@x.test two@y.test three@x.test");
	wait_until(given_count == 2, 20000);
	old_workers = false;
	for (unsigned i = 0; i < 2; i++) {
		const Stagepost__Job *job = given[i].job;
		assert_int_equal(job->recipient_total, 0);
		assert_int_equal(job->envelope->n_recipients, 3);
		assert_int_equal(job->n_recipients, strcmp(job->destination, "x.test") == 0 ? 2 : 1);
		deliver(&given[i]);
	}
	wait_until(is_finished(h.id), 20000);
}

static void
test_retry(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(has_state(h.id), 20000);
	f = find(h.id);
	assert_int_equal(f.state->status[0]->state, STAGEPOST__RECIPIENT_STATE__QUEUED);
	assert_int_equal(f.state->status[0]->attempts, 1);
	assert_string_equal(f.state->status[0]->last_code, "4.2.1");
	assert_true((int64_t)f.state->status[0]->next_try_ms > clock_unix_ms() + 200000);
	arena_fini(&f.arena);
	assert_int_equal(status_number(0, "queue", "deferred"), 1);
	assert_true(order("retry", h.id));
	wait_until(given_count == 2, 20000);
	assert_int_equal(given[1].job->attempt, 2);
	assert_false(given[1].job->recheck);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 20000);
	f = find(h.id);
	assert_int_equal(f.trace->state->n_events, 3);
	assert_string_equal(f.trace->state->events[1]->kind, "deferred");
	assert_string_equal(f.trace->state->events[2]->kind, "sent");
	arena_fini(&f.arena);
}

/* Our own trouble: tried again soon, as if nothing had been; past its age too. */
static void
test_postponed(void **state)
{
	struct handed h = {.id = "", .age_ms = 120000};
	struct found f;

	(void)state;
	redis_callf(redis, NULL, NULL, "HSET settings:spool expire_after 1m delay_warning_after 0");
	wait_until(settings_spool(settings_current(live), STR_NONE)->expire_after == 60000, 20000);
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	turn(1500);
	for (unsigned i = 1; i <= 5; i++) {
		end_job(&given[i - 1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0");
		wait_until(given_count == i + 1, 3000);
		assert_int_equal(given[i].job->attempt, 1);
		assert_true(given[i].job->recheck);
	}
	f = find(h.id);
	assert_int_equal(f.state->status[0]->attempts, 0);
	assert_string_equal(f.state->status[0]->last_text, "");
	arena_fini(&f.arena);
	end_job(&given[5], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED, "2.0.0");
	wait_until(is_finished(h.id), 20000);
	f = find(h.id);
	assert_int_equal(f.trace->state->n_events, 3);
	assert_string_equal(f.trace->state->events[1]->kind, "postponed");
	assert_string_equal(f.trace->state->events[2]->kind, "sent");
	arena_fini(&f.arena);
}

/* Others are served: what is postponed all the same waits longer in the end. */
static void
test_postponed_for_its_own_damage(void **state)
{
	struct handed h = {.id = ""}, other;
	unsigned seen = 0, postponed = 0;

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	while (postponed < 14) {
		wait_until(given_count > seen, 7000);
		if (strcmp(given[seen].job->destination, "x.test") != 0) {
			deliver(&given[seen++]);
			continue;
		}
		end_job(&given[seen++], STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0");
		postponed++;
		other = (struct handed){.id = ""};
		hand_over(&other, "a@sender.test", "two@y.test");
	}
	wait_until(given_count > seen, 4000);
	deliver(&given[seen++]);
	turn(3500);
	assert_int_equal(given_count, seen);
}

/* The destination is ill, and waits; an operator's word wakes it. */
static void
test_retry_of_troubled_destination(void **state)
{
	struct handed h[3] = {{.id = ""}};

	(void)state;
	hand_over(&h[0], "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	end_job_with(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.4.1", "no connection");
	wait_until(has_state(h[0].id), 20000);
	hand_over(&h[1], "a@sender.test", "two@x.test");
	hand_over(&h[2], "b@other.test", "three@x.test");
	turn(200);
	assert_int_equal(given_count, 1);
	assert_true(order("retry", h[2].id));
	wait_until(given_count == 2, 20000);
	assert_string_equal(given[1].job->envelope->id, h[2].id);
	end_job_with(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.4.1", "no connection");
	turn(200);
	assert_int_equal(given_count, 2);
	assert_true(order("retry", h[0].id));
	wait_until(given_count == 3, 20000);
	assert_string_equal(given[2].job->envelope->id, h[0].id);
	workers[0].obliging = true;
	deliver(&given[2]);
	wait_until(is_finished(h[0].id) && is_finished(h[1].id), 20000);
	assert_true(order("retry", h[2].id));
	wait_until(is_finished(h[2].id), 20000);
}

static void
test_first_wait_of_troubled_destination(void **state)
{
	struct handed h[2] = {{.id = ""}};
	int64_t start_ms;

	(void)state;
	redis_callf(redis, NULL, NULL, "HSET settings:spool retry_first 1s");
	wait_until(settings_spool(settings_current(live), STR_NONE)->retry_first == 1000, 20000);
	hand_over(&h[0], "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	end_job_with(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.4.1", "no connection");
	start_ms = clock_monotonic_ms();
	hand_over(&h[1], "a@sender.test", "two@x.test");
	workers[0].obliging = true;
	wait_until(is_finished(h[0].id) && is_finished(h[1].id), 20000);
	assert_true(clock_monotonic_ms() - start_ms >= 700);
}

/* A mailbox did not answer: from then on the reference is not passed, whatever
 * comes, the take-over too. */
static void
test_filing_in_doubt(void **state)
{
	struct handed h = {.id = ""}, both = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	assert_true(given[0].job->pass_reference && given[0].job->given_ms != 0);
	in_doubt = true;
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	wait_until(is_uncertain(h.id), 20000);
	in_doubt = false;
	assert_true(order("retry", h.id));
	wait_until(given_count == 2, 20000);
	assert_true(given[1].job->recheck && !given[1].job->pass_reference);
	/* What it says now is no word on the earlier try. */
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	wait_until(has_state(h.id), 20000);
	broker_free(&brokers[0]);
	start_broker(1);
	wait_until(owned(1) == SHARDS, 6000);
	turn(1500); /* the frontend hears of the new owner */
	assert_true(order("retry", h.id));
	wait_until(given_count == 3, 20000);
	assert_true(given[2].job->recheck && !given[2].job->pass_reference);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
	assert_true(is_uncertain(h.id));
	/* Of several recipients alike: a late try might still add a reference. */
	hand_over(&both, "a@sender.test", "bob@here alice@here");
	wait_until(given_count == 4, 20000);
	in_doubt = true;
	end_job(&given[3], STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED, "5.0.0");
	wait_until(is_finished(both.id) || given_count == 5, 20000);
	wait_until(is_uncertain(both.id), 20000);
}

static void
test_lost_job_leaves_doubt(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	bus_client_free(&workers[0].bus);
	start_worker(0, 10);
	wait_until(given_count == 2, 20000);
	assert_true(given[1].job->recheck && !given[1].job->pass_reference);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 20000);
	assert_true(is_uncertain(h.id));
}

static void
test_worker_comes_back(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	bus_client_free(&workers[0].bus);
	start_worker(0, 10);
	wait_until(given_count == 2, 20000);
	assert_true(given[1].job->recheck);
	assert_string_equal(given[1].job->envelope->id, h.id);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 20000);
}

static void
test_silent_worker(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	bus_client_free(&workers[0].bus);
	start_worker(1, 10);
	turn(1000);
	assert_int_equal(given_count, 1);
	wait_until(given_count == 2, 20000);
	assert_ptr_equal(given[1].worker, &workers[1]);
	assert_true(given[1].job->recheck);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 20000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_local_delivery),
		BROKER_TEST(test_resend_while_queued),
		BROKER_TEST(test_parts_by_destination),
		BROKER_TEST(test_old_worker),
		BROKER_TEST(test_retry),
		BROKER_TEST(test_postponed),
		BROKER_TEST(test_postponed_for_its_own_damage),
		BROKER_TEST(test_retry_of_troubled_destination),
		BROKER_TEST(test_first_wait_of_troubled_destination),
		BROKER_TEST(test_filing_in_doubt),
		BROKER_TEST(test_lost_job_leaves_doubt),
		BROKER_TEST(test_worker_comes_back),
		BROKER_TEST(test_silent_worker),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
