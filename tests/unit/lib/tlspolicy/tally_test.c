/* Counts of TLS sessions, against a private redis-server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "lib/tlspolicy/tally.h"
#include "tests/unit/redis_fixture.h"

#define NOW (clock_unix_ms())

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct tally *one, *two;
static char today[TALLY_DAY_MAX];

static void
on_flag(void *arg)
{
	*(volatile bool *)arg = true;
}

static void
drain(struct tally *t)
{
	volatile bool done = false;

	tally_drain(t, on_flag, (void *)&done);
	assert_true(redis_fixture_wait(base, &done, 10000));
}

struct answer {
	volatile bool done;
	int64_t number;
	char text[2000];
};

static void
on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct answer *a = arg;

	assert_null(err);
	a->number = reply->type == REDIS_REPLY_NIL ? -1 : redis_i64(reply, -2);
	str_copy(redis_str(reply), a->text, sizeof(a->text));
	a->done = true;
}

/* A command on a key of today's. */
static struct answer
ask(const char *verb, const char *key, const char *arg, const char *value)
{
	struct answer a = {.done = false};
	struct str argv[4];
	char name[100];

	snprintf(name, sizeof(name), "tlsrpt:{%s}:%s", today, key);
	argv[0] = str_c(verb);
	argv[1] = str_c(name);
	argv[2] = str_c(arg);
	argv[3] = str_c(value);
	redis_call(redis, on_reply, &a, value != NULL ? 4 : arg != NULL ? 3 : 2, argv);
	assert_true(redis_fixture_wait(base, &a.done, 10000));
	return a;
}

static void
await_connection(void)
{
	volatile bool never = false;

	for (int i = 0; i < 1000 && !redis_is_connected(redis); i++)
		redis_fixture_wait(base, &never, 10);
	assert_true(redis_is_connected(redis));
}

static struct tls_session
session(const char *domain, enum tls_result result)
{
	static const struct str strings[] = {STR("_25._tcp.mx.a.test. IN TLSA 3 1 1 ab")};
	struct tls_session s = {.domain = str_c(domain), .policy = TLS_POLICY_TLSA, .policy_domain = STR("mx.a.test"),
				.strings = strings, .string_count = 1, .result = result,
				.mx_host = STR("mx.a.test"), .mx_helo = STR("h\x01\"\xc3"), .reason = STR("words")};

	assert_true(ip_parse(STR("192.0.2.1"), &s.sending_ip));
	assert_true(ip_parse(STR("2001:db8::1"), &s.receiving_ip));
	return s;
}

static const char success[] = "[\"tlsa\",\"mx.a.test\",[\"_25._tcp.mx.a.test. IN TLSA 3 1 1 ab\"],[],\"\",\"\",\"\","
			      "\"\",\"\",\"\"]";
static const char failure[] =
	"[\"tlsa\",\"mx.a.test\",[\"_25._tcp.mx.a.test. IN TLSA 3 1 1 ab\"],[],\"certificate-expired\","
	"\"192.0.2.1\",\"mx.a.test\",\"h?\\\"?\",\"2001:db8::1\",\"words\"]";

static void
test_sums(void **state)
{
	struct tls_session good = session("sum.test", TLS_RESULT_OK);
	struct tls_session bad = session("sum.test", TLS_RESULT_CERTIFICATE_EXPIRED);
	struct tls_session bare = {.domain = STR("sum.test"), .result = TLS_RESULT_STARTTLS_NOT_SUPPORTED};

	(void)state;
	for (int i = 0; i < 5; i++) {
		tally_count(one, NOW, &good);
		tally_count(two, NOW, &bad);
	}
	drain(one);
	drain(two);
	tally_count(one, NOW, &bad);
	tally_count(one, NOW, &bare);
	drain(one);
	drain(one); /* nothing more */
	assert_int_equal(ask("HGET", "c:sum.test", success, NULL).number, 5);
	assert_int_equal(ask("HGET", "c:sum.test", failure, NULL).number, 6);
	assert_int_equal(ask("HGET", "c:sum.test",
			     "[\"no-policy-found\",\"sum.test\",[],[],\"starttls-not-supported\",\"\",\"\",\"\",\"\",\"\"]",
			     NULL).number, 1);
	assert_int_equal(ask("HLEN", "c:sum.test", NULL, NULL).number, 5); /* and two marks */
	assert_true(ask("TTL", "c:sum.test", NULL, NULL).number > 3 * 86400);
	assert_true(ask("TTL", "due", NULL, NULL).number > 3 * 86400);
}

