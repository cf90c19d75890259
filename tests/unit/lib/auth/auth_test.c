/* Passwords: checked off the loop, remembered for a while, slowed down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "lib/auth/totp.h"
#include "lib/secret/seal.h"
#include "tests/unit/lib/auth/auth_fixture.h"

static struct auth_fixture fixture, *f = &fixture;

static int
setup(void **state)
{
	(void)state;
	memset(f, 0, sizeof(*f));
	return auth_fixture_start(f);
}

static int
teardown(void **state)
{
	(void)state;
	auth_fixture_stop(f);
	return 0;
}

struct login {
	volatile bool done;
	enum auth_result result;
	char address[AUTH_ADDRESS_MAX];
};

static void
on_result(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct login *l = arg;

	assert_false(l->done); /* exactly once */
	assert_true((identity != NULL) == (result == AUTH_OK));
	l->done = true;
	l->result = result;
	if (identity != NULL)
		strcpy(l->address, identity->address);
}

static struct ip
peer_of(const char *text)
{
	struct ip ip;

	assert_true(ip_parse(str_c(text), &ip));
	return ip;
}

static struct auth_request *
begin(unsigned node, struct login *l, struct str address, struct str password, const char *peer)
{
	struct ip ip = peer_of(peer);

	*l = (struct login){.done = false};
	return auth_check_password(f->nodes[node].auth, address, password, &ip, on_result, l);
}

static enum auth_result
login_from(unsigned node, const char *address, const char *password, const char *peer)
{
	struct login l;

	assert_non_null(begin(node, &l, str_c(address), str_c(password), peer));
	assert_false(l.done); /* never from within the call */
	auth_fixture_wait(f, &l.done);
	return l.result;
}

static enum auth_result
login(const char *address, const char *password)
{
	return login_from(0, address, password, "192.0.2.1");
}

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

static int64_t
failures_of(const char *name)
{
	char key[200];

	snprintf(key, sizeof(key), "auth:fail:{%s}", name);
	return auth_fixture_number(f, "GET", key);
}

struct gate {
	struct verify_task task;
	pthread_mutex_t lock;
	pthread_cond_t opened;
	bool open;
	pthread_t ran_on, done_on;
	volatile bool done;
};

static void
run_gate(struct verify_task *t)
{
	struct gate *g = (struct gate *)t;

	g->ran_on = pthread_self();
	pthread_mutex_lock(&g->lock);
	while (!g->open)
		pthread_cond_wait(&g->opened, &g->lock);
	pthread_mutex_unlock(&g->lock);
}

static void
gate_done(struct verify_task *t)
{
	struct gate *g = (struct gate *)t;

	g->done_on = pthread_self();
	g->done = true;
}

/* Keeps every thread busy until open_gates(). */
static void
close_gates(struct gate gates[VERIFY_THREADS])
{
	for (unsigned i = 0; i < f->nodes[0].auth->thread_count; i++) {
		gates[i] = (struct gate){.task = {.run = run_gate, .done = gate_done}};
		pthread_mutex_init(&gates[i].lock, NULL);
		pthread_cond_init(&gates[i].opened, NULL);
		assert_true(verify_give(f->nodes[0].auth, &gates[i].task));
	}
}

static void
open_gates(struct gate gates[VERIFY_THREADS])
{
	for (unsigned i = 0; i < f->nodes[0].auth->thread_count; i++) {
		pthread_mutex_lock(&gates[i].lock);
		gates[i].open = true;
		pthread_cond_signal(&gates[i].opened);
		pthread_mutex_unlock(&gates[i].lock);
	}
	for (unsigned i = 0; i < f->nodes[0].auth->thread_count; i++)
		auth_fixture_wait(f, &gates[i].done);
}

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

static void
begin_and_wait(unsigned node, const char *address, const char *password, enum auth_result result)
{
	struct login l;

	begin(node, &l, str_c(address), str_c(password), "192.0.2.1");
	auth_fixture_wait(f, &l.done);
	assert_int_equal(l.result, result);
}

/* ---- Remembered ---- */

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

/* ---- Slowed down ---- */

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

/* ---- The second factor ---- */

static const char recovery_code[] = "abcd-efgh-jkmn-pqrs";

