/* A store with a user, and waiting for what lib/retrieve calls back. */
#ifndef SP_TESTS_UNIT_RETRIEVE_FIXTURE_H
#define SP_TESTS_UNIT_RETRIEVE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "lib/retrieve/store.h"
#include "tests/unit/redis_fixture.h"

#define FIXTURE_ADDRESS "alice@example.test"
#define FIXTURE_KEYS	"k1:MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="

static struct redis_fixture fixture;
static struct event_base *base;
static struct redis *redis;
static struct arena arena;
static struct secret_keys *keys;

struct answer {
	bool done;
	struct err err;
	int64_t number;
	char text[200];
	/* Of a list: */
	unsigned count;
	struct retrieve_account accounts[4]; /* texts in the arena */
	struct retrieve_status status;	     /* of the first; texts are gone */
	char state[32], last_error[400], access[400];
};

static inline void
answer_end(struct answer *a, const struct err *err)
{
	assert_false(a->done);
	a->done = true;
	a->err = err != NULL ? *err : (struct err){.code = ERR_NONE};
}

static inline void
on_done(void *arg, const struct err *err)
{
	answer_end(arg, err);
}

static inline void
on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct answer *a = arg;

	a->number = redis_i64(reply, -1);
	str_copy(redis_str(reply), a->text, sizeof(a->text));
	answer_end(a, err);
}

static inline void
on_entries(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct answer *a = arg;

	a->count = count;
	for (unsigned i = 0; i < count && i < 4; i++) {
		struct buf packed = BUF_EMPTY;
		retrieve_account_pack(&entries[i].account, &packed);
		assert_int_equal(retrieve_account_unpack(buf_str(&packed), &arena, &a->accounts[i], NULL), 0);
		buf_fini(&packed);
	}
	if (count != 0) {
		a->status = entries[0].status;
		str_copy(entries[0].status.state, a->state, sizeof(a->state));
		str_copy(entries[0].status.last_error, a->last_error, sizeof(a->last_error));
		str_copy(entries[0].status.access, a->access, sizeof(a->access));
	}
	answer_end(a, err);
}

static inline enum err_code
wait_for(struct answer *a)
{
	assert_true(redis_fixture_wait(base, &a->done, 20000));
	return a->err.code;
}

/* One Redis command of plain words: its integer, or its text in answer.text. */
static inline struct answer
ask(const char *format, const char *one, const char *two)
{
	struct answer a = {.done = false};

	redis_callf(redis, on_reply, &a, format, one, two);
	assert_int_equal(wait_for(&a), ERR_NONE);
	return a;
}

static inline int64_t
due_of(const char *id)
{
	char member[RETRIEVE_MEMBER_MAX];

	retrieve_member_print(member, FIXTURE_ADDRESS, id);
	struct answer a = ask("ZSCORE retrieve:due %s", member, NULL);
	return a.text[0] != '\0' ? (int64_t)strtod(a.text, NULL) : -1;
}

static inline struct retrieve_account
account_new(const char *const *fields)
{
	struct retrieve_account a;
	struct err err;

	retrieve_account_init(&a, FIXTURE_ADDRESS);
	assert_int_equal(retrieve_account_set(&a, STR("host"), STR("pop.remote.test"), &arena, &err), 0);
	assert_int_equal(retrieve_account_set(&a, STR("user"), STR("al"), &arena, &err), 0);
	for (unsigned i = 0; fields != NULL && fields[i] != NULL; i += 2)
		assert_int_equal(retrieve_account_set(&a, str_c(fields[i]), str_c(fields[i + 1]), &arena, &err), 0);
	assert_int_equal(retrieve_account_check(&a, &arena, &err), 0);
	return a;
}

static inline enum err_code
add(const struct retrieve_account *a)
{
	struct answer answer = {.done = false};

	retrieve_add(redis, a, NULL, on_done, &answer);
	return wait_for(&answer);
}

static inline struct answer
get(const char *id)
{
	struct answer a = {.done = false};

	retrieve_get(redis, STR(FIXTURE_ADDRESS), str_c(id), on_entries, &a);
	wait_for(&a);
	return a;
}

static inline int
fixture_set_up(void **state)
{
	struct err err;
	int64_t until = clock_monotonic_ms() + 10000;

	(void)state;
	arena_init(&arena);
	base = event_base_new();
	keys = secret_keys_new(STR(FIXTURE_KEYS), &err);
	if (!redis_fixture_start(&fixture, false))
		return -1;
	redis = redis_new(base, fixture.url, &err);
	while (!redis_is_connected(redis) && clock_monotonic_ms() < until)
		event_base_loop(base, EVLOOP_ONCE);
	if (!redis_is_connected(redis))
		return -1;
	ask("HSET user:{" FIXTURE_ADDRESS "} address %s", FIXTURE_ADDRESS, NULL);
	return 0;
}

static inline int
fixture_tear_down(void **state)
{
	(void)state;
	redis_free(&redis);
	redis_fixture_stop(&fixture);
	event_base_free(base);
	secret_keys_free(&keys);
	arena_fini(&arena);
	return 0;
}

#endif
