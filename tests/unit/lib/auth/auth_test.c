/* Passwords: right and wrong ones, checked off the loop, given up in between. */
#include "tests/unit/lib/auth/gate_fixture.h"

/* ---- What is right ---- */

static void
test_passwords(void **state)
{
	static const struct {
		struct str address, password;
		enum auth_result result;
	} cases[] = {
		{STR("alice@example.test"), STR("wonderland"), AUTH_OK},
		{STR("Alice@EXAMPLE.test"), STR("wonderland"), AUTH_OK},
		{STR("\"alice\"@example.test"), STR("wonderland"), AUTH_OK},
		{STR("alice@example.test"), STR("Wonderland"), AUTH_FAILED},
		{STR("alice@example.test"), STR("wonderland\0"), AUTH_FAILED},
		{STR("alice@example.test"), STR(""), AUTH_FAILED},
		{STR("alice@example.test"), STR_NONE, AUTH_FAILED},
		{STR("alice@example.test\0"), STR("wonderland"), AUTH_FAILED},
		{STR("alice@example.test\0x"), STR("wonderland"), AUTH_FAILED},
		{STR("alice"), STR("wonderland"), AUTH_FAILED},
		{STR("alice@"), STR("wonderland"), AUTH_FAILED},
		{STR("dave@example.test"), STR("wonderland"), AUTH_FAILED},
		{STR("alice@elsewhere.test"), STR("wonderland"), AUTH_FAILED},
		{STR(""), STR(""), AUTH_FAILED},
		{STR_NONE, STR_NONE, AUTH_FAILED},
		{STR("\xff\xfe"), STR("\xff"), AUTH_FAILED},
		{STR("carol@example.test"), STR("closed"), AUTH_DISABLED},
		{STR("carol@example.test"), STR("wrong"), AUTH_FAILED},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct login l;
		assert_non_null(begin(0, &l, cases[i].address, cases[i].password, "192.0.2.1"));
		auth_fixture_wait(f, &l.done);
		assert_int_equal(l.result, cases[i].result);
		if (l.result == AUTH_OK)
			assert_string_equal(l.address, "alice@example.test");
	}
}

static void
test_very_long(void **state)
{
	char *text = mem_alloc(100000);
	struct login l;

	(void)state;
	memset(text, 'a', 100000);
	begin(0, &l, str_of(text, 100000), str_of(text, 100000), "192.0.2.1");
	auth_fixture_wait(f, &l.done);
	assert_int_equal(l.result, AUTH_FAILED);
	begin(0, &l, STR("alice@example.test"), str_of(text, 100000), "192.0.2.1");
	auth_fixture_wait(f, &l.done);
	assert_int_equal(l.result, AUTH_FAILED);
	mem_free(text);
}

/* ---- Off the loop ---- */

static void
test_off_the_loop(void **state)
{
	struct gate gates[VERIFY_THREADS];
	struct login l;

	(void)state;
	close_gates(gates);
	begin(0, &l, STR("alice@example.test"), STR("wonderland"), "192.0.2.1");
	auth_fixture_turn(f, 50); /* the loop goes on meanwhile */
	assert_false(l.done);
	open_gates(gates);
	auth_fixture_wait(f, &l.done);
	assert_int_equal(l.result, AUTH_OK);
	for (unsigned i = 0; i < f->nodes[0].auth->thread_count; i++) {
		assert_false(pthread_equal(gates[i].ran_on, pthread_self()));
		assert_true(pthread_equal(gates[i].done_on, pthread_self()));
	}
}

/* More than can be waited for: try later, at once. */
static void
test_queue_is_limited(void **state)
{
	struct gate gates[VERIFY_THREADS];
	struct login *l = mem_zalloc((VERIFY_QUEUE_MAX + 10) * sizeof(*l));
	unsigned unavailable;
	int64_t until = clock_monotonic_ms() + 60000;

	(void)state;
	close_gates(gates);
	for (unsigned i = 0; i < VERIFY_QUEUE_MAX + 10; i++)
		begin(0, &l[i], STR("dave@example.test"), STR("x"), "192.0.2.1");
	do {
		auth_fixture_turn(f, 5);
		unavailable = 0;
		for (unsigned i = 0; i < VERIFY_QUEUE_MAX + 10; i++) {
			unavailable += l[i].done;
			assert_true(!l[i].done || l[i].result == AUTH_UNAVAILABLE);
		}
	} while (unavailable < 10 + f->nodes[0].auth->thread_count && clock_monotonic_ms() < until);
	assert_int_equal(unavailable, 10 + f->nodes[0].auth->thread_count);
	/* At the end of the process what no thread has begun is not waited for, and
	 * counts as no failure. */
	pthread_mutex_lock(&f->nodes[0].auth->lock);
	f->nodes[0].auth->stop = true;
	pthread_mutex_unlock(&f->nodes[0].auth->lock);
	open_gates(gates);
	auth_free(&f->nodes[0].auth);
	assert_int_equal(failures_of("account:dave@example.test"), -1);
	mem_free(l);
}

/* ---- Ends ---- */