/* alice has one from now on. */
static struct secret_keys *
give_second_factor(void)
{
	struct secret_keys *seals = secret_keys_new(STR("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), NULL);
	struct auth_order o = {.done = false};
	struct buf sealed = BUF_EMPTY;
	char context[AUTH_TOTP_CONTEXT_MAX], hash[CREDENTIAL_HASH_MAX], secret[TOTP_SECRET_MAX];

	assert_non_null(seals);
	auth_set_seals(f->nodes[0].auth, seals);
	totp_make(secret);
	auth_totp_context(STR("alice@example.test"), context);
	assert_int_equal(secret_seal(seals, str_c(context), str_c(secret), &sealed, NULL), 0);
	assert_true(totp_hash_recovery(str_c(recovery_code), hash));
	directory_totp_set(f->tool, STR("alice@example.test"), buf_str(&sealed), str_c(hash), auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	assert_int_equal(o.err.code, ERR_NONE);
	buf_fini(&sealed);
	auth_fixture_turn(f, 100); /* the notice */
	return seals;
}

static enum auth_result
check(struct auth_request *(*begin_check)(struct auth *a, struct str address, struct str text, const struct ip *peer,
					  auth_on_result *cb, void *arg),
      const char *text)
{
	struct login l = {.done = false};
	struct ip ip = peer_of("192.0.2.1");

	begin_check(f->nodes[0].auth, STR("alice@example.test"), str_c(text), &ip, on_result, &l);
	auth_fixture_wait(f, &l.done);
	return l.result;
}

/* Whoever knows the password cannot make his wrong codes forgotten with it. */
static void
test_only_the_code_ends_the_count(void **state)
{
	static const char name[] = "account:alice@example.test";
	struct secret_keys *seals = give_second_factor();

	(void)state;
	auth_fixture_set(f, "totp_mail_password", "on");
	assert_int_equal(check(auth_check_code, "no code"), AUTH_FAILED);
	assert_int_equal(check(auth_check_main_password, "wrong"), AUTH_FAILED);
	assert_int_equal(failures_of(name), 2);
	assert_int_equal(check(auth_check_main_password, "wonderland"), AUTH_OK);
	memory_forget(f->nodes[0].auth, STR("alice@example.test"));
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	auth_fixture_turn(f, 50);
	assert_int_equal(failures_of(name), 2);
	assert_int_equal(check(auth_check_code, recovery_code), AUTH_OK);
	auth_fixture_turn(f, 50);
	assert_int_equal(failures_of(name), -1);
	secret_keys_free(&seals);
}

/* The lines of the log with this text, while that many wrong codes are tried. */
static unsigned
warnings_of_wrong_codes(unsigned codes, const char *text)
{
	FILE *capture = tmpfile();
	int real = dup(STDERR_FILENO);
	char line[1000];
	unsigned count = 0;

	dup2(fileno(capture), STDERR_FILENO);
	for (unsigned i = 0; i < codes; i++)
		(void)check(auth_check_code, "no code");
	dup2(real, STDERR_FILENO);
	close(real);
	rewind(capture);
	while (fgets(line, sizeof(line), capture) != NULL)
		count += strstr(line, text) != NULL && strstr(line, "alice@example.test") != NULL;
	fclose(capture);
	return count;
}

static void
test_guessing_is_logged_once(void **state)
{
	struct secret_keys *seals = give_second_factor();

	(void)state;
	assert_int_equal(warnings_of_wrong_codes(9, "many wrong codes"), 0);
	assert_int_equal(warnings_of_wrong_codes(1, "many wrong codes"), 1);
	assert_int_equal(warnings_of_wrong_codes(3, "many wrong codes"), 0);
	secret_keys_free(&seals);
}

/* ---- When credentials were used ---- */

static void
test_use_of_what_is_gone(void **state)
{
	struct credential c = {.kind = CREDENTIAL_TOKEN, .id = "00000001"};
	struct auth_reply r = {.done = false};

	(void)state;
	redis_callf(f->nodes[0].redis, auth_on_reply, &r, "HSET user:{alice@example.test} token:00000001 x");
	auth_fixture_wait(f, &r.done);
	used_note(f->nodes[0].auth, "alice@example.test", &c);
	assert_int_equal(auth_fixture_number(f, "HLEN", "auth:used:{alice@example.test}"), 1);
	/* Removed by another process, after it was read here. */
	strcpy(c.id, "00000002");
	used_note(f->nodes[0].auth, "alice@example.test", &c);
	assert_int_equal(auth_fixture_number(f, "HLEN", "auth:used:{alice@example.test}"), 1);
	strcpy(c.id, "00000003");
	used_note(f->nodes[0].auth, "nobody@example.test", &c);
	assert_int_equal(auth_fixture_number(f, "EXISTS", "auth:used:{nobody@example.test}"), 0);
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
	static const char *const hashes[] = {"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "{CRYPT}$7$CU..../....abcd$efgh"};

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct auth_order o = {.done = false};
		directory_user_passwd(f->tool, STR("alice@example.test"), str_c(hashes[i]), STR_NONE, auth_on_ordered,
				      &o);
		auth_fixture_wait(f, &o.done);
		assert_int_equal(o.err.code, ERR_NONE);
		auth_fixture_turn(f, 50);
		assert_true(cpu_of_login("alice@example.test") > cpu_of_login("nobody@example.test") / 2);
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

#define AUTH_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AUTH_TEST(test_passwords),
		AUTH_TEST(test_very_long),
		AUTH_TEST(test_off_the_loop),
		AUTH_TEST(test_queue_is_limited),
		AUTH_TEST(test_remembered),
		AUTH_TEST(test_changed_password_ends_it),
		AUTH_TEST(test_disabling_ends_it),
		AUTH_TEST(test_changed_while_verified),
		AUTH_TEST(test_changed_domain),
		AUTH_TEST(test_reconnected),
		AUTH_TEST(test_cluster_remembers),
		AUTH_TEST(test_remembered_for_a_time),
		cmocka_unit_test(test_delays),
		AUTH_TEST(test_counting),
		AUTH_TEST(test_no_count_without_a_lifetime),
		AUTH_TEST(test_slowed_down_cluster_wide),
		AUTH_TEST(test_remembered_is_not_slowed_down),
		AUTH_TEST(test_cancelled),
		AUTH_TEST(test_without_redis),
		AUTH_TEST(test_imported_takes_as_long),
		AUTH_TEST(test_only_the_code_ends_the_count),
		AUTH_TEST(test_guessing_is_logged_once),
		AUTH_TEST(test_use_of_what_is_gone),
		cmocka_unit_test(test_argon2id),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
