/* Orders of operators: what they change, and when they are answered. */
#include "tests/unit/spool-broker/fixture.h"

static void
test_hold_release_delete(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(has_state(h.id), 20000);
	assert_false(order("release", h.id));
	assert_true(order("hold", h.id));
	assert_false(order("retry", h.id));
	assert_int_equal(status_number(0, "queue", "held"), 1);
	assert_true(order("release", h.id));
	wait_until(given_count == 2, 20000);
	assert_true(order("delete", h.id));
	assert_string_equal(order_text, "deleted, except for what is being delivered now");
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(is_finished(h.id), 20000);
	f = find(h.id);
	assert_string_equal(f.trace->state->events[f.trace->state->n_events - 1]->kind, "deleted");
	arena_fini(&f.arena);
	turn(50);
	assert_int_equal(given_count, 2); /* no report */
	assert_false(order("retry", h.id));
	assert_false(order("dance", h.id));
}

/* Held before any worker had it: certain, for however long, through a take-over;
 * held while a worker had it: not. */
static void
test_held_is_certain(void **state)
{
	struct handed held = {.id = ""}, late = {.id = ""};

	(void)state;
	workers[0].slots = 1;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	turn(100);
	hand_over(&late, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	hand_over(&held, "a@sender.test", "bob@here");
	assert_true(order("hold", held.id) && order("hold", late.id));
	wait_until(is_uncertain(late.id), 20000);
	assert_false(is_uncertain(held.id));
	broker_free(&brokers[0]);
	bus_client_free(&workers[0].bus);
	start_worker(0, 10);
	start_broker(1);
	wait_until(owned(1) == SHARDS, 6000);
	turn(1500); /* the frontend hears of the new owner */
	assert_true(order("release", held.id));
	wait_until(given_count == 2, 20000);
	assert_string_equal(given[1].job->envelope->id, held.id);
	assert_true(given[1].job->pass_reference && !given[1].job->recheck);
	assert_true(order("release", late.id));
	wait_until(given_count == 3, 20000);
	assert_true(!given[2].job->pass_reference && given[2].job->recheck);
}

/* What is deleted while a worker has it is not assigned again, whoever is lost. */
static void
test_deleted_and_worker_lost(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	assert_true(order("delete", h.id));
	bus_client_free(&workers[0].bus);
	start_worker(1, 10);
	wait_until(is_finished(h.id), 10000);
	assert_int_equal(given_count, 1);
	assert_int_equal(count_events(h.id, "\"event\":\"deleted\""), 1);
}

static void
test_deleted_and_broker_lost(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here one@x.test");
	wait_until(given_count == 2, 20000);
	assert_true(order("delete", h.id));
	wait_until(has_state(h.id), 20000);
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(is_finished(h.id), 10000);
	assert_int_equal(given_count, 2);
}

/* ---- Orders are durable before they are answered ---- */
static void
test_order_waits_for_the_store(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	set_slots(0);
	hand_over(&h, "a@sender.test", "one@x.test");
	kill(server.pid, SIGSTOP);
	send_order("hold", h.id, NULL, 0);
	turn(700);
	assert_false(order_answered);
	assert_int_equal(status_number(0, "queue", "held"), 1);
	kill(server.pid, SIGCONT);
	wait_until(order_answered, 20000);
	assert_true(order_done);
	assert_string_equal(order_text, "held");
	f = find(h.id);
	assert_true(f.state->held);
	arena_fini(&f.arena);

	/* A broker that dies before has said nothing. */
	kill(server.pid, SIGSTOP);
	send_order("release", h.id, NULL, 0);
	turn(300);
	redis_fixture_kill(&server); /* with what it was sent */
	broker_free(&brokers[0]);
	turn(300);
	assert_false(order_answered && order_done);
	assert_true(redis_fixture_run(&server, true));
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "held") == 1, 10000);
}