static void
test_due(void **state)
{
	struct tls_session s = session("due.test", TLS_RESULT_OK);
	char expected[30];

	(void)state;
	tally_count(one, NOW, &s);
	drain(one);
	snprintf(expected, sizeof(expected), "%lld",
		 (long long)tally_due_ms(today, STR("due.test"), STR("example.test"), 14400000));
	assert_string_equal(ask("ZSCORE", "due", "due.test", NULL).text, expected);
	/* Put off, it stays so. */
	ask("ZADD", "due", "5", "due.test");
	tally_count(one, NOW, &s);
	drain(one);
	assert_string_equal(ask("ZSCORE", "due", "due.test", NULL).text, "5");
}

static void
test_done(void **state)
{
	struct tls_session s = session("done.test", TLS_RESULT_OK);
	struct answer a = {.done = false};

	(void)state;
	redis_callf(redis, on_reply, &a, "HSET tlsrpt:{%s}:done done.test sent", today);
	assert_true(redis_fixture_wait(base, &a.done, 10000));
	tally_count(one, NOW, &s);
	drain(one);
	assert_int_equal(ask("ZSCORE", "due", "done.test", NULL).number, -1);
}

/* The store goes and comes: nothing is lost, nothing counts twice. */
static void
test_store_away(void **state)
{
	struct tls_session s = session("away.test", TLS_RESULT_OK);
	volatile bool never = false;

	(void)state;
	tally_count(one, NOW, &s);
	redis_fixture_kill(&server);
	redis_fixture_wait(base, &never, 50);
	drain(one); /* fails, and ends all the same */
	tally_count(one, NOW, &s);
	drain(one);
	assert_true(redis_fixture_run(&server, true));
	await_connection();
	drain(one);
	drain(one);
	assert_int_equal(ask("HGET", "c:away.test", success, NULL).number, 2);
}

/* Of a batch that was added already, though the answer did not come. */
static void
test_batch_known(void **state)
{
	struct tls_session s = session("known.test", TLS_RESULT_OK);
	struct answer a = {.done = false};

	(void)state;
	tally_count(one, NOW, &s);
	drain(one);
	redis_callf(redis, on_reply, &a,
		    "EVAL %s 1 tlsrpt:{%s}:c:known.test",
		    "for _, f in ipairs(redis.call('HKEYS', KEYS[1])) do if f:sub(1, 1) == '#' then "
		    "redis.call('HSET', KEYS[1], f, 1000000) end end return 1", today);
	assert_true(redis_fixture_wait(base, &a.done, 10000));
	tally_count(one, NOW, &s);
	drain(one);
	assert_int_equal(ask("HGET", "c:known.test", success, NULL).number, 1);
}

static void
test_limits(void **state)
{
	struct tls_session s = session("limit.test", TLS_RESULT_CERTIFICATE_EXPIRED);
	char reason[30];

	(void)state;
	/* More than the store keeps of a domain, in several batches. */
	for (int i = 0; i < 3000; i++) {
		snprintf(reason, sizeof(reason), "reason %d", i);
		s.reason = str_c(reason);
		tally_count(one, NOW, &s);
		if (i % 700 == 0)
			drain(one);
	}
	drain(one);
	assert_in_range(ask("HLEN", "c:limit.test", NULL, NULL).number, 900, 1001);
	/* More than memory keeps. */
	for (int i = 0; i < 30000; i++) {
		snprintf(reason, sizeof(reason), "reason %d", i);
		s.reason = str_c(reason);
		tally_count(two, NOW, &s);
	}
	drain(two);
	assert_in_range(ask("HGET", "c:limit.test",
			    "[\"tlsa\",\"mx.a.test\",[\"_25._tcp.mx.a.test. IN TLSA 3 1 1 ab\"],[],"
			    "\"certificate-expired\",\"\",\"\",\"\",\"\",\"\"]", NULL).number, 30000, 33000);
}

static int
start(void **state)
{
	struct err err;

	(void)state;
	if (!redis_fixture_start(&server, true))
		return 1;
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
	await_connection();
	one = tally_new(base, redis);
	two = tally_new(base, redis);
	tally_set_spread(one, 14400000, STR("example.test"));
	tally_day(NOW, today);
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	tally_free(&one);
	tally_free(&two);
	redis_free(&redis);
	event_base_free(base);
	redis_fixture_stop(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sums),	   cmocka_unit_test(test_due),	  cmocka_unit_test(test_done),
		cmocka_unit_test(test_store_away), cmocka_unit_test(test_batch_known), cmocka_unit_test(test_limits),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
