/* The blob store as its callers see it: appends, reads, releases, the sweep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lib/blob/store_fixture.h"

/* ---- Opening ---- */

static void
test_open(void **state)
{
	struct blob_fixture *f = *state;
	char url[200];
	struct stat st;
	struct err err;
	struct blob_store *s;
	static const char *const bad[] = {
		"", "file", "file:", "/tmp", "redis://x", "file:/proc/none/x", "file:/dev/null"};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(blob_store_open(NULL, bad[i], &err));
		assert_true(err.text[0] != '\0');
	}
	snprintf(url, sizeof(url), "%s/a/b/c", f->url);
	s = blob_store_open(NULL, url, &err);
	assert_non_null(s);
	assert_int_equal(blob_store_check(s, &err), 0);
	blob_store_close(&s);
	assert_null(s);
	blob_store_close(&s);
	assert_int_equal(stat(url + strlen("file:"), &st), 0);
	assert_int_equal(pack_files(url + strlen("file:")), 0); /* the check leaves nothing */
}

/* ---- Appending ---- */

static void
test_sizes(void **state)
{
	static const struct {
		size_t len, piece;
		uint64_t hint;
	} cases[] = {
		{0, 1, 0},
		{1, 1, 0},
		{7, 1, 0},
		{8, 3, 0},
		{4096, 4096, 0},
		{BLOB_SMALL_BYTES, 1000, 0},
		{BLOB_SMALL_BYTES + 1, 1000, 0}, /* grows into a stream */
		{BLOB_SMALL_BYTES + 1, BLOB_SMALL_BYTES + 1, 0},
		{500000, 70001, 0},
		{500000, 500000, 500000},
		{3, 1, 1000000}, /* a stream that stays small */
		{0, 1, 1000000}, /* and one of nothing */
	};
	struct blob_fixture *f = *state;
	struct body bodies[sizeof(cases) / sizeof(cases[0])] = {0};
	unsigned count = sizeof(cases) / sizeof(cases[0]), done = 0;
	struct blob_usage usage;
	struct err err = {0};
	uint64_t live = 0;

	for (unsigned i = 0; i < count; i++) {
		bodies[i] = (struct body){.seed = i + 1, .len = cases[i].len, .done_count = &done};
		body_append(f, &bodies[i], cases[i].hint, cases[i].piece);
		live += cases[i].len;
	}
	assert_true(blob_fixture_wait(f, &done, count));
	for (unsigned pass = 0; pass < 2; pass++) {
		for (unsigned i = 0; i < count; i++) {
			assert_int_equal(bodies[i].err.code, ERR_NONE);
			assert_false(blob_id_is_none(&bodies[i].id));
			assert_true(body_is_intact(f->store, &bodies[i].id, i + 1, cases[i].len, &err));
		}
		assert_int_equal(blob_usage(f->store, &usage, &err), 0);
		assert_int_equal(usage.blobs, count);
		assert_int_equal(usage.live_bytes, live);
		assert_int_equal(usage.packs, pack_files(f->dir));
		assert_true(usage.allocated_bytes != 0 && usage.free_bytes != 0);
		blob_fixture_reopen(f);
	}
}

static void
test_size_is_counted(void **state)
{
	struct blob_fixture *f = *state;
	struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, 0);

	assert_int_equal(blob_append_size(a), 0);
	assert_int_equal(blob_append_data(a, "abc", 3, NULL), 0);
	assert_int_equal(blob_append_data(a, NULL, 0, NULL), 0);
	assert_int_equal(blob_append_size(a), 3);
	assert_int_equal(blob_append_backlog(a), 0);
	blob_append_abort(&a);
	assert_null(a);
	blob_append_abort(&a);
}

/* Given up: the space is given back, and the pack is used again. */
static void
test_abort(void **state)
{
	struct blob_fixture *f = *state;
	struct body after = {.seed = 5, .len = 300000};
	struct blob_usage usage;
	struct err err;

	for (unsigned i = 0; i < 6; i++) {
		struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, 0);
		char *body = body_new(i, 400000);
		assert_int_equal(blob_append_data(a, body, i * 80000, NULL), 0);
		mem_free(body);
		blob_append_abort(&a);
	}
	assert_true(body_put(f, &after));
	assert_true(body_is_intact(f->store, &after.id, 5, 300000, &err));
	blob_fixture_reopen(f);
	assert_int_equal(blob_usage(f->store, &usage, &err), 0);
	assert_int_equal(usage.blobs, 1);
	assert_true(usage.allocated_bytes < 600000);
}

