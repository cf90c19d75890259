/* Passwords that were right are remembered for a while, by a process and by the cluster. */
#include "tests/unit/lib/auth/gate_fixture.h"

static void
begin_and_wait(unsigned node, const char *address, const char *password, enum auth_result result)
{
	struct login l;

	begin(node, &l, str_c(address), str_c(password), "192.0.2.1");
	auth_fixture_wait(f, &l.done);
	assert_int_equal(l.result, result);
}

/* Answered without any thread: all of them are busy. */
static bool
is_remembered(const char *address, const char *password)
{
	struct gate gates[VERIFY_THREADS];
	struct login l;
	bool remembered;

	close_gates(gates);
	begin(0, &l, str_c(address), str_c(password), "192.0.2.1");
	auth_fixture_turn(f, 60);
	remembered = l.done;
	open_gates(gates);
	auth_fixture_wait(f, &l.done);
	assert_true(!remembered || l.result == AUTH_OK);
	return remembered;
}

static void
wait_until_forgotten(void)
{
	while (HASH_COUNT(f->nodes[0].auth->memory) != 0)
		auth_fixture_turn(f, 5);
}

static void
test_remembered(void **state)
{
	(void)state;
	assert_false(is_remembered("alice@example.test", "wonderland"));
	assert_true(is_remembered("alice@example.test", "wonderland"));
	assert_true(is_remembered("\"Alice\"@EXAMPLE.TEST", "wonderland"));
	assert_false(is_remembered("alice@example.test", "wrong"));
	assert_false(is_remembered("bob@example.test", "wonderland"));
	assert_false(is_remembered("carol@example.test", "closed"));
	assert_false(is_remembered("carol@example.test", "closed"));
	assert_true(is_remembered("alice@example.test", "wonderland"));
	assert_int_equal(HASH_COUNT(f->nodes[0].auth->memory), 1);
}

static void
test_changed_password_ends_it(void **state)
{
	(void)state;
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	assert_int_equal(login("bob@example.test", "builder"), AUTH_OK);
	assert_int_equal(HASH_COUNT(f->nodes[0].auth->memory), 2);
	auth_fixture_passwd(f, "alice@example.test", "looking-glass", false);
	while (HASH_COUNT(f->nodes[0].auth->memory) != 1)
		auth_fixture_turn(f, 5);
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_FAILED);
	assert_int_equal(login("alice@example.test", "looking-glass"), AUTH_OK);
	assert_true(is_remembered("bob@example.test", "builder"));
}

static void
test_disabling_ends_it(void **state)
{
	(void)state;
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	auth_fixture_enable(f, "alice@example.test", false);
	wait_until_forgotten();
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_DISABLED);
	auth_fixture_enable(f, "alice@example.test", true);
	while (login("alice@example.test", "wonderland") != AUTH_OK)
		auth_fixture_turn(f, 5);
}

/* The old password is being verified while it is changed: it was right when
 * its record was read, but must not be remembered after the notice. */
static void
test_changed_while_verified(void **state)
{
	struct gate gates[VERIFY_THREADS];
	int64_t until;
	struct login l;

	(void)state;
	close_gates(gates);
	begin(0, &l, STR("alice@example.test"), STR("wonderland"), "192.0.2.1");
	while (f->nodes[0].auth->queued < f->nodes[0].auth->thread_count + 1)
		auth_fixture_turn(f, 5);
	auth_fixture_passwd(f, "alice@example.test", "looking-glass", false);
	auth_fixture_turn(f, 100); /* the notice */
	open_gates(gates);
	auth_fixture_wait(f, &l.done);
	until = clock_monotonic_ms() + 5000;
	while (login("alice@example.test", "wonderland") == AUTH_OK)
		assert_true(clock_monotonic_ms() < until);
	assert_false(is_remembered("alice@example.test", "wonderland"));
	assert_int_equal(login("alice@example.test", "looking-glass"), AUTH_OK);
}

