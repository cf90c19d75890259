/* Writes to the spool: resent, slow, many. */
#include "spool-broker/spool/shards.h"
#include "tests/unit/spool-broker/fixture.h"

/* The frontend asks again while the store is slow: one write all the same. */
static void
test_resend_while_written(void **state)
{
	struct handed h = {.id = ""};

	(void)state;
	workers[0].obliging = true;
	kill(server.pid, SIGSTOP);
	start_hand_over(&h, "a@sender.test", "bob@here");
	turn(2500);
	assert_false(h.done);
	assert_int_equal(brokers[0]->writes->waiting, 1);
	kill(server.pid, SIGCONT);
	wait_until(h.done, 20000);
	assert_int_equal(h.code, ERR_NONE);
	wait_until(is_finished(h.id), 20000);
	assert_int_equal(brokers[0]->writes->waiting, 0);
	assert_int_equal(given_count, 1);
}

/* The end of a message that was filed waits for the next write of its shard: both cost one sync. */
static void
test_finish_joins_the_next_write(void **state)
{
	struct handed first = {.id = ""}, second = {.id = ""};
	int64_t begun_ms;

	(void)state;
	spool_id_new(1, first.id);
	spool_id_new(1, second.id);
	hand_over(&first, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	begun_ms = clock_monotonic_ms();
	deliver(&given[0]);
	turn(80);
	if (clock_monotonic_ms() - begun_ms < 200) /* else the machine is too busy to tell */
		assert_false(is_finished(first.id));
	hand_over(&second, "a@sender.test", "bob@here");
	assert_true(is_finished(first.id));
	wait_until(given_count == 2, 20000);
	deliver(&given[1]);
	wait_until(is_finished(second.id), 20000);
}

/* The shard is lost while a write is on its way, and the store dies before it answers: the message may be
 * written, so its body must be kept. */
static void
test_late_without_an_answer(void **state)
{
	struct handed h = {.id = ""};
	unsigned shard;

	(void)state;
	kill(server.pid, SIGSTOP);
	start_hand_over_for(&h, "a@sender.test", "bob@here", 3000);
	assert_true(spool_id_parse(str_c(h.id), &shard, NULL));
	wait_until(brokers[0]->shards->list[shard].writer.sending, 1000);
	shard_drop(&brokers[0]->shards->list[shard], "as the test says");
	redis_fixture_kill(&server);
	/* Every copy is answered: this one with a doubt, those after it as not taken. */
	wait_until(h.done, 10000);
	assert_int_equal(h.code, ERR_TIMEOUT);
	assert_true(redis_fixture_run(&server, true));
}

static unsigned
count_ended(const struct handed *h, unsigned count, enum err_code code)
{
	unsigned ended = 0;

	for (unsigned i = 0; i < count; i++)
		ended += h[i].done && h[i].code == code;
	return ended;
}

/* What waits for the store is bounded: the frontends are told so. */
static void
test_slow_store_is_not_given_more(void **state)
{
	enum { MOST = 20000, MORE = 100 };
	struct handed *h = mem_zalloc((MOST + MORE) * sizeof(*h));

	(void)state;
	workers[0].obliging = true;
	workers[0].slots = 1000;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	kill(server.pid, SIGSTOP);
	for (unsigned i = 0; i < MOST + MORE; i++) {
		start_hand_over(&h[i], "a@sender.test", "bob@here");
		if (i % 1000 == 999)
			turn(1);
	}
	wait_until(count_ended(h, MOST + MORE, ERR_LIMIT) == MORE, 30000);
	assert_int_equal(brokers[0]->writes->waiting, MOST);
	kill(server.pid, SIGCONT);
	wait_until(count_ended(h, MOST + MORE, ERR_NONE) == MOST, 60000);
	wait_until(status_number(0, "queue", "messages") == 0, 60000);
	mem_free(h);
}

static void
test_many(void **state)
{
	enum { MESSAGES = 5000 };
	struct handed *h = mem_zalloc(MESSAGES * sizeof(*h));
	int64_t start_ms = clock_monotonic_ms();

	(void)state;
	workers[0].obliging = true;
	workers[0].slots = 200;
	for (unsigned shard = 0; shard < 1; shard++)
		say_hello(&workers[0], bus_client_owner(workers[0].bus, shard));
	for (unsigned i = 0; i < MESSAGES; i++) {
		start_hand_over(&h[i], "a@sender.test", "bob@here");
		if (i % 100 == 99)
			turn(1);
	}
	for (unsigned i = 0; i < MESSAGES; i++)
		wait_until(h[i].done && h[i].code == ERR_NONE, 10000);
	wait_until(status_number(0, "queue", "messages") == 0, 10000);
	assert_int_equal(given_count, MESSAGES);
	print_message("%d messages in %lld ms\n", MESSAGES, (long long)(clock_monotonic_ms() - start_ms));
	mem_free(h);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_resend_while_written),
		BROKER_TEST(test_finish_joins_the_next_write),
		BROKER_TEST(test_late_without_an_answer),
		BROKER_TEST(test_slow_store_is_not_given_more),
		BROKER_TEST(test_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