static void
test_interleaved_streams(void **state)
{
	enum { STREAMS = 12, BYTES = 700001, PIECE = 9973 };
	struct blob_fixture *f = *state;
	struct blob_append *appends[STREAMS];
	struct body bodies[STREAMS] = {0}, small[STREAMS] = {0};
	char *contents[STREAMS];
	unsigned done = 0;
	struct err err = {0};

	for (unsigned i = 0; i < STREAMS; i++) {
		contents[i] = body_new(i, BYTES);
		appends[i] = blob_append_begin(f->store, BLOB_BODY, i % 2 != 0 ? BYTES : 0);
		bodies[i] = (struct body){.done_count = &done};
		small[i] = (struct body){.seed = 100 + i, .len = 1000 * i, .done_count = &done};
	}
	for (size_t at = 0; at < BYTES; at += PIECE)
		for (unsigned i = 0; i < STREAMS; i++)
			assert_int_equal(blob_append_data(appends[i], contents[i] + at,
							  BYTES - at < PIECE ? BYTES - at : PIECE, NULL),
					 0);
	for (unsigned i = 0; i < STREAMS; i++) {
		body_append(f, &small[i], 0, 100);
		blob_append_commit(&appends[i], body_on_appended, &bodies[i]);
		mem_free(contents[i]);
	}
	assert_true(blob_fixture_wait(f, &done, 2 * STREAMS));
	for (unsigned i = 0; i < STREAMS; i++) {
		assert_true(body_is_intact(f->store, &bodies[i].id, i, BYTES, &err));
		assert_true(body_is_intact(f->store, &small[i].id, 100 + i, 1000 * i, &err));
	}
}

/* ---- A body much larger than memory should be: bounded by the backlog ---- */

struct pump {
	struct blob_fixture *fixture;
	struct blob_append *append;
	struct body body;
	char *piece;
	size_t given, largest_backlog;
	unsigned waits;
};

enum { PUMP_PIECE = 48 * 1024, PUMP_BYTES = 100 * 1024 * 1024 };

/* Gives until there is a backlog, as a frontend does that reads its client. */
static void
pump(void *arg)
{
	struct pump *p = arg;

	while (p->given < PUMP_BYTES) {
		size_t len = PUMP_BYTES - p->given < PUMP_PIECE ? PUMP_BYTES - p->given : PUMP_PIECE;
		size_t backlog;

		bytes_put_u64(p->piece, p->given);
		assert_int_equal(blob_append_data(p->append, p->piece, len, NULL), 0);
		p->given += len;
		backlog = blob_append_backlog(p->append);
		if (backlog > p->largest_backlog)
			p->largest_backlog = backlog;
		if (backlog >= BLOB_BACKLOG_BYTES) {
			p->waits++;
			blob_append_wait_room(p->append, pump, p);
			return;
		}
	}
	assert_int_equal(blob_append_size(p->append), PUMP_BYTES);
	blob_append_commit(&p->append, body_on_appended, &p->body);
}

static void
test_large_stream_in_bounded_memory(void **state)
{
	struct blob_fixture *f = *state;
	unsigned done = 0;
	struct pump p = {.fixture = f, .body = {.done_count = &done}};
	char *expected = mem_alloc(PUMP_PIECE), *got = mem_alloc(PUMP_PIECE);
	struct err err;

	p.piece = body_new(9, PUMP_PIECE);
	memcpy(expected, p.piece, PUMP_PIECE);
	p.append = blob_append_begin(f->store, BLOB_BODY, 0);
	pump(&p);
	assert_true(blob_fixture_wait(f, &done, 1));
	assert_int_equal(p.body.err.code, ERR_NONE);
	/* What one call gives over the mark, and what a chunk is rounded to. */
	assert_true(p.largest_backlog < BLOB_BACKLOG_BYTES + 2 * (PUMP_PIECE + 64 * 1024));
	assert_int_equal(p.body.id.length, PUMP_BYTES);
	for (uint64_t at = 0; at < PUMP_BYTES; at += PUMP_PIECE) {
		size_t len = PUMP_BYTES - at < PUMP_PIECE ? PUMP_BYTES - at : PUMP_PIECE;
		bytes_put_u64(expected, at);
		assert_int_equal(blob_read_sync(f->store, &p.body.id, at, got, PUMP_PIECE, &err), len);
		assert_memory_equal(got, expected, len);
	}
	mem_free(p.piece);
	mem_free(expected);
	mem_free(got);
}

/* ---- Reading ---- */

