/* The keys of domains, against a private redis-server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "lib/dkim/keys.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture server;
static struct event_base *base;
static struct redis *redis;
static struct tracking *tracking;
static struct dkim_keys *cached, *tool;

struct answer {
	volatile bool done;
	struct err err;
	unsigned count;
	char selectors[200], states[200];
};

static void
end(struct answer *a, const struct err *err)
{
	assert_false(a->done);
	a->done = true;
	if (err != NULL)
		a->err = *err;
}

static void
on_done(void *arg, const struct err *err)
{
	end(arg, err);
}

static void
add(struct answer *a, const struct dkim_key *key)
{
	size_t s = strlen(a->selectors), t = strlen(a->states);

	snprintf(a->selectors + s, sizeof(a->selectors) - s, "%s ", key->selector);
	snprintf(a->states + t, sizeof(a->states) - t, "%s ", dkim_state_name(key->state));
	a->count++;
}

static void
on_list(void *arg, const struct dkim_key *keys, unsigned count, const struct err *err)
{
	for (unsigned i = 0; i < count; i++)
		add(arg, &keys[i]);
	end(arg, err);
}

static void
on_keys(void *arg, struct dkim_key_set *set, const struct err *err)
{
	for (unsigned i = 0; set != NULL && i < set->count; i++)
		add(arg, &set->keys[i]);
	end(arg, err);
}

static void
on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	end(arg, err);
}

static void
wait_for(struct answer *a)
{
	assert_true(redis_fixture_wait(base, &a->done, 10000));
}

/* Turns the loop a little. */
static void
turn(void)
{
	volatile bool never = false;

	redis_fixture_wait(base, &never, 10);
}

static void
await_connection(void)
{
	int64_t until = clock_monotonic_ms() + 10000;

	while (!redis_is_connected(redis) && clock_monotonic_ms() < until)
		turn();
	assert_true(redis_is_connected(redis));
}

static void
command(const char *text)
{
	struct answer a = {.done = false};

	redis_callf(redis, on_reply, &a, text);
	wait_for(&a);
	assert_int_equal(a.err.code, ERR_NONE);
}

static enum err_code
make(const char *domain, const char *selector, enum dkim_algorithm algorithm, enum dkim_state state, int64_t at)
{
	struct answer a = {.done = false};
	struct dkim_key key;
	struct err err;

	assert_int_equal(dkim_key_make(algorithm, str_c(selector), at, &key, &err), 0);
	key.state = state;
	dkim_keys_add(tool, str_c(domain), &key, on_done, &a);
	dkim_key_fini(&key);
	wait_for(&a);
	return a.err.code;
}

static enum err_code
change(const char *selector, bool deletes)
{
	struct answer a = {.done = false};

	(deletes ? dkim_keys_delete : dkim_keys_activate)(tool, STR("a.test"), str_c(selector), on_done, &a);
	wait_for(&a);
	return a.err.code;
}

static struct answer
list(void)
{
	struct answer a = {.done = false};

	dkim_keys_list(tool, STR("a.test"), on_list, &a);
	wait_for(&a);
	assert_int_equal(a.err.code, ERR_NONE);
	return a;
}

static struct answer
get(struct dkim_keys *k)
{
	struct answer a = {.done = false};

	dkim_keys_get(k, STR("a.test"), on_keys, &a);
	wait_for(&a);
	return a;
}

static bool
soon_signs_by(const char *selectors)
{
	int64_t until = clock_monotonic_ms() + 10000;

	for (;;) {
		struct answer a = get(cached);

		if (a.err.code == ERR_NONE && strcmp(a.selectors, selectors) == 0)
			return true;
		if (clock_monotonic_ms() > until)
			return false;
		turn();
	}
}

static void
test_orders(void **state)
{
	(void)state;
	assert_int_equal(make("a.test", "one", DKIM_ED25519, DKIM_ACTIVE, 1), ERR_NOT_FOUND);
	command("HSET domain:{a.test} created_ms 1");
	assert_int_equal(make("a.test", "one", DKIM_ED25519, DKIM_ACTIVE, 1), ERR_NONE);
	assert_int_equal(make("a.test", "one", DKIM_ED25519, DKIM_ACTIVE, 2), ERR_EXISTS);
	assert_int_equal(make("a.test", "two", DKIM_ED25519, DKIM_WAITING, 2), ERR_NONE);
	assert_int_equal(make("a.test", "rsa", DKIM_RSA, DKIM_ACTIVE, 3), ERR_NONE);
	assert_string_equal(list().selectors, "one two rsa ");
	assert_string_equal(list().states, "active waiting active ");
	assert_int_equal(change("two", false), ERR_NONE);
	assert_string_equal(list().states, "retired active active ");
	assert_int_equal(make("a.test", "three", DKIM_ED25519, DKIM_ACTIVE, 4), ERR_NONE);
	assert_string_equal(list().states, "retired retired active active ");
	assert_int_equal(get(tool).count, 2);
	assert_int_equal(change("none", false), ERR_NOT_FOUND);
	assert_int_equal(change("none", true), ERR_NOT_FOUND);
	assert_int_equal(change("three", true), ERR_NONE);
	assert_string_equal(get(tool).selectors, "rsa ");
}

/* What is kept follows what others change; damage is passed over. */
static void
test_cache(void **state)
{
	(void)state;
	assert_false(dkim_keys_has_none(cached, STR("a.test"))); /* not known */
	/* What was read is forgotten once more when the notices' connection comes up. */
	for (int i = 0; i < 100 && !dkim_keys_has_none(cached, STR("a.test")); i++)
		assert_true(soon_signs_by(""));
	assert_true(dkim_keys_has_none(cached, STR("a.test")));
	command("HSET domain:{a.test} created_ms 1");
	assert_int_equal(make("a.test", "one", DKIM_ED25519, DKIM_ACTIVE, 1), ERR_NONE);
	assert_true(soon_signs_by("one "));
	assert_false(dkim_keys_has_none(cached, STR("a.test")));
	assert_int_equal(make("a.test", "two", DKIM_ED25519, DKIM_ACTIVE, 2), ERR_NONE);
	assert_true(soon_signs_by("two "));
	command("HSET domain:{a.test}:dkim bad broken");
	assert_true(soon_signs_by("two "));
	assert_int_equal(change("two", true), ERR_NONE);
	assert_true(soon_signs_by(""));
}

static void
test_unavailable(void **state)
{
	struct answer a;

	(void)state;
	redis_fixture_kill(&server);
	a = get(tool);
	assert_true(a.err.code != ERR_NONE && a.count == 0);
	assert_true(redis_fixture_run(&server, false));
	assert_true(soon_signs_by(""));
}

static int
setup(void **state)
{
	struct err err;

	(void)state;
	base = event_base_new();
	redis = redis_new(base, server.url, &err);
	tracking = tracking_new(base, server.url, &err);
	cached = dkim_keys_new(redis, tracking);
	tool = dkim_keys_new(redis, NULL);
	await_connection();
	command("FLUSHALL");
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	dkim_keys_free(&cached);
	dkim_keys_free(&tool);
	tracking_free(&tracking);
	redis_free(&redis);
	event_base_free(base);
	return 0;
}

static int
start(void **state)
{
	(void)state;
	return redis_fixture_start(&server, false) ? 0 : -1;
}

static int
stop(void **state)
{
	(void)state;
	redis_fixture_stop(&server);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_orders, setup, teardown),
		cmocka_unit_test_setup_teardown(test_cache, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unavailable, setup, teardown),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
