/* Spam checks: before all else, failing, turned off, lost, taken over. */
#include "tests/unit/spool-broker/fixture.h"

static Stagepost__SpamVerdict spam = STAGEPOST__SPAM_VERDICT__INIT;

static void
say_spam(struct given *g)
{
	spam.is_spam = true;
	spam.engine = (char *)(uintptr_t) "spamd://here";
	spam.score = 7.5;
	verdict = &spam;
	deliver(g);
	verdict = NULL;
}

static void
test_check_comes_first(void **state)
{
	struct handed h = {.id = ""};
	struct found f;
	unsigned local = 0;

	(void)state;
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h, "a@sender.test", "bob@here one@x.test");
	wait_until(given_count == 1, 20000);
	turn(50);
	assert_int_equal(given_count, 1);
	assert_int_equal(given[0].job->kind, STAGEPOST__JOB_KIND__CHECK);
	assert_int_equal(given[0].job->n_recipients, 2);
	assert_string_equal(given[0].job->destination, "spam-check");
	say_spam(&given[0]);
	wait_until(given_count == 3, 20000);
	f = find(h.id); /* saved before anything is delivered */
	assert_true(f.state->spam->is_spam && f.state->spam->score > 7);
	arena_fini(&f.arena);
	for (unsigned i = 1; i < 3; i++) {
		local += given[i].job->kind == STAGEPOST__JOB_KIND__LOCAL && given[i].job->verdict->is_spam;
		assert_false(given[i].job->recheck);
		deliver(&given[i]);
	}
	assert_int_equal(local, 1);
	wait_until(is_finished(h.id), 20000);
	f = find(h.id);
	assert_string_equal(f.trace->state->events[1]->kind, "checked");
	assert_string_equal(f.trace->state->events[1]->remote, "spamd://here");
	arena_fini(&f.arena);
}

