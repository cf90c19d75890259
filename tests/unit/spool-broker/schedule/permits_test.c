/* The script that shares out what is allowed towards one site, as several
 * brokers use it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/log.h"
#include "lib/redis/redis.h"
#include "tests/unit/redis_fixture.h"

REDIS_SCRIPT(permits_script, "spool-broker/schedule/permits.lua");

enum { BROKERS_MAX = 6 };

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static bool answered;
static unsigned quota, tokens;

/* One that has more mail than it may ever send. */
struct asker {
	unsigned active, quota, served;
};
static struct asker askers[BROKERS_MAX];

static int
setup(void **state)
{
	(void)state;
	setenv("STAGEPOST_LOG_LEVEL", "error", 0);
	log_init("test");
	if (!redis_fixture_start(&server, false))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, NULL);
	for (unsigned i = 0; i < 500 && !redis_is_connected(redis); i++) {
		bool never = false;
		redis_fixture_wait(base, &never, 10);
	}
	memset(askers, 0, sizeof(askers));
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	redis_free(&redis);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

static void
on_answer(void *arg, const redisReply *reply, const struct err *err)
{
	(void)arg;
	assert_null(err);
	quota = (unsigned)redis_i64(reply->element[0], 0);
	tokens = (unsigned)redis_i64(reply->element[1], 0);
	answered = true;
}

static void
ask(unsigned broker, unsigned active, unsigned wanted, unsigned at_once, unsigned per_minute)
{
	const unsigned numbers[] = {active, wanted, at_once, per_minute, 0, 10000};
	char texts[7][24];
	struct str keys[] = {STR("spool:permits:{site}")}, args[7];

	snprintf(texts[0], sizeof(texts[0]), "broker-%u", broker);
	for (unsigned i = 0; i < 6; i++)
		snprintf(texts[i + 1], sizeof(texts[0]), "%u", numbers[i]);
	for (unsigned i = 0; i < 7; i++)
		args[i] = str_c(texts[i]);
	answered = false;
	redis_eval(redis, on_answer, NULL, &permits_script, 1, keys, 7, args);
	redis_fixture_wait(base, &answered, 5000);
	assert_true(answered);
}

static unsigned
all_active(unsigned brokers)
{
	unsigned count = 0;

	for (unsigned i = 0; i < brokers; i++)
		count += askers[i].active;
	return count;
}

/* Brokers that all want more than there is, one part of each ends between two
 * askings. Nobody goes without, and the limit holds. */
static void
share(unsigned at_once, unsigned brokers, unsigned rounds)
{
	unsigned most = 0;

	for (unsigned round = 0; round < rounds; round++) {
		for (unsigned i = 0; i < brokers; i++) {
			struct asker *a = &askers[i];
			a->active -= a->active != 0;
			ask(i, a->active, 100, at_once, 0);
			a->quota = quota;
			for (; a->active < a->quota; a->active++)
				a->served++;
			assert_true(all_active(brokers) <= at_once);
		}
		if (all_active(brokers) > most)
			most = all_active(brokers);
		usleep(30000);
	}
	assert_int_equal(most, at_once);
	for (unsigned i = 0; i < brokers; i++) {
		print_message("%u places, broker %u of %u: %u\n", at_once, i, brokers, askers[i].served);
		assert_true(askers[i].served > rounds / 10);
	}
}

static void
test_no_broker_goes_without(void **state)
{
	static const struct {
		unsigned at_once, brokers;
	} rows[] = {{4, 3}, {5, 4}, {10, 6}, {3, 3}, {7, 2}};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		memset(askers, 0, sizeof(askers));
		redis_callf(redis, NULL, NULL, "DEL spool:permits:{site}");
		share(rows[i].at_once, rows[i].brokers, 20);
	}
}

/* Fewer places than brokers: by turns of a second. */
static void
test_turns(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 110; round++) {
		for (unsigned i = 0; i < 3; i++) {
			struct asker *a = &askers[i];
			a->active = 0;
			ask(i, 0, 100, 1, 0);
			a->active = quota;
			a->served += quota;
			assert_true(quota <= 1);
		}
		usleep(30000);
	}
	for (unsigned i = 0; i < 3; i++)
		assert_true(askers[i].served != 0);
}

/* The rate of all together, however many ask. */
static void
test_rate(void **state)
{
	unsigned given = 0;
	int64_t start_ms = clock_monotonic_ms(), took_ms;

	(void)state;
	do {
		for (unsigned i = 0; i < 4; i++) {
			ask(i, 0, 100, 0, 6000);
			given += tokens;
		}
		usleep(10000);
		took_ms = clock_monotonic_ms() - start_ms;
	} while (took_ms < 1000);
	/* A hundred a second, and one second's worth that was saved up. */
	assert_true(given <= 100 + (unsigned)took_ms / 10 + 1);
	assert_true(given >= 150);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(test_no_broker_goes_without),
		TEST(test_turns),
		TEST(test_rate),
#undef TEST
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
