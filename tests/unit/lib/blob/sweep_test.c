/* Damage, releasing, and the sweep. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/lib/blob/store_fixture.h"

/* ---- Damage ---- */

static void
overwrite(const struct blob_fixture *f, const struct blob_id *id, off_t at, const void *bytes, size_t len)
{
	char path[PACK_PATH_MAX];
	FILE *file;

	pack_path(f->dir, id->pack, path);
	file = fopen(path, "r+");
	assert_non_null(file);
	assert_int_equal(fseeko(file, (off_t)id->offset + at, SEEK_SET), 0);
	assert_int_equal(fwrite(bytes, 1, len, file), len);
	fclose(file);
}

static bool
visit_all_live(void *arg, const struct blob_id *id)
{
	(void)id;
	++*(unsigned *)arg;
	return true;
}

static bool
visit_none_live(void *arg, const struct blob_id *id)
{
	(void)id;
	++*(unsigned *)arg;
	return false;
}

static void
test_damaged_body(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 3, .len = 100};
	struct err err;
	char got[100];

	assert_true(body_put(f, &b));
	overwrite(f, &b.id, 50, "damage", 6);
	assert_int_equal(blob_read_sync(f->store, &b.id, 0, got, 100, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	/* Every further try opens the pack anew; the descriptors stay few. */
	for (unsigned i = 0; i < 600; i++)
		assert_int_equal(blob_read_sync(f->store, &b.id, 0, got, 100, &err), -1);
	assert_true(open_descriptors() < 300);
}

/* A damaged header costs that one body, not its neighbours: the sweep must not
 * take the rest of the pack for a torn tail. */
static void
test_damaged_header(void **state)
{
	struct blob_fixture *f = *state;
	int64_t later = clock_unix_ms() + 3600 * 1000;

	for (unsigned damaged = 0; damaged < 3; damaged++) {
		struct body bodies[3];
		unsigned visited = 0;
		struct err err;

		for (unsigned i = 0; i < 3; i++) {
			bodies[i] = (struct body){.seed = i, .len = 100 + 1000 * i};
			assert_true(body_put(f, &bodies[i]));
		}
		blob_fixture_reopen(f);
		overwrite(f, &bodies[damaged].id, -20, "\xff\xff", 2);
		assert_int_equal(blob_sweep(f->store, later, visit_all_live, &visited, &err), 0);
		assert_int_equal(visited, 2 * (damaged + 1));
		for (unsigned i = 0; i < 3; i++)
			assert_int_equal(body_is_intact(f->store, &bodies[i].id, i, bodies[i].len, &err), i != damaged);
		assert_int_equal(pack_files(f->dir), damaged + 1);
	}
}

/* ---- Releasing ---- */

static uint64_t
allocated(struct blob_fixture *f)
{
	struct blob_usage usage;

	assert_int_equal(blob_usage(f->store, &usage, NULL), 0);
	return usage.allocated_bytes;
}

static void
test_release(void **state)
{
	struct blob_fixture *f = *state;
	struct body bodies[4];
	struct blob_usage usage;
	struct blob_id none = {1, 96, 5}, invalid = {0};
	uint64_t before;
	struct err err;
	char got[8];

	for (unsigned i = 0; i < 4; i++) {
		bodies[i] = (struct body){.seed = i, .len = 400000};
		assert_true(body_put(f, &bodies[i]));
	}
	blob_fixture_reopen(f);
	before = allocated(f);
	blob_release(f->store, &bodies[1].id);
	blob_release(f->store, &bodies[1].id); /* twice does no harm */
	blob_release(f->store, &none);
	blob_release(f->store, &invalid);
	blob_fixture_reopen(f);
	assert_int_equal(blob_usage(f->store, &usage, &err), 0);
	assert_int_equal(usage.blobs, 3);
	assert_int_equal(usage.live_bytes, 3 * 400000);
	assert_true(usage.allocated_bytes + 380000 < before);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(body_is_intact(f->store, &bodies[i].id, i, 400000, &err), i != 1);
	assert_int_equal(blob_read_sync(f->store, &bodies[1].id, 0, got, 8, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	assert_int_equal(blob_read_sync(f->store, &bodies[1].id, 100, got, 8, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

/* A release by an id that does not fit what stands there is refused. */
static void
test_release_of_another_length(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 3, .len = 100};
	struct blob_id wrong;

	assert_true(body_put(f, &b));
	wrong = b.id;
	wrong.length = 99;
	blob_release(f->store, &wrong);
	wrong = b.id;
	wrong.offset += 8;
	blob_release(f->store, &wrong);
	blob_fixture_reopen(f);
	assert_true(body_is_intact(f->store, &b.id, 3, 100, NULL));
}

/* ---- The sweep ---- */

struct sweep_case {
	const struct blob_id *live;
	unsigned live_count, visited;
};

static bool
visit_by_list(void *arg, const struct blob_id *id)
{
	struct sweep_case *c = arg;

	c->visited++;
	for (unsigned i = 0; i < c->live_count; i++)
		if (c->live[i].pack == id->pack && c->live[i].offset == id->offset)
			return true;
	return false;
}

static void
test_sweep_releases_leaks(void **state)
{
	struct blob_fixture *f = *state;
	struct body bodies[6];
	struct blob_id live[2];
	struct sweep_case c = {live, 2, 0};
	int64_t later = clock_unix_ms() + 3600 * 1000;
	struct err err;

	for (unsigned i = 0; i < 6; i++) {
		bodies[i] = (struct body){.seed = i, .len = i % 2 != 0 ? 200000 : 2000};
		assert_true(body_put(f, &bodies[i]));
	}
	live[0] = bodies[0].id;
	live[1] = bodies[5].id;
	/* While a writer has the packs, and again when it is gone. */
	for (unsigned pass = 0; pass < 2; pass++) {
		c.visited = 0;
		assert_int_equal(blob_sweep(f->store, later, visit_by_list, &c, &err), 0);
		assert_int_equal(c.visited, pass == 0 ? 6 : 2);
		for (unsigned i = 0; i < 6; i++)
			assert_int_equal(body_is_intact(f->store, &bodies[i].id, i, bodies[i].len, &err),
					 i == 0 || i == 5);
		blob_fixture_reopen(f);
	}
}

/* What is younger than the limit may not be referred to yet. */
static void
test_sweep_spares_the_young(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 3, .len = 100};
	unsigned visited = 0;
	int64_t before = clock_unix_ms();
	struct err err;

	assert_true(body_put(f, &b));
	blob_fixture_reopen(f);
	assert_int_equal(blob_sweep(f->store, before, visit_none_live, &visited, &err), 0);
	assert_int_equal(visited, 0);
	assert_true(body_is_intact(f->store, &b.id, 3, 100, &err));
}

/* An empty pack goes once its writer is gone, not before. */
static void
test_sweep_removes_empty_packs(void **state)
{
	struct blob_fixture *f = *state;
	struct body small = {.seed = 3, .len = 100}, large = {.seed = 4, .len = 100000}, more = {.seed = 5, .len = 50};
	unsigned visited = 0;
	int64_t later = clock_unix_ms() + 3600 * 1000;
	struct err err;

	assert_true(body_put(f, &small) && body_put(f, &large));
	assert_int_equal(pack_files(f->dir), 2);
	assert_int_equal(blob_sweep(f->store, later, visit_none_live, &visited, &err), 0);
	assert_int_equal(visited, 2);
	assert_int_equal(pack_files(f->dir), 2);
	assert_true(body_put(f, &more)); /* the writer goes on in its pack */
	assert_int_equal(pack_files(f->dir), 2);
	blob_fixture_reopen(f);
	assert_int_equal(blob_sweep(f->store, later, visit_all_live, &visited, &err), 0);
	assert_int_equal(pack_files(f->dir), 1);
	assert_true(body_is_intact(f->store, &more.id, 5, 50, &err));
	blob_release(f->store, &more.id);
	blob_fixture_reopen(f);
	assert_int_equal(blob_sweep(f->store, later, visit_all_live, &visited, &err), 0);
	assert_int_equal(pack_files(f->dir), 0);
	/* Releasing what was in a pack that is gone is no trouble. */
	blob_release(f->store, &small.id);
	assert_int_equal(blob_read_sync(f->store, &small.id, 0, (char[1]){0}, 1, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void
test_sweep_leaves_other_files(void **state)
{
	static const char *const names[] = {"readme", "0123456789abcdef", "0123456789abcdef.pack~", "123.pack",
					    "x.pack"};
	struct blob_fixture *f = *state;
	unsigned visited = 0;
	struct err err;
	char path[200];

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		FILE *file;
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		file = fopen(path, "w");
		fputs("something", file);
		fclose(file);
	}
	assert_int_equal(blob_sweep(f->store, clock_unix_ms() + 3600000, visit_none_live, &visited, &err), 0);
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", f->dir, names[i]);
		assert_int_equal(access(path, F_OK), 0);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BLOB_TEST(test_damaged_body),
		BLOB_TEST(test_damaged_header),
		BLOB_TEST(test_release),
		BLOB_TEST(test_release_of_another_length),
		BLOB_TEST(test_sweep_releases_leaks),
		BLOB_TEST(test_sweep_spares_the_young),
		BLOB_TEST(test_sweep_removes_empty_packs),
		BLOB_TEST(test_sweep_leaves_other_files),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
