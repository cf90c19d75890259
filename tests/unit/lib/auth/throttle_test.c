/* Failures slow an account and an address down, in the whole cluster. */
#include "tests/unit/lib/auth/login_fixture.h"

static void
test_delays(void **state)
{
	static const struct {
		uint64_t failures;
		int64_t first_ms, longest_ms, delay_ms;
	} cases[] = {
		{0, 1000, 30000, 0},	    {1, 1000, 30000, 1000},  {2, 1000, 30000, 2000},
		{3, 1000, 30000, 4000},	    {5, 1000, 30000, 16000}, {6, 1000, 30000, 30000},
		{60, 1000, 30000, 30000},   {1, 1000, 500, 500},     {UINT64_MAX, 1, 600000, 600000},
		{UINT64_MAX, 0, 600000, 0}, {1, 1000, 0, 0},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(throttle_delay_ms(cases[i].failures, cases[i].first_ms, cases[i].longest_ms),
				 cases[i].delay_ms);
}

/* However an address is written, it is one account; a /64 is one address. */
static void
test_counting(void **state)
{
	(void)state;
	assert_int_equal(login_from(0, "alice@example.test", "a", "192.0.2.1"), AUTH_FAILED);
	assert_int_equal(login_from(1, "ALICE@Example.Test", "b", "192.0.2.2"), AUTH_FAILED);
	assert_int_equal(login_from(1, "\"a\\lice\"@example.test", "c", "2001:db8::1"), AUTH_FAILED);
	assert_int_equal(login_from(0, "dave@example.test", "c", "2001:db8::ffff:1"), AUTH_FAILED);
	assert_int_equal(login_from(0, "no address", "c", "192.0.2.2"), AUTH_FAILED);
	assert_int_equal(failures_of("account:alice@example.test"), 3);
	assert_int_equal(failures_of("account:dave@example.test"), 1);
	assert_int_equal(failures_of("account:no address"), 1);
	assert_int_equal(failures_of("address:192.0.2.1"), 1);
	assert_int_equal(failures_of("address:192.0.2.2"), 2);
	assert_int_equal(failures_of("address:2001:db8::"), 2);
	assert_true(auth_fixture_number(f, "PTTL", "auth:fail:{account:alice@example.test}") > 0);
	assert_true(auth_fixture_number(f, "PTTL", "auth:fail:{address:192.0.2.1}") > 0);
	/* A success ends the account's count, not the address's. */
	assert_int_equal(login_from(0, "alice@example.test", "wonderland", "192.0.2.1"), AUTH_OK);
	assert_int_equal(failures_of("account:alice@example.test"), -1);
	assert_int_equal(failures_of("address:192.0.2.1"), 1);
}

/* What would give a key its lifetime does not arrive: as if the frontend had died
 * before it. Then there is no key, rather than one that slows an account down for
 * ever. */
static void
test_no_count_without_a_lifetime(void **state)
{
	static const char *const names[] = {"account:alice@example.test", "address:192.0.2.1"};
	char key[200];

	(void)state;
	redis_callf(f->nodes[0].redis, NULL, NULL, "ACL SETUSER default -set -pexpire");
	assert_int_equal(login_from(0, "alice@example.test", "a", "192.0.2.1"), AUTH_FAILED);
	for (unsigned i = 0; i < 2; i++) {
		snprintf(key, sizeof(key), "auth:fail:{%s}", names[i]);
		assert_int_not_equal(auth_fixture_number(f, "PTTL", key), -1); /* -2: there is none */
	}
	redis_callf(f->nodes[0].redis, NULL, NULL, "ACL SETUSER default +@all");
	assert_int_equal(login_from(0, "alice@example.test", "a", "192.0.2.1"), AUTH_FAILED);
	assert_int_equal(failures_of(names[0]), 1);
}

static int64_t
timed_login(unsigned node, const char *address, const char *peer)
{
	int64_t start = clock_monotonic_ms();

	assert_int_equal(login_from(node, address, "wrong", peer), AUTH_FAILED);
	return clock_monotonic_ms() - start;
}

/* Failures on one node slow down the other one, twice as much each. */
static void
test_slowed_down_cluster_wide(void **state)
{
	(void)state;
	auth_fixture_set(f, "failure_delay", "40ms");
	auth_fixture_set(f, "failure_delay_longest", "150ms");
	timed_login(0, "alice@example.test", "192.0.2.1");
	assert_true(timed_login(1, "alice@example.test", "192.0.2.2") >= 40);  /* by account */
	assert_true(timed_login(0, "bob@example.test", "192.0.2.1") >= 40);    /* by address */
	assert_true(timed_login(0, "alice@example.test", "192.0.2.3") >= 80);  /* the second failure of hers */
	assert_true(timed_login(1, "alice@example.test", "192.0.2.4") >= 150); /* not more than the longest */
	/* A right password waits as well. */
	int64_t start = clock_monotonic_ms();
	assert_int_equal(login_from(1, "alice@example.test", "wonderland", "192.0.2.5"), AUTH_OK);
	assert_true(clock_monotonic_ms() - start >= 150);
}

/* Who is remembered does not wait for what others try in his name. */
static void
test_remembered_is_not_slowed_down(void **state)
{
	(void)state;
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	auth_fixture_set(f, "failure_delay", "1m");
	assert_int_equal(login_from(1, "alice@example.test", "wrong", "203.0.113.9"), AUTH_FAILED);
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_delays),
		AUTH_TEST(test_counting),
		AUTH_TEST(test_no_count_without_a_lifetime),
		AUTH_TEST(test_slowed_down_cluster_wide),
		AUTH_TEST(test_remembered_is_not_slowed_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
