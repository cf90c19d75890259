/* Shards: brokers that come, go and die, and leases in doubt. */
#include "tests/unit/spool-broker/fixture.h"

static void
test_take_over(void **state)
{
	struct handed h[20] = {{.id = ""}}, after = {.id = ""};
	unsigned before;
	int64_t killed_ms;

	(void)state;
	for (unsigned i = 0; i < 20; i++)
		start_hand_over(&h[i], "a@sender.test", i % 2 == 0 ? "bob@here" : "one@x.test");
	for (unsigned i = 0; i < 20; i++)
		wait_until(h[i].done && h[i].code == ERR_NONE, 20000);
	wait_until(given_count != 0, 20000);
	/* Dies: its leases stay until they run out. */
	broker_free(&brokers[0]);
	killed_ms = clock_monotonic_ms();
	before = given_count;
	start_broker(1);
	start_hand_over(&after, "a@sender.test", "bob@here");
	workers[0].obliging = true;
	wait_until(owned(1) == SHARDS, 6000);
	wait_until(after.done, 10000);
	assert_int_equal(after.code, ERR_NONE);
	for (unsigned i = 0; i < 20; i++)
		wait_until(is_finished(h[i].id), 20000);
	assert_true(clock_monotonic_ms() - killed_ms < 5000);
	for (unsigned i = before; i < given_count; i++)
		assert_int_equal(given[i].job->recheck, strcmp(given[i].job->envelope->id, after.id) != 0);
}

/* The worker tells the shard's new owner what it has in hand: it is not given
 * out again, and its result counts, also when the store was away as the message
 * was to be read. */
static void
outlive_broker(bool store_away)
{
	struct handed h = {.id = ""};
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__JobRenew renew = STAGEPOST__JOB_RENEW__INIT;
	Stagepost__RunningJob running = STAGEPOST__RUNNING_JOB__INIT, *list[1] = {&running};

	hand_over(&h, "a@sender.test", "one@x.test");
	wait_until(given_count == 1, 20000);
	broker_free(&brokers[0]);
	start_broker(0);
	wait_until(owned(0) == SHARDS && status_number(0, "queue", "messages") == 1, 20000);
	wait_until(bus_client_owner(workers[0].bus, 0) != NULL && bus_client_owner(workers[0].bus, 0) != given[0].peer,
		   5000);
	given[0].peer = bus_client_owner(workers[0].bus, 0);
	running.job = given[0].job->job;
	running.id = h.id;
	running.kind = STAGEPOST__JOB_KIND__REMOTE;
	running.destination = given[0].job->destination;
	running.recipients = given[0].job->recipients;
	running.n_recipients = given[0].job->n_recipients;
	renew.running = list;
	renew.n_running = 1;
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_RENEW;
	frame.job_renew = &renew;
	if (store_away)
		redis_fixture_kill(&server);
	assert_int_equal(bus_send(workers[0].bus, given[0].peer, &frame, NULL), 0);
	if (store_away) {
		turn(300);
		assert_true(redis_fixture_run(&server, true));
		wait_until(redis_is_connected(redis), 20000);
	}
	deliver(&given[0]); /* before the broker has read the message */
	wait_until(is_finished(h.id), 20000);
	assert_int_equal(given_count, 1);
}

static void
test_job_outlives_its_broker(void **state)
{
	(void)state;
	outlive_broker(false);
}

static void
test_job_outlives_broker_and_store(void **state)
{
	(void)state;
	outlive_broker(true);
}

static volatile bool drained;

static void
on_drained(void *arg)
{
	(void)arg;
	drained = true;
}

/* 20 messages, each in the hands of a worker that takes its time. */
static void
hand_over_slow_ones(struct handed *h)
{
	workers[0].slots = 50;
	workers[0].faithful = true;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	for (unsigned i = 0; i < 20; i++) {
		char to[40];
		snprintf(to, sizeof(to), "a@x%u.test", i);
		h[i] = (struct handed){.id = ""};
		hand_over(&h[i], "a@sender.test", to);
	}
	wait_until(given_count == 20, 20000);
}

static void
end_slow_ones(const struct handed *h)
{
	renew_all(&workers[0]);
	turn(100);
	assert_int_equal(workers[0].revoked, 0);
	for (unsigned i = 0; i < 20; i++)
		deliver(&given[i]);
	for (unsigned i = 0; i < 20; i++)
		wait_until(is_finished(h[i].id), 20000);
	assert_int_equal(given_count, 20);
}