static void
test_cancelled(void **state)
{
	struct gate gates[VERIFY_THREADS];
	struct auth_request *requests[4];
	struct login l[4];

	(void)state;
	auth_fixture_set(f, "failure_delay", "1m");
	close_gates(gates);
	requests[0] = begin(0, &l[0], STR("alice@example.test"), STR("wonderland"), "192.0.2.1");
	auth_cancel(&requests[0]); /* before it began */
	assert_null(requests[0]);
	auth_cancel(&requests[0]);
	requests[1] = begin(0, &l[1], STR("alice@example.test"), STR("wonderland"), "192.0.2.1");
	while (f->nodes[0].auth->queued < f->nodes[0].auth->thread_count + 1)
		auth_fixture_turn(f, 5);
	auth_cancel(&requests[1]); /* while a thread has it */
	throttle_failed(f->nodes[0].auth, "bob@example.test", &(struct ip){.family = 4});
	requests[2] = begin(0, &l[2], STR("bob@example.test"), STR("builder"), "192.0.2.1");
	auth_fixture_turn(f, 50);
	auth_cancel(&requests[2]); /* while it is delayed */
	begin(0, &l[3], STR("bob@example.test"), STR("builder"), "192.0.2.1");
	auth_fixture_turn(f, 50);
	open_gates(gates);
	auth_free(&f->nodes[0].auth); /* with one that is delayed still */
	assert_null(f->nodes[0].auth);
	for (unsigned i = 0; i < 4; i++)
		assert_false(l[i].done);
}

static void
test_without_redis(void **state)
{
	struct login l;

	(void)state;
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	redis_fixture_kill(&f->server);
	while (redis_is_connected(f->nodes[0].redis))
		auth_fixture_turn(f, 5);
	assert_int_equal(login("bob@example.test", "builder"), AUTH_UNAVAILABLE);
	begin(0, &l, STR("bob@example.test"), STR("builder"), "192.0.2.1");
	auth_fixture_wait(f, &l.done);
	assert_int_equal(l.result, AUTH_UNAVAILABLE);
}

/* ---- Verifiers ---- */

static int64_t
cpu_of_login(const char *address)
{
	struct timespec from, to;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
	assert_int_equal(login(address, "wrong"), AUTH_FAILED);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
	return (to.tv_sec - from.tv_sec) * INT64_C(1000000000) + to.tv_nsec - from.tv_nsec;
}

/* A fast hash does not tell by its time that the account exists, and one that is not checked does not either. */
static void
test_imported_takes_as_long(void **state)
{
	static const char *const hashes[] = {
		"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
		"$argon2id$v=19$m=8,t=1,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hpamtsbW5vcA",
		"$argon2id$v=19$m=262144,t=20,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hpamtsbW5vcA",
		"{CRYPT}$7$CU..../....abcd$efgh",
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
		struct auth_order o = {.done = false};
		struct log_capture capture;
		int64_t cpu_ns;

		directory_user_passwd(f->tool, STR("alice@example.test"), str_c(hashes[i]), STR_NONE, auth_on_ordered,
				      &o);
		auth_fixture_wait(f, &o.done);
		assert_int_equal(o.err.code, ERR_NONE);
		auth_fixture_turn(f, 50);
		capture = log_capture_begin();
		cpu_ns = cpu_of_login("alice@example.test");
		/* The operator is told of those that are not checked. */
		assert_int_equal(log_capture_end(&capture, "password hash is not supported", "alice@example.test"),
				 i < 2 ? 0 : 1);
		/* Not for each try. */
		capture = log_capture_begin();
		assert_int_equal(login("alice@example.test", "wrong"), AUTH_FAILED);
		assert_int_equal(log_capture_end(&capture, "password hash is not supported", ""), 0);
		f->nodes[0].auth->unsupported_ms = 0; /* a minute later */
		assert_true(cpu_ns > cpu_of_login("nobody@example.test") / 2);
	}
	assert_int_equal(login("alice@example.test", "secret"), AUTH_FAILED); /* of the second kind */
}

static void
test_argon2id(void **state)
{
	static const char *const broken[] = {"", "x", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$",
					     "$argon2i$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2hoYXNoaGFzaA"};
	char first[AUTH_VERIFIER_MAX], second[AUTH_VERIFIER_MAX];
	struct err err;

	(void)state;
	assert_int_equal(auth_make_argon2id(STR("secret"), first, &err), 0);
	assert_int_equal(auth_make_argon2id(STR("secret"), second, &err), 0);
	assert_memory_equal(first, "$argon2id$v=19$m=19456,t=2,p=1$", 31);
	assert_string_not_equal(first, second); /* a salt of its own */
	assert_true(auth_password_fits(first, STR("secret")) && auth_password_fits(second, STR("secret")));
	assert_false(auth_password_fits(first, STR("Secret")));
	assert_false(auth_password_fits(first, STR_NONE));
	assert_int_equal(auth_make_argon2id(STR("a\0b"), first, &err), 0);
	assert_true(auth_password_fits(first, STR("a\0b")));
	assert_false(auth_password_fits(first, STR("a")));
	for (unsigned i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_false(auth_password_fits(broken[i], STR("secret")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AUTH_TEST(test_passwords),
		AUTH_TEST(test_very_long),
		AUTH_TEST(test_off_the_loop),
		AUTH_TEST(test_queue_is_limited),
		AUTH_TEST(test_cancelled),
		AUTH_TEST(test_without_redis),
		AUTH_TEST(test_imported_takes_as_long),
		cmocka_unit_test(test_argon2id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
