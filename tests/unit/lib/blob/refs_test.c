/* References to bodies: dropping the last one releases the body. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/blob/refs.h"
#include "tests/unit/lib/blob/blob_fixture.h"
#include "tests/unit/redis_fixture.h"

struct refs_fixture {
	struct blob_fixture blobs;
	struct redis_fixture redis_server;
	struct redis *redis;
};

static int
setup(void **state)
{
	struct refs_fixture *f = mem_new(struct refs_fixture);
	struct err err;

	blob_fixture_start(&f->blobs);
	if (!redis_fixture_start(&f->redis_server, false))
		return -1;
	f->redis = redis_new(f->blobs.base, f->redis_server.url, &err);
	while (!redis_is_connected(f->redis))
		event_base_loop(f->blobs.base, EVLOOP_ONCE);
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct refs_fixture *f = *state;

	redis_free(&f->redis);
	redis_fixture_stop(&f->redis_server);
	blob_fixture_stop(&f->blobs);
	mem_free(f);
	return 0;
}

struct answer {
	unsigned calls;
	enum err_code code;
};

static void
on_ref(void *arg, const struct err *err)
{
	struct answer *a = arg;

	a->calls++;
	a->code = err != NULL ? err->code : ERR_NONE;
}

static void
add(struct refs_fixture *f, const struct blob_id *id, unsigned count)
{
	struct answer a = {0};

	blob_ref_add(f->redis, id, count, on_ref, &a);
	assert_int_equal(a.calls, 0);
	assert_true(blob_fixture_wait(&f->blobs, &a.calls, 1));
	assert_int_equal(a.code, ERR_NONE);
}

static void
on_ping(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply, (void)err;
	++*(unsigned *)arg;
}

/* Answers come in order: once PING has its own, the drop has its. */
static void
drop(struct refs_fixture *f, const struct blob_id *ids, size_t count)
{
	unsigned answered = 0;

	blob_ref_drop(f->redis, f->blobs.store, ids, count);
	for (unsigned i = 1; i <= 2; i++) { /* the script may have to be sent first */
		redis_callf(f->redis, on_ping, &answered, "PING");
		assert_true(blob_fixture_wait(&f->blobs, &answered, i));
	}
	blob_fixture_reopen(&f->blobs); /* waits for the releases */
}

static void
on_count(void *arg, const redisReply *reply, const struct err *err)
{
	assert_null(err);
	*(int64_t *)arg = redis_i64(reply, -1);
}

static int64_t
counted_keys(struct refs_fixture *f)
{
	int64_t count = -1;
	unsigned answered = 0;

	redis_callf(f->redis, on_count, &count, "DBSIZE");
	redis_callf(f->redis, on_ping, &answered, "PING");
	assert_true(blob_fixture_wait(&f->blobs, &answered, 1));
	return count;
}

static void
test_counted(void **state)
{
	struct refs_fixture *f = *state;
	struct body b = {.seed = 1, .len = 500};

	assert_true(body_put(&f->blobs, &b));
	add(f, &b.id, 1);
	add(f, &b.id, 2); /* four in all */
	for (unsigned left = 3;; left--) {
		drop(f, &b.id, 1);
		assert_int_equal(body_is_intact(f->blobs.store, &b.id, 1, 500, NULL), left != 0);
		assert_int_equal(counted_keys(f), left > 1);
		if (left == 0)
			break;
	}
}

/* The common message is never counted at all. */
static void
test_single_reference(void **state)
{
	struct refs_fixture *f = *state;
	struct body b = {.seed = 1, .len = 500};

	assert_true(body_put(&f->blobs, &b));
	assert_int_equal(counted_keys(f), 0);
	drop(f, &b.id, 1);
	assert_false(body_is_intact(f->blobs.store, &b.id, 1, 500, NULL));
	assert_int_equal(counted_keys(f), 0);
}