static void
test_check_fails(void **state)
{
	struct handed h = {.id = ""}, next = {.id = ""};
	struct found f;

	(void)state;
	set_setting("HSET settings:spam engine spamd://here unavailable_after 0");
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	end_job_with(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0", "no connection");
	wait_until(given_count == 2, 20000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	assert_true(given[1].job->pass_reference && given[1].job->attempt == 1);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 20000);
	f = find(h.id);
	assert_string_equal(f.trace->state->events[2]->kind, "unchecked");
	assert_true(f.trace->state->spam->unchecked[0] != '\0' && !f.trace->state->spam->is_spam);
	arena_fini(&f.arena);

	/* It waits for the engine, until that is not asked any more. */
	set_setting("HSET settings:spam unavailable defer");
	hand_over(&next, "a@sender.test", "bob@here");
	wait_until(given_count == 3, 20000);
	assert_int_equal(given[2].job->kind, STAGEPOST__JOB_KIND__CHECK);
	end_job_with(&given[2], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0", "no connection");
	turn(700); /* it is asked again after two seconds */
	assert_int_equal(given_count, 3);
	set_setting("HDEL settings:spam engine");
	wait_until(given_count == 4, 20000);
	assert_int_equal(given[3].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	deliver(&given[3]);
	wait_until(is_finished(next.id), 20000);
}

/* Nobody is asked any more when checks were turned off while it was held. */
static void
test_release_with_checks_off(void **state)
{
	struct handed h = {.id = ""}, other = {.id = ""};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here unavailable defer");
	hand_over(&h, "a@sender.test", "bob@here");
	hand_over(&other, "a@sender.test", "bob@here");
	wait_until(given_count == 2, 20000);
	assert_true(order("hold", h.id));
	assert_true(order("hold", other.id));
	for (unsigned i = 0; i < 2; i++)
		end_job_with(&given[i], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0", "no connection");
	wait_until(status_number(0, "queue", "held") == 2, 20000);
	set_setting("HDEL settings:spam engine");
	turn(2500);
	assert_int_equal(given_count, 2);
	assert_true(order("release", h.id));
	wait_until(given_count == 3, 500);
	assert_int_equal(given[2].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
	assert_true(order("release", other.id));
	wait_until(given_count == 4, 20000);
	assert_int_equal(given[3].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	deliver(&given[3]);
	wait_until(is_finished(other.id), 20000);
}

/* Checks that were turned off are not made by the next owner either. */
static void
test_take_over_with_checks_off(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	set_slots(0);
	set_setting("HSET settings:spam engine spamd://here unavailable defer");
	hand_over(&h, "a@sender.test", "bob@here");
	/* Before its deadline, a second from then: the next owner sees to it. */
	set_setting("HDEL settings:spam engine");
	broker_free(&brokers[0]);
	set_slots(10);
	start_broker(0);
	wait_until(given_count == 1, 8000);
	assert_int_equal(given[0].job->kind, STAGEPOST__JOB_KIND__LOCAL);
	deliver(&given[0]);
	wait_until(is_finished(h.id), 20000);
}

/* A worker that cannot read the body says nothing of the engines. */
static void
test_check_without_the_store(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here unavailable_after 0");
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0");
	wait_until(given_count == 2, 3000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__CHECK);
	say_spam(&given[1]);
	wait_until(given_count == 3, 20000);
	assert_true(given[2].job->verdict->is_spam);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
}

/* A check that outlived its broker is made again; a verdict that is saved is
 * not asked for again. */
static void
test_check_and_take_over(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	workers[0].faithful = true;
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(given_count == 2, 20000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__CHECK);
	given[0].ended = true;
	say_spam(&given[1]);
	wait_until(given_count == 3, 20000);
	assert_int_equal(given[2].job->kind, STAGEPOST__JOB_KIND__REMOTE);
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "active") == 1, 20000);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
	assert_int_equal(given_count, 3);
}

/* Of a worker that was lost: done again, and nothing is known of a filing. */
static void
test_check_is_lost(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	bus_client_free(&workers[0].bus);
	start_worker(1, 10);
	wait_until(given_count == 2, 10000);
	assert_int_equal(given[1].job->kind, STAGEPOST__JOB_KIND__CHECK);
	say_spam(&given[1]);
	wait_until(given_count == 3, 20000);
	assert_true(given[2].job->kind == STAGEPOST__JOB_KIND__LOCAL && !given[2].job->recheck);
	deliver(&given[2]);
	wait_until(is_finished(h.id), 20000);
}

static void
test_outbound_spam_is_held(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here outbound_spam hold");
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	say_spam(&given[0]);
	wait_until(status_number(0, "queue", "held") == 1, 20000);
	turn(100);
	assert_int_equal(given_count, 1);
	assert_true(order("release", h.id));
	wait_until(given_count == 2, 20000);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 20000);
}

/* As the check of it is under way: nothing is delivered then. */
static void
test_deleted_while_checked(void **state)
{
	struct handed h[2] = {{.id = ""}, {.id = ""}};

	(void)state;
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h[0], "a@sender.test", "bob@here");
	hand_over(&h[1], "a@sender.test", "bob@here");
	wait_until(given_count == 2, 20000);
	assert_true(order("delete", h[0].id));
	assert_true(order("delete", h[1].id));
	say_spam(&given[0]);
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	wait_until(is_finished(h[0].id) && is_finished(h[1].id), 20000);
	assert_int_equal(given_count, 2);
}

/* The engine's trouble is found by its words, of one recipient or several, and
 * by the next broker too. */
static void
test_answers_of_checks(void **state)
{
	struct handed h[2] = {{.id = ""}, {.id = ""}};
	Stagepost__QueueFilter says = STAGEPOST__QUEUE_FILTER__INIT, other = STAGEPOST__QUEUE_FILTER__INIT;
	const struct bus_peer *old;

	(void)state;
	says.answer = (char *)(uintptr_t) "the TEST says";
	other.answer = (char *)(uintptr_t) "nobody says";
	set_setting("HSET settings:spam engine spamd://here");
	hand_over(&h[0], "a@sender.test", "bob@here");
	hand_over(&h[1], "a@sender.test", "bob@here one@x.test");
	wait_until(given_count == 2, 20000);
	for (int i = 0; i < 2; i++)
		end_job(&given[i], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.3.0");
	wait_until(has_state(h[0].id) && has_state(h[1].id), 20000);
	for (int i = 0; i < 2; i++) {
		ask_pages(&says);
		assert_int_equal(page_count, 2);
		ask_pages(&other);
		assert_int_equal(page_count, 0);
		old = bus_client_owner(frontend, 0);
		workers[0].slots = 0;
		broker_free(&brokers[0]);
		start_broker(0);
		wait_until(owned(0) == SHARDS && status_number(0, "queue", "messages") == 2, 20000);
		wait_until(bus_client_owner(frontend, 0) != NULL && bus_client_owner(frontend, 0) != old, 20000);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_check_comes_first),	   BROKER_TEST(test_check_fails),
		BROKER_TEST(test_check_without_the_store), BROKER_TEST(test_check_and_take_over),
		BROKER_TEST(test_check_is_lost),	   BROKER_TEST(test_outbound_spam_is_held),
		BROKER_TEST(test_release_with_checks_off), BROKER_TEST(test_take_over_with_checks_off),
		BROKER_TEST(test_deleted_while_checked),   BROKER_TEST(test_answers_of_checks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