static void
set_domain(const char *field, const char *value)
{
	const struct directory_field change = {str_c(field), str_c(value)};
	struct auth_order o = {.done = false};

	directory_domain_set(f->tool, STR("example.test"), &change, 1, auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	if (o.err.code != ERR_NONE)
		fail_msg("%s", o.err.text);
	auth_fixture_turn(f, 100); /* the notice */
}

/* Whatever is changed of a domain, its users' passwords stay known; and yet a
 * domain that is disabled is obeyed. */
static void
test_changed_domain(void **state)
{
	(void)state;
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	assert_int_equal(login("bob@example.test", "builder"), AUTH_OK);
	set_domain("catch_all", "bob@example.test");
	assert_true(is_remembered("alice@example.test", "wonderland"));
	assert_true(is_remembered("bob@example.test", "builder"));
	set_domain("disabled", "on");
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_DISABLED);
	set_domain("disabled", "off");
	assert_true(is_remembered("alice@example.test", "wonderland"));
}

/* Notices were lost: what was proved against the records is still proved. */
static void
test_reconnected(void **state)
{
	struct auth_reply killed = {.done = false};

	(void)state;
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	redis_callf(f->nodes[0].redis, auth_on_reply, &killed, "CLIENT KILL TYPE pubsub");
	auth_fixture_wait(f, &killed.done);
	auth_fixture_turn(f, 500);
	assert_true(is_remembered("alice@example.test", "wonderland"));
}

/* A frontend that was started anew has no password to hash that another knows. */
static void
test_cluster_remembers(void **state)
{
	struct secret *given = secret_new(f->base, f->nodes[0].redis, STR("a key of the whole cluster"));
	struct secret *stored = secret_new(f->base, f->nodes[0].redis, STR_NONE);

	(void)state;
	f->nodes[1].auth->secret = given;
	begin_and_wait(1, "alice@example.test", "wonderland", AUTH_OK);
	f->nodes[0].auth->secret = given;
	assert_int_equal(HASH_COUNT(f->nodes[0].auth->memory), 0);
	assert_false(is_remembered("alice@example.test", "wrong"));
	assert_true(is_remembered("alice@example.test", "wonderland"));
	assert_int_equal(HASH_COUNT(f->nodes[0].auth->memory), 1);
	assert_true(auth_fixture_number(f, "PTTL", "auth:ok:{alice@example.test}") > 0);
	/* Another password, and what the cluster knew is worth nothing. */
	auth_fixture_passwd(f, "alice@example.test", "looking-glass", false);
	auth_fixture_turn(f, 100);
	assert_false(is_remembered("alice@example.test", "wonderland"));
	assert_false(is_remembered("alice@example.test", "looking-glass"));
	assert_true(is_remembered("alice@example.test", "looking-glass"));
	/* With a secret that lies in the store nothing is kept there. */
	f->nodes[0].auth->secret = stored;
	assert_int_equal(login("bob@example.test", "builder"), AUTH_OK);
	assert_int_equal(auth_fixture_number(f, "EXISTS", "auth:ok:{bob@example.test}"), 0);
	f->nodes[0].auth->secret = f->nodes[1].auth->secret = NULL;
	secret_free(&given);
	secret_free(&stored);
}

static void
test_remembered_for_a_time(void **state)
{
	(void)state;
	auth_fixture_set(f, "cache_time", "0");
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	assert_int_equal(HASH_COUNT(f->nodes[0].auth->memory), 0);
	auth_fixture_set(f, "cache_time", "1ms");
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	assert_int_equal(HASH_COUNT(f->nodes[0].auth->memory), 1);
	auth_fixture_turn(f, 10);
	assert_false(is_remembered("alice@example.test", "wonderland"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AUTH_TEST(test_remembered),
		AUTH_TEST(test_changed_password_ends_it),
		AUTH_TEST(test_disabling_ends_it),
		AUTH_TEST(test_changed_while_verified),
		AUTH_TEST(test_changed_domain),
		AUTH_TEST(test_reconnected),
		AUTH_TEST(test_cluster_remembers),
		AUTH_TEST(test_remembered_for_a_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