static void
test_ranges(void **state)
{
	static const struct {
		uint64_t offset;
		size_t length;
		int64_t got; /* -1: refused */
	} cases[] = {
		{0, 1000, 1000}, {0, 2000, 1000}, {0, 0, 0},	   {0, 1, 1},	  {1, 1, 1},	       {999, 1, 1},
		{999, 5, 1},	 {1000, 5, 0},	  {500, 500, 500}, {1001, 1, -1}, {UINT64_MAX, 1, -1},
	};
	struct blob_fixture *f = *state;
	struct body b = {.seed = 77, .len = 1000};
	char *expected = body_new(77, 1000), got[2000];

	assert_true(body_put(f, &b));
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err = {0};
		int64_t count = blob_read_sync(f->store, &b.id, cases[i].offset, got, cases[i].length, &err);
		assert_int_equal(count, cases[i].got);
		if (count > 0)
			assert_memory_equal(got, expected + cases[i].offset, (size_t)count);
		else if (count < 0)
			assert_int_equal(err.code, ERR_INVALID);
	}
	mem_free(expected);
}

static void
test_ids_that_name_nothing(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 1, .len = 1000}, last = {.seed = 2, .len = 10};
	char got[2000];

	assert_true(body_put(f, &b));
	assert_true(body_put(f, &last));
	const struct {
		struct blob_id id;
		enum err_code code;
	} cases[] = {
		{{0, b.id.offset, 1000}, ERR_INVALID},
		{{b.id.pack, 0, 1000}, ERR_INVALID},
		{{b.id.pack, PACK_HEADER_BYTES + RECORD_HEADER_BYTES - 1, 1000}, ERR_INVALID},
		{{b.id.pack + 1, b.id.offset, 1000}, ERR_NOT_FOUND},
		{{b.id.pack, b.id.offset + 8, 1000}, ERR_CORRUPT},
		{{b.id.pack, b.id.offset, 999}, ERR_CORRUPT},
		{{b.id.pack, b.id.offset, 1001}, ERR_CORRUPT},
		{{b.id.pack, last.id.offset + 16, 8}, ERR_CORRUPT}, /* at the end, where zeros are */
		{{b.id.pack, (UINT64_C(1) << 48) - 1, 10}, ERR_CORRUPT},
		{{b.id.pack, (UINT64_C(1) << 48) - 1, 0}, ERR_CORRUPT},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (uint64_t offset = 0; offset <= cases[i].id.length && offset <= 1; offset++) {
			struct err err = {0};
			assert_int_equal(blob_read_sync(f->store, &cases[i].id, offset, got, sizeof(got), &err), -1);
			assert_int_equal(err.code, cases[i].code);
		}
	blob_fixture_reopen(f);
	assert_int_equal(blob_read_sync(f->store, &cases[7].id, 0, got, 8, NULL), -1);
}

struct read_result {
	char data[BLOB_READ_MAX];
	size_t len;
	enum err_code code;
	unsigned calls;
};

static void
on_read(void *arg, const char *data, size_t len, const struct err *err)
{
	struct read_result *r = arg;

	r->calls++;
	r->code = err != NULL ? err->code : ERR_NONE;
	r->len = len;
	if (len != 0)
		memcpy(r->data, data, len);
}

static void
test_asynchronous(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 3, .len = BLOB_READ_MAX + 1000};
	struct read_result *r = mem_new(struct read_result);
	char *expected = body_new(3, b.len);
	struct blob_id none;

	assert_true(body_put(f, &b));
	/* At most BLOB_READ_MAX at a time. */
	assert_non_null(blob_read(f->store, &b.id, 0, b.len, on_read, r));
	assert_int_equal(r->calls, 0); /* never from within the call */
	assert_true(blob_fixture_wait(f, &r->calls, 1));
	assert_int_equal(r->len, BLOB_READ_MAX);
	assert_memory_equal(r->data, expected, r->len);
	blob_read(f->store, &b.id, BLOB_READ_MAX, BLOB_READ_MAX, on_read, r);
	assert_true(blob_fixture_wait(f, &r->calls, 2));
	assert_int_equal(r->len, 1000);
	assert_memory_equal(r->data, expected + BLOB_READ_MAX, 1000);
	/* Failures come the same way. */
	none = b.id;
	none.pack++;
	blob_read(f->store, &none, 0, 10, on_read, r);
	assert_int_equal(r->calls, 2);
	assert_true(blob_fixture_wait(f, &r->calls, 3));
	assert_int_equal(r->code, ERR_NOT_FOUND);
	blob_read(f->store, &b.id, b.len + 1, 10, on_read, r);
	assert_true(blob_fixture_wait(f, &r->calls, 4));
	assert_int_equal(r->code, ERR_INVALID);
	mem_free(expected);
	mem_free(r);
}

