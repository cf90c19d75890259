/* Bytes in front of a body that are known only at its end. */
#include "tests/unit/lib/blob/store_fixture.h"

struct fronted {
	size_t len, piece;
	uint64_t hint;
	size_t front; /* bytes; 0: none is set */
	struct blob_id id;
	struct err err;
	unsigned *done;
};

static void
on_appended(void *arg, const struct blob_id *id, const struct err *err)
{
	struct fronted *b = arg;

	if (err != NULL)
		b->err = *err;
	else
		b->id = *id;
	++*b->done;
}

static void
append(struct blob_fixture *f, struct fronted *b, unsigned seed)
{
	struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, b->hint);
	char *body = body_new(seed, b->len + 1), *front = body_new(seed + 1000, b->front + 1);

	blob_append_leave_front(a);
	for (size_t at = 0; at < b->len; at += b->piece)
		assert_int_equal(blob_append_data(a, body + at, b->len - at < b->piece ? b->len - at : b->piece, NULL),
				 0);
	assert_int_equal(blob_append_size(a), b->len);
	if (b->front > 0)
		blob_append_set_front(a, str_of(front, b->front));
	blob_append_commit(&a, on_appended, b);
	mem_free(body);
	mem_free(front);
}

static bool
is_intact(struct blob_fixture *f, const struct fronted *b, unsigned seed)
{
	size_t len = b->front + b->len;
	char *body = body_new(seed, b->len + 1), *front = body_new(seed + 1000, b->front + 1),
	     *got = mem_alloc(len + 1);
	struct err err;
	bool intact = b->id.length == len && blob_read_sync(f->store, &b->id, 0, got, len, &err) == (int64_t)len &&
		      memcmp(got, front, b->front) == 0 && memcmp(got + b->front, body, b->len) == 0;

	mem_free(body);
	mem_free(front);
	mem_free(got);
	return intact;
}

static bool
count_blob(void *arg, const struct blob_id *id)
{
	(void)id;
	++*(unsigned *)arg;
	return true;
}

static void
test_fronts(void **state)
{
	struct fronted bodies[] = {
		{.len = 0, .piece = 1, .front = 8},
		{.len = 0, .piece = 1, .front = 0},
		{.len = 5, .piece = 2, .front = 80},
		{.len = 4096, .piece = 4096, .front = BLOB_FRONT_MAX},
		{.len = BLOB_SMALL_BYTES, .piece = 1000, .front = 400},
		{.len = BLOB_SMALL_BYTES + 1, .piece = 1000, .front = 400}, /* grows into a stream */
		{.len = 500001, .piece = 70001, .front = 8},
		{.len = 500002, .piece = 70001, .front = BLOB_FRONT_MAX},
		{.len = 500003, .piece = 70001, .front = 0},
		{.len = 3, .piece = 1, .hint = 1000000, .front = 16}, /* a stream that stays small */
		{.len = 0, .piece = 1, .hint = 1000000, .front = 16},
		{.len = 300000, .piece = 65536, .hint = 300000, .front = 1024},
	};
	struct blob_fixture *f = *state;
	unsigned count = sizeof(bodies) / sizeof(bodies[0]), done = 0, seen = 0;
	struct blob_usage usage;
	struct err err;

	for (unsigned i = 0; i < count; i++) {
		bodies[i].done = &done;
		append(f, &bodies[i], i);
		/* Some one after another into the same pack, some at the same time. */
		if (i % 3 == 0)
			assert_true(blob_fixture_wait(f, &done, i + 1));
	}
	assert_true(blob_fixture_wait(f, &done, count));
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < count; i++)
			assert_true(is_intact(f, &bodies[i], i));
		assert_int_equal(blob_usage(f->store, &usage, &err), 0);
		assert_int_equal(usage.blobs, count);
		blob_fixture_reopen(f);
	}
	/* Whoever reads a pack from its beginning finds each of them, behind the room that was left. */
	assert_int_equal(blob_sweep(f->store, clock_unix_ms() + 100000, count_blob, &seen, &err), 0);
	assert_int_equal(seen, count);
	for (unsigned i = 0; i < count; i++)
		blob_release(f->store, &bodies[i].id);
	blob_fixture_reopen(f);
	assert_int_equal(blob_usage(f->store, &usage, &err), 0);
	assert_int_equal(usage.blobs, 0);
}

/* What is written after it uses the pack as it was. */
static void
test_aborted(void **state)
{
	struct blob_fixture *f = *state;
	struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, 0);
	unsigned done = 0;
	struct fronted after = {.len = 200000, .piece = 65536, .front = 64, .done = &done};
	char *body = body_new(1, 400000);

	blob_append_leave_front(a);
	assert_int_equal(blob_append_data(a, body, 400000, NULL), 0);
	blob_append_set_front(a, str_of(body, 800));
	blob_append_abort(&a);
	mem_free(body);
	append(f, &after, 7);
	assert_true(blob_fixture_wait(f, &done, 1));
	assert_true(is_intact(f, &after, 7));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BLOB_TEST(test_fronts),
		BLOB_TEST(test_aborted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