/* Of several packs, some several times, some none; more than go at once. */
static void
test_many_at_once(void **state)
{
	enum { COUNT = 1200 };
	struct refs_fixture *f = *state;
	struct body *bodies = mem_zalloc(COUNT * sizeof(*bodies));
	struct blob_id *ids = mem_zalloc((2 * COUNT + 1) * sizeof(*ids));
	struct answer a = {0};
	unsigned done = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		bodies[i] = (struct body){.seed = i, .len = i % 100 == 0 ? 100000 : 20, .done_count = &done};
		body_append(&f->blobs, &bodies[i], 0, 100000);
	}
	assert_true(blob_fixture_wait(&f->blobs, &done, COUNT));
	for (unsigned i = 0; i < COUNT; i++) {
		ids[i] = bodies[i].id;
		ids[2 * COUNT - i] = i % 2 == 0 ? bodies[i].id : (struct blob_id){0};
		/* Every fourth has three references, of which at most two go. */
		if (i % 4 == 0)
			blob_ref_add(f->redis, &bodies[i].id, 2, on_ref, &a);
	}
	assert_true(blob_fixture_wait(&f->blobs, &a.calls, COUNT / 4));
	drop(f, ids, 2 * COUNT + 1);
	for (unsigned i = 0; i < COUNT; i++)
		assert_int_equal(body_is_intact(f->blobs.store, &bodies[i].id, i, bodies[i].len, NULL), i % 4 == 0);
	mem_free(ids);
	mem_free(bodies);
}

static void
on_text(void *arg, const redisReply *reply, const struct err *err)
{
	assert_null(err);
	str_copy(redis_str(reply), arg, BLOB_ID_TEXT);
}

/* While a backup runs the body stays, and its id is where the backup finds it. */
static void
test_held_for_a_backup(void **state)
{
	struct refs_fixture *f = *state;
	struct body b = {.seed = 1, .len = 500}, again = {.seed = 2, .len = 500};
	char held[BLOB_ID_TEXT] = "", text[BLOB_ID_TEXT];
	struct blob_id ids[2];

	assert_true(body_put(&f->blobs, &b) && body_put(&f->blobs, &again));
	add(f, &again.id, 1);
	redis_callf(f->redis, NULL, NULL, "SET backup:hold folder");
	ids[0] = b.id;
	ids[1] = again.id; /* which keeps a reference */
	drop(f, ids, 2);
	assert_true(body_is_intact(f->blobs.store, &b.id, 1, 500, NULL));
	blob_id_text(&b.id, text);
	redis_callf(f->redis, on_text, held, "LPOP backup:held");
	redis_callf(f->redis, NULL, NULL, "DEL backup:hold");
	assert_int_equal(counted_keys(f), 0);
	assert_string_equal(held, text);
	drop(f, &again.id, 1);
	assert_false(body_is_intact(f->blobs.store, &again.id, 2, 500, NULL));
}

/* Without Redis nothing is released: the sweep will find it. */
static void
test_without_redis(void **state)
{
	struct refs_fixture *f = *state;
	struct body b = {.seed = 1, .len = 500};
	struct answer a = {0};

	assert_true(body_put(&f->blobs, &b));
	redis_fixture_kill(&f->redis_server);
	blob_ref_add(f->redis, &b.id, 1, on_ref, &a);
	blob_ref_drop(f->redis, f->blobs.store, &b.id, 1);
	assert_true(blob_fixture_wait(&f->blobs, &a.calls, 1));
	assert_int_equal(a.code, ERR_UNAVAILABLE);
	while (redis_pending(f->redis) != 0)
		event_base_loop(f->blobs.base, EVLOOP_ONCE);
	blob_fixture_reopen(&f->blobs);
	assert_true(body_is_intact(f->blobs.store, &b.id, 1, 500, NULL));
}

#define REFS_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		REFS_TEST(test_counted),
		REFS_TEST(test_single_reference),
		REFS_TEST(test_many_at_once),
		REFS_TEST(test_held_for_a_backup),
		REFS_TEST(test_without_redis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
