/* The lease and its fence: who has lost it writes nothing, however late it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/acme/key.h"
#include "lib/acme/store.h"
#include "tests/unit/redis_fixture.h"

static struct redis_fixture fixture;
static struct event_base *base;
static struct redis *redis;

struct answer {
	bool done;
	struct err err;
	int64_t number;
	char text[200];
};

static void
on_answer(void *arg, const redisReply *reply, const struct err *err)
{
	struct answer *a = arg;

	a->done = true;
	a->err = err != NULL ? *err : (struct err){.code = ERR_NONE};
	a->number = redis_i64(reply, -1);
	str_copy(redis_str(reply), a->text, sizeof(a->text));
}

static enum err_code
wait_for(struct answer *a)
{
	assert_true(redis_fixture_wait(base, &a->done, 10000));
	return a->err.code;
}

static int64_t
take(const char *holder, enum err_code expected)
{
	struct answer a = {.done = false};

	acme_lease_take(redis, holder, on_answer, &a);
	assert_int_equal(wait_for(&a), expected);
	return a.number;
}

static void
test_one_holder(void **state)
{
	struct answer kept = {.done = false};
	int64_t first = take("one", ERR_NONE);

	(void)state;
	take("two", ERR_EXISTS);
	acme_lease_keep(redis, first, on_answer, &kept);
	assert_int_equal(wait_for(&kept), ERR_NONE);
	acme_lease_drop(redis, first);
	assert_true(take("two", ERR_NONE) > first);
}

static enum err_code
write_name(int64_t fence, const char *name)
{
	struct answer a = {.done = false};
	cJSON *state = cJSON_CreateObject();

	acme_write_name(redis, fence, str_c(name), state, on_answer, &a);
	cJSON_Delete(state);
	return wait_for(&a);
}

static enum err_code
write_certificate(int64_t fence, const char *chain)
{
	struct answer a = {.done = false};
	cJSON *o = cJSON_CreateObject();

	acme_write_certificate(redis, fence, STR("a.test"), o, str_c(chain), STR("key"), o, on_answer, &a);
	cJSON_Delete(o);
	return wait_for(&a);
}

static void
test_late_writers_are_refused(void **state)
{
	struct answer a = {.done = false}, b = {.done = false}, c = {.done = false}, d = {.done = false};
	int64_t old = take("two", ERR_NONE), now = take("two", ERR_NONE);
	cJSON *o = cJSON_CreateObject();

	(void)state;
	assert_true(now > old);
	assert_int_equal(write_certificate(now, "new"), ERR_NONE);
	assert_int_equal(write_certificate(old, "old"), ERR_FENCED);
	assert_int_equal(write_name(old, "late.test"), ERR_FENCED);
	acme_write_challenge(redis, old, STR("token"), STR("text"), on_answer, &a);
	assert_int_equal(wait_for(&a), ERR_FENCED);
	acme_write_account(redis, old, "https://ca", o, on_answer, &b);
	assert_int_equal(wait_for(&b), ERR_FENCED);
	acme_write_gone(redis, old, STR("a.test"), on_answer, &c);
	assert_int_equal(wait_for(&c), ERR_FENCED);
	acme_write_trouble(redis, old, "x", 0, on_answer, &d);
	assert_int_equal(wait_for(&d), ERR_FENCED);
	cJSON_Delete(o);
	a = (struct answer){.done = false};
	redis_callf(redis, on_answer, &a, "HGET acme:{acme}:certificate:a.test chain");
	wait_for(&a);
	assert_string_equal(a.text, "new");
}

/* Nobody holds the lease any more: the last holder's late writes do not count either. */
static void
test_after_a_drop(void **state)
{
	int64_t fence = take("two", ERR_NONE);

	(void)state;
	acme_lease_drop(redis, fence);
	assert_int_equal(write_name(fence, "late.test"), ERR_FENCED);
}

static void
test_operators(void **state)
{
	struct answer a = {.done = false}, b = {.done = false}, c = {.done = false};
	int64_t fence = take("two", ERR_NONE);

	(void)state;
	assert_int_equal(write_certificate(fence, "x"), ERR_NONE);
	acme_ask_renewal(redis, STR("a.test"), on_answer, &a);
	assert_int_equal(wait_for(&a), ERR_NONE);
	acme_forget(redis, STR("a.test"), on_answer, &b);
	assert_int_equal(wait_for(&b), ERR_NONE);
	acme_forget(redis, STR("a.test"), on_answer, &c);
	assert_int_equal(wait_for(&c), ERR_NOT_FOUND);
	a = (struct answer){.done = false};
	redis_callf(redis, on_answer, &a, "EXISTS acme:{acme}:certificate:a.test acme:{acme}:renew");
	wait_for(&a);
	assert_int_equal(a.number, 0);
}

static void
test_sealed_keys(void **state)
{
	struct err err;
	struct secret_keys *keys = secret_keys_new(STR("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), &err);
	EVP_PKEY *key = acme_key_make(ACME_P256), *again;
	struct buf sealed = BUF_EMPTY;

	(void)state;
	assert_int_equal(acme_seal_key(keys, "certificate", STR("a.test"), key, &sealed, &err), 0);
	again = acme_open_key(keys, "certificate", STR("a.test"), buf_str(&sealed), &err);
	assert_int_equal(EVP_PKEY_eq(key, again), 1);
	/* Moved to another name, it does not open. */
	assert_null(acme_open_key(keys, "certificate", STR("b.test"), buf_str(&sealed), &err));
	assert_null(acme_open_key(keys, "account", STR("a.test"), buf_str(&sealed), &err));
	EVP_PKEY_free(key);
	EVP_PKEY_free(again);
	buf_fini(&sealed);
	secret_keys_free(&keys);
}

static int
set_up(void **state)
{
	struct err err;
	int64_t until = clock_monotonic_ms() + 10000;

	(void)state;
	base = event_base_new();
	if (!redis_fixture_start(&fixture, false))
		return -1;
	redis = redis_new(base, fixture.url, &err);
	while (!redis_is_connected(redis) && clock_monotonic_ms() < until)
		event_base_loop(base, EVLOOP_ONCE);
	return redis_is_connected(redis) ? 0 : -1;
}

static int
tear_down(void **state)
{
	(void)state;
	redis_free(&redis);
	redis_fixture_stop(&fixture);
	event_base_free(base);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_holder),   cmocka_unit_test(test_late_writers_are_refused),
		cmocka_unit_test(test_after_a_drop), cmocka_unit_test(test_operators),
		cmocka_unit_test(test_sealed_keys),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
