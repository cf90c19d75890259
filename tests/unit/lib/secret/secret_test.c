/* The cluster's secret: given, or created in the store by the first process. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/secret/secret.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;

static void
turn(int ms)
{
	bool never = false;
	redis_fixture_wait(base, &never, ms);
}

static bool
wait_known(const struct secret *s, int timeout_ms)
{
	int64_t until = clock_monotonic_ms() + timeout_ms;

	while (!secret_is_known(s) && clock_monotonic_ms() < until)
		turn(10);
	return secret_is_known(s);
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	if (!redis_fixture_start(&server, true))
		return -1;
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
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
test_given(void **state)
{
	struct secret *a = secret_new(base, redis, STR("a key of the whole cluster"));
	struct secret *b = secret_new(base, redis, STR("a key of another cluster"));
	unsigned char one[32], same[32], other[32], longer[64];

	(void)state;
	assert_true(secret_is_known(a));
	secret_derive(a, "tls ticket", STR("20000"), one, sizeof(one));
	secret_derive(a, "tls ticket", STR("20000"), same, sizeof(same));
	assert_memory_equal(one, same, sizeof(one));
	secret_derive(a, "tls ticket", STR("20000"), longer, sizeof(longer));
	assert_memory_equal(one, longer, sizeof(one));
	secret_derive(a, "tls ticket", STR("20001"), other, sizeof(other));
	assert_memory_not_equal(one, other, sizeof(one));
	secret_derive(b, "tls ticket", STR("20000"), other, sizeof(other));
	assert_memory_not_equal(one, other, sizeof(one));
	/* A label and its context do not run into each other. */
	secret_derive(a, "tls", STR(" ticket20000"), other, sizeof(other));
	assert_memory_not_equal(one, other, sizeof(one));
	secret_mac(a, "sync", STR("data"), one);
	secret_mac(a, "sync", STR("data"), same);
	assert_memory_equal(one, same, sizeof(one));
	secret_mac(a, "sync", STR("datb"), other);
	assert_memory_not_equal(one, other, sizeof(one));
	secret_mac(a, "cookie", STR("data"), other);
	assert_memory_not_equal(one, other, sizeof(one));
	secret_free(&a);
	secret_free(&b);
	assert_null(a);
}

/* Several start at once, and again later: all have the same. */
static void
test_made(void **state)
{
	struct secret *many[4], *later;
	unsigned char first[32], mac[32];

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		many[i] = secret_new(base, redis, STR_NONE);
	assert_false(secret_is_known(many[0]));
	for (unsigned i = 0; i < 4; i++) {
		assert_true(wait_known(many[i], 5000));
		secret_mac(many[i], "l", STR("d"), i == 0 ? first : mac);
		if (i != 0)
			assert_memory_equal(first, mac, sizeof(mac));
		secret_free(&many[i]);
	}
	later = secret_new(base, redis, STR_NONE);
	assert_true(wait_known(later, 5000));
	secret_mac(later, "l", STR("d"), mac);
	assert_memory_equal(first, mac, sizeof(mac));
	secret_free(&later);
}

/* The store is away at first; the secret comes when it does. */
static void
test_store_away(void **state)
{
	struct secret *s, *gone;

	(void)state;
	redis_fixture_kill(&server);
	turn(100);
	s = secret_new(base, redis, STR_NONE);
	gone = secret_new(base, redis, STR_NONE);
	turn(700);
	assert_false(secret_is_known(s));
	secret_free(&gone);
	assert_true(redis_fixture_run(&server, true));
	assert_true(wait_known(s, 5000));
	secret_free(&s);
	gone = secret_new(base, redis, STR_NONE);
	event_base_loop(base, EVLOOP_NONBLOCK);
	secret_free(&gone); /* with its answer under way */
	turn(50);
}

static void
test_damaged(void **state)
{
	struct secret *s;

	(void)state;
	redis_callf(redis, NULL, NULL, "SET cluster:secret short");
	s = secret_new(base, redis, STR_NONE);
	assert_false(wait_known(s, 700));
	redis_callf(redis, NULL, NULL, "DEL cluster:secret");
	assert_true(wait_known(s, 5000));
	secret_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_given),
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_store_away),
		cmocka_unit_test(test_damaged),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