/* Whole small bodies, in any order, with some that are not there between. */
static void
test_peek(void **state)
{
	struct blob_fixture *f = *state;
	struct body large = {.seed = 9, .len = 600 * 1024};
	struct blob_peek items[303];
	struct buf out = BUF_EMPTY;
	struct body bodies[300];
	unsigned got = 0;

	for (unsigned i = 0; i < 300; i++) {
		bodies[i] = (struct body){.seed = 100 + i, .len = i * 37 % 5000};
		assert_true(body_put(f, &bodies[i]));
		items[i].id = bodies[i].id;
	}
	assert_true(body_put(f, &large));
	blob_release(f->store, &bodies[7].id);
	blob_fixture_reopen(f);
	items[300].id = large.id; /* too large to come this way */
	items[301] = items[20];
	items[301].id.length++;
	items[302] = (struct blob_peek){.id = {0}};
	for (unsigned round = 0; round < 2; round++) {
		got = 0;
		blob_peek(f->store, items, 303, &out);
		for (unsigned i = 0; i < 300; i++) {
			char *expected = body_new(bodies[i].seed, bodies[i].len);
			if (items[i].data.p != NULL) {
				assert_true(str_eq(items[i].data, str_of(expected, bodies[i].len)));
				got++;
			}
			mem_free(expected);
		}
		assert_null(items[7].data.p);
		assert_null(items[300].data.p);
		assert_null(items[301].data.p);
		assert_null(items[302].data.p);
		/* The file system may have dropped some of it, but hardly all. */
		assert_in_range(got, 1, 299);
		for (unsigned i = 0; i < 150; i++) { /* the other way round */
			struct blob_peek swap = items[i];
			struct body body = bodies[i];
			if (i == 7 || 299 - i == 7)
				continue;
			items[i] = items[299 - i];
			items[299 - i] = swap;
			bodies[i] = bodies[299 - i];
			bodies[299 - i] = body;
		}
	}
	blob_peek(f->store, items, 0, &out);
	buf_fini(&out);
}

/* A cancelled read is never heard of again, wherever it was. */
static void
test_cancelled(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 3, .len = 5000};
	struct read_result *r = mem_new(struct read_result);
	struct blob_read *reads[40];

	assert_true(body_put(f, &b));
	for (unsigned i = 0; i < 40; i++) {
		struct blob_id id = b.id;
		id.pack += i % 2; /* from the cache, and by a thread */
		reads[i] = blob_read(f->store, &id, 0, 100, on_read, r);
	}
	for (unsigned i = 0; i < 38; i++)
		blob_read_cancel(&reads[i]);
	assert_null(reads[0]);
	blob_read_cancel(&reads[0]);
	assert_true(blob_fixture_wait(f, &r->calls, 2));
	blob_fixture_reopen(f); /* waits for the threads, and runs what they did */
	assert_int_equal(r->calls, 2);
	mem_free(r);
}

/* More packs than descriptors are kept: the least recently used ones go. */
static void
test_many_packs(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 3, .len = 100};
	unsigned before;

	assert_true(body_put(f, &b));
	before = open_descriptors();
	for (uint64_t i = 1; i <= 400; i++) {
		char from[PACK_PATH_MAX], to[PACK_PATH_MAX];
		pack_path(f->dir, b.id.pack, from);
		pack_path(f->dir, b.id.pack + i, to);
		assert_int_equal(link(from, to), 0);
	}
	for (uint64_t i = 0; i < 1000; i++) {
		struct blob_id id = b.id;
		id.pack += i % 401;
		assert_true(body_is_intact(f->store, &id, 3, 100, NULL));
	}
	assert_true(open_descriptors() <= before + 256);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BLOB_TEST(test_open),
		BLOB_TEST(test_sizes),
		BLOB_TEST(test_size_is_counted),
		BLOB_TEST(test_abort),
		BLOB_TEST(test_interleaved_streams),
		BLOB_TEST(test_large_stream_in_bounded_memory),
		BLOB_TEST(test_ranges),
		BLOB_TEST(test_ids_that_name_nothing),
		BLOB_TEST(test_asynchronous),
		BLOB_TEST(test_peek),
		BLOB_TEST(test_cancelled),
		BLOB_TEST(test_many_packs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