/* Shards go to another broker for balance: the jobs of slow deliveries with
 * them, and nothing is given out twice. */
static void
test_balance_takes_slow_jobs_along(void **state)
{
	struct handed h[20];

	(void)state;
	hand_over_slow_ones(h);
	start_broker(1);
	wait_until(owned(0) == 4, 12000);
	renew_all(&workers[0]); /* some with an owner that has none of them any more */
	wait_until(owned(1) == 4, 20000);
	turn(1500);
	end_slow_ones(h);
}

static void
test_drain_leaves_slow_jobs_to_the_next(void **state)
{
	struct handed h[20];

	(void)state;
	hand_over_slow_ones(h);
	start_broker(1);
	turn(700);
	drained = false;
	broker_drain(brokers[0], on_drained, NULL);
	wait_until(drained, 20000);
	broker_free(&brokers[0]);
	wait_until(owned(1) == SHARDS, 20000);
	turn(1500);
	end_slow_ones(h);
}

static void
test_restart_takes_its_own_at_once(void **state)
{
	int64_t start_ms;

	(void)state;
	broker_free(&brokers[0]);
	start_ms = clock_monotonic_ms();
	start_broker(0);
	wait_until(owned(0) == SHARDS, 20000);
	assert_true(clock_monotonic_ms() - start_ms < 1500);
}

static void
test_even_spread_and_drain(void **state)
{
	int64_t start_ms;

	(void)state;
	start_broker(1);
	wait_until(owned(0) == 4 && owned(1) == 4, 8000);
	start_broker(2);
	wait_until(owned(0) <= 3 && owned(1) <= 3 && owned(2) <= 3 && owned(0) + owned(1) + owned(2) == SHARDS, 8000);
	drained = false;
	start_ms = clock_monotonic_ms();
	broker_drain(brokers[0], on_drained, NULL);
	wait_until(owned(1) + owned(2) == SHARDS, 3000);
	assert_true(clock_monotonic_ms() - start_ms < 1500);
	wait_until(drained, 1000);
}