/* Each by itself, without a look at the store before: what was answered is there. */
static void
test_answered_orders_are_in_the_spool(void **state)
{
	struct handed h = {.id = ""};
	struct found f;

	(void)state;
	set_setting("HSET settings:spool retry_first 1h retry_longest 1h");
	hand_over(&h, "a@sender.test", "one@x.test two@x.test");
	wait_until(given_count == 1, 20000);
	end_job(&given[0], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(has_state(h.id), 20000);
	set_slots(0);
	assert_true(order("retry", h.id));
	broker_free(&brokers[0]);
	set_slots(10);
	start_broker(0);
	wait_until(given_count == 2, 20000); /* in an hour, were the order lost */
	end_job(&given[1], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(status_number(0, "queue", "deferred") == 1, 20000);
	assert_true(order("hold", h.id));
	f = find(h.id);
	assert_true(f.state->held);
	arena_fini(&f.arena);
	assert_true(order("release", h.id));
	f = find(h.id);
	assert_false(f.state->held);
	arena_fini(&f.arena);
	wait_until(given_count == 3, 20000);
	end_job(&given[2], STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED, "4.2.1");
	wait_until(status_number(0, "queue", "deferred") == 1, 20000);
	assert_true(order("delete", h.id));
	assert_true(is_finished(h.id));
}

static void
test_order_to_many(void **state)
{
	enum { MANY = 20000 };
	struct handed *h = mem_zalloc(MANY * sizeof(*h));
	char **ids = mem_zalloc((MANY + 1) * sizeof(*ids));
	struct event *look;
	int64_t begun_ms;

	(void)state;
	set_slots(0);
	for (unsigned i = 0; i < MANY; i++) {
		start_hand_over(&h[i], "a@sender.test", "one@x.test");
		ids[i] = h[i].id;
		if (i % 500 == 499)
			wait_until(h[i].done, 20000);
	}
	wait_until(status_number(0, "queue", "messages") == MANY, 10000);
	/* As after a while: none is in memory as a whole. */
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "messages") == MANY, 20000);
	turn(1500);
	start_looking(&look);
	begun_ms = clock_monotonic_ms();
	send_order("hold", h[0].id, ids, MANY);
	wait_until(order_answered, 60000);
	printf("hold of %d messages in %lld ms, the loop away for %lld ms at most\n", MANY,
	       (long long)(clock_monotonic_ms() - begun_ms), (long long)longest_ms);
	assert_int_equal(order_count, MANY);
	assert_int_equal(status_number(0, "queue", "held"), MANY);
	event_free(look);
	/* Too many at once are refused, not cut. */
	ids[MANY] = h[0].id;
	send_order("release", h[0].id, ids, MANY + 1);
	wait_until(order_answered, 20000);
	assert_false(order_done);
	mem_free(ids);
	mem_free(h);
}

/* A state whose recipients say nothing yet is small, and large once unpacked. */
static void
test_hold_of_many_recipients(void **state)
{
	struct handed h = {.id = ""};
	struct buf to = BUF_EMPTY;

	(void)state;
	set_slots(0);
	name_many(&to, 20000, "@x.test");
	hand_over(&h, "a@sender.test", to.data);
	buf_fini(&to);
	assert_true(order("hold", h.id));
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "held") == 1, 60000);
	assert_true(order("release", h.id));
	set_slots(10);
	wait_until(given_count == 1, 60000);
	/* One job has no more results than a frame takes; the others come next. */
	assert_int_equal(given[0].job->n_recipients, 10000);
	deliver(&given[0]);
	wait_until(given_count == 2, 60000);
	assert_int_equal(given[1].job->n_recipients, 10000);
	assert_int_equal(given[1].job->recipients[0], 10000);
	deliver(&given[1]);
	wait_until(is_finished(h.id), 60000);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_hold_release_delete),
		BROKER_TEST(test_held_is_certain),
		BROKER_TEST(test_order_waits_for_the_store),
		BROKER_TEST(test_answered_orders_are_in_the_spool),
		BROKER_TEST(test_order_to_many),
		BROKER_TEST(test_hold_of_many_recipients),
		BROKER_TEST(test_deleted_and_worker_lost),
		BROKER_TEST(test_deleted_and_broker_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