/* Also when they cannot be divided evenly: nobody is left without. */
static void
test_even_spread_over_five(void **state)
{
	unsigned least = SHARDS, most = 0, sum = 0;

	(void)state;
	for (unsigned i = 1; i < 5; i++)
		start_broker(i);
	for (int64_t until = clock_monotonic_ms() + 8000;
	     clock_monotonic_ms() < until && (least != 1 || most != 2 || sum != SHARDS);) {
		turn(50);
		least = SHARDS;
		most = sum = 0;
		for (unsigned i = 0; i < 5; i++) {
			unsigned count = owned(i);
			least = count < least ? count : least;
			most = count > most ? count : most;
			sum += count;
		}
	}
	assert_int_equal(sum, SHARDS);
	assert_int_equal(least, 1);
	assert_int_equal(most, 2);
	for (unsigned i = 0; i < 5; i++)
		assert_true(broker_is_ready(brokers[i]));
	broker_free(&brokers[3]); /* one dies */
	wait_until(owned(0) + owned(1) + owned(2) + owned(4) == SHARDS, 6000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(owned(i), i == 3 ? 0 : 2);
}

static void
test_stolen_lease(void **state)
{
	struct handed h = {.id = ""};
	char text[100];
	unsigned shard;

	(void)state;
	hand_over(&h, "a@sender.test", "bob@here");
	wait_until(given_count == 1, 20000);
	assert_true(spool_id_parse(str_c(h.id), &shard, NULL));
	/* As if this broker had slept and another had come. */
	snprintf(text, sizeof(text), "SET spool:{%u}:lease another-broker-9 PX 60000", shard);
	redis_callf(redis, NULL, NULL, text);
	deliver(&given[0]);
	wait_until(owned(0) == SHARDS - 1, 20000);
	assert_int_equal(status_number(0, "queue", "messages"), 0);
	assert_false(is_finished(h.id)); /* it is the other's */
}

static void
test_redis_away(void **state)
{
	struct handed h[10] = {{.id = ""}}, during = {.id = ""};

	(void)state;
	set_slots(13); /* one sender has ten of them */
	for (unsigned i = 0; i < 10; i++)
		hand_over(&h[i], "a@sender.test", "bob@here");
	wait_until(given_count == 10, 20000);
	redis_fixture_kill(&server);
	turn(100);
	start_hand_over(&during, "a@sender.test", "bob@here");
	for (unsigned i = 0; i < 10; i++)
		deliver(&given[i]);
	turn(500);
	assert_false(during.done);
	assert_true(redis_fixture_run(&server, true));
	workers[0].obliging = true;
	wait_until(during.done, 10000);
	assert_int_equal(during.code, ERR_NONE);
	for (unsigned i = 0; i < 10; i++)
		wait_until(is_finished(h[i].id), 20000);
	wait_until(is_finished(during.id), 20000);
	assert_int_equal(given_count, 11);
	assert_int_equal(owned(0), SHARDS);
}

/* While the leases are in doubt nothing is given, and the queue is let alone:
 * it may be long. */
static void
test_queue_rests_while_leases_are_in_doubt(void **state)
{
	enum { MESSAGES = 500 };
	static struct handed h[MESSAGES];

	(void)state;
	workers[0].slots = 0;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	for (unsigned i = 0; i < MESSAGES; i++)
		start_hand_over(&h[i], "a@sender.test", "one@x.test");
	wait_until(status_number(0, "queue", "messages") == MESSAGES, 20000);
	kill(server.pid, SIGSTOP);
	wait_until(status_number(0, NULL, "shards_suspended") == SHARDS, 20000);
	workers[0].slots = 10;
	say_hello(&workers[0], bus_client_owner(workers[0].bus, 0));
	turn(300);
	assert_int_equal(given_count, 0);
	assert_int_equal(status_number(0, "queue", "deferred"), 0);
	workers[0].obliging = true;
	kill(server.pid, SIGCONT);
	wait_until(status_number(0, "queue", "messages") == 0, 20000);
	assert_int_equal(given_count, MESSAGES);
}

/* Its watch of the settings ends with it: seen under ASan. */
static void
test_settings_outlive_a_broker(void **state)
{
	(void)state;
	start_broker(1);
	turn(200);
	broker_free(&brokers[1]);
	set_setting("HSET settings:spool retry_first 7s");
}

/* All that the store is told from now on, a line a command. */
static int
watch_commands(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(sa.sun_path, server.socket, sizeof(sa.sun_path) - 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	assert_int_equal(write(fd, "MONITOR\r\n", 9), 9);
	return fd;
}

/* Also a broker that dies leaves no key without a lifetime: who it is and how long
 * that holds is written by one script. */
static void
test_announced_with_its_lifetime(void **state)
{
	static char told[1024 * 1024];
	size_t len = 0;
	ssize_t got;
	int64_t until = clock_monotonic_ms() + 20000;
	int fd = watch_commands();
	char *line;

	(void)state;
	while (strstr(told, "\"PEXPIRE\" \"cluster:broker:") == NULL) {
		assert_true(clock_monotonic_ms() < until);
		turn(5);
		got = recv(fd, told + len, sizeof(told) - 1 - len, MSG_DONTWAIT);
		len += got > 0 ? (size_t)got : 0;
	}
	close(fd);
	line = strstr(told, "\"HSET\" \"cluster:broker:");
	assert_non_null(line);
	while (line > told && line[-1] != '\n')
		line--;
	assert_non_null(strstr(line, " lua]"));
	assert_true(strstr(line, " lua]") < strchr(line, '\n'));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BROKER_TEST(test_take_over),
		BROKER_TEST(test_announced_with_its_lifetime),
		BROKER_TEST(test_settings_outlive_a_broker),
		BROKER_TEST(test_job_outlives_its_broker),
		BROKER_TEST(test_job_outlives_broker_and_store),
		BROKER_TEST(test_balance_takes_slow_jobs_along),
		BROKER_TEST(test_drain_leaves_slow_jobs_to_the_next),
		BROKER_TEST(test_restart_takes_its_own_at_once),
		BROKER_TEST(test_even_spread_and_drain),
		BROKER_TEST(test_even_spread_over_five),
		BROKER_TEST(test_stolen_lease),
		BROKER_TEST(test_redis_away),
		BROKER_TEST(test_queue_rests_while_leases_are_in_doubt),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
