/* The blob store on a disk that is full, or on which writes and syncs fail. */
#include <sys/mount.h>

#include "tests/unit/lib/blob/disk_fixture.h"

/* ---- Writes and syncs that fail ---- */

struct failure {
	size_t len;
	bool sync;	/* or the write */
	unsigned after; /* how many succeed first */
	int errno_value;
	enum err_code code;
};

static void
check_failure(struct blob_fixture *f, const struct failure *c)
{
	struct body before = {.seed = 1, .len = 3000}, failing = {.seed = 2, .len = c->len};
	struct body after[2] = {{.seed = 3, .len = c->len}, {.seed = 4, .len = 50}};
	struct blob_usage usage;
	unsigned packs;
	struct err err;

	assert_true(body_put(f, &before));
	packs = pack_files(f->dir);
	disk.fail_errno = c->errno_value;
	if (c->sync)
		disk.fail_sync = disk.syncs + 1 + c->after;
	else
		disk.fail_write = disk.writes + 1 + c->after;
	assert_false(body_put(f, &failing));
	assert_int_equal(failing.err.code, c->code);
	disk.fail_sync = disk.fail_write = 0;
	/* What came before is there, nothing of the failed one is left, and what
	 * comes after goes well. */
	assert_true(body_put(f, &after[0]) && body_put(f, &after[1]));
	assert_true(pack_files(f->dir) <= packs + 2);
	for (unsigned pass = 0; pass < 2; pass++) {
		assert_true(body_is_intact(f->store, &before.id, 1, 3000, &err));
		assert_true(body_is_intact(f->store, &after[0].id, 3, c->len, &err));
		assert_true(body_is_intact(f->store, &after[1].id, 4, 50, &err));
		blob_fixture_reopen(f);
	}
	assert_int_equal(blob_usage(f->store, &usage, &err), 0);
	assert_int_equal(usage.blobs, 3);
}

static void
test_failures(void **state)
{
	static const struct failure cases[] = {
		{100, false, 0, ENOSPC, ERR_NO_SPACE},
		{100, false, 0, EIO, ERR_IO},
		{100, true, 0, EIO, ERR_IO},
		{100, true, 0, ENOSPC, ERR_NO_SPACE},
		{300000, false, 0, EIO, ERR_IO}, /* the header of the stream's pack */
		{300000, false, 1, ENOSPC, ERR_NO_SPACE},
		{300000, false, 3, EDQUOT, ERR_NO_SPACE},
		{300000, false, 6, EIO, ERR_IO}, /* the record's header */
		{300000, true, 0, EIO, ERR_IO},
		{300000, true, 1, EIO, ERR_IO},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(setup(state), 0);
		check_failure(*state, &cases[i]);
		assert_int_equal(teardown(state), 0);
	}
	setup(state);
}

static bool
fronted_put(struct blob_fixture *f, size_t front, struct body *b)
{
	unsigned count = 0;

	*b = (struct body){.seed = 7, .len = 300000, .done_count = &count};
	body_append_fronted(f, b, b->len, b->len, front);
	assert_true(blob_fixture_wait(f, &count, 1));
	b->done_count = NULL;
	return b->err.code == ERR_NONE;
}

/* Whatever fails at the end of a body with a front, nothing of it is left. */
static void
test_failing_fronts(void **state)
{
	static const struct {
		bool sync;
		unsigned after;
	} cases[] = {
		{false, 1}, /* the body */
		{false, 2}, /* the filler */
		{false, 3}, /* the header */
		{true, 1},  /* of the filler */
		{true, 2},  /* of all */
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct blob_fixture *f;
		struct blob_usage usage;
		struct body b;
		struct err err;

		assert_int_equal(setup(state), 0);
		f = *state;
		disk.fail_errno = ENOSPC;
		for (unsigned round = 0; round < 3; round++) {
			disk.fail_sync = cases[i].sync ? disk.syncs + 1 + cases[i].after : 0;
			disk.fail_write = cases[i].sync ? 0 : disk.writes + 1 + cases[i].after;
			assert_false(fronted_put(f, 800, &b));
			assert_int_equal(b.err.code, ERR_NO_SPACE);
			/* On a full disk each attempt would leave a pack. */
			if (pack_files(f->dir) != 0)
				fail_msg("case %u: %u packs are left", i, pack_files(f->dir));
		}
		disk.fail_sync = disk.fail_write = 0;
		assert_true(fronted_put(f, 800, &b));
		assert_int_equal(blob_usage(f->store, &usage, &err), 0);
		assert_int_equal(usage.blobs, 1);
		assert_int_equal(teardown(state), 0);
	}
	setup(state);
}

/* What the front does not need of its room takes no space on the disk. */
static void
test_front_is_a_hole(void **state)
{
	struct blob_fixture *f = *state;
	char path[PACK_PATH_MAX];
	struct body b;
	struct stat st;

	assert_true(fronted_put(f, 80, &b)); /* so that a whole page is free */
	blob_fixture_reopen(f);
	pack_path(f->dir, b.id.pack, path);
	assert_int_equal(stat(path, &st), 0);
	if (st.st_blocks * 512 >= st.st_size)
		fail_msg("%lld bytes on the disk, of %lld", (long long)st.st_blocks * 512, (long long)st.st_size);
}

/* A stream that fails in the middle says so while it is still being given. */
static void
test_failing_stream_says_so(void **state)
{
	struct blob_fixture *f = *state;
	struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, 0);
	struct err err = {0};
	char piece[4096];
	unsigned given = 0;

	body_fill(1, piece, sizeof(piece));
	disk.fail_write = 3;
	disk.fail_errno = ENOSPC;
	while (given < 1000000 && blob_append_data(a, piece, sizeof(piece), &err) == 0) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		given++;
	}
	assert_int_equal(err.code, ERR_NO_SPACE);
	assert_int_equal(blob_append_data(a, piece, 1, &err), -1); /* it stays so */
	assert_int_equal(err.code, ERR_NO_SPACE);
	blob_append_abort(&a);
}

static void
test_short_writes(void **state)
{
	struct blob_fixture *f = *state;
	struct body small = {.seed = 1, .len = 3000}, large = {.seed = 2, .len = 200000};

	disk.short_writes = 40;
	assert_true(body_put(f, &small));
	disk.short_writes = 40;
	assert_true(body_put(f, &large));
	assert_true(body_is_intact(f->store, &small.id, 1, 3000, NULL));
	assert_true(body_is_intact(f->store, &large.id, 2, 200000, NULL));
}

/* A digest that could not be written is no trouble: the next one is told that
 * it has no place, or it goes to a new pack. */
static void
test_failing_digests(void **state)
{
	struct blob_fixture *f = *state;
	struct body b[3] = {{.seed = 1, .len = 10}, {.seed = 2, .len = 10}, {.seed = 3, .len = 10}};
	int64_t until = clock_monotonic_ms() + 30000;
	struct blob_id id;
	char got[6];
	struct err err;

	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "first", 5, &id, NULL, NULL, &err), 0);
	assert_true(body_put(f, &b[0])); /* the first is written by now */
	disk.fail_errno = EIO;
	disk.fail_write = disk.writes + 1;
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "lost", 4, &id, NULL, NULL, &err), 0);
	assert_true(body_put(f, &b[1]));
	assert_int_equal(blob_read_sync(f->store, &id, 0, got, 4, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	/* Refused while the committer is at work still: its pack is in its hands. */
	while (blob_put(f->store, BLOB_DIGEST, "found", 5, &id, NULL, NULL, &err) != 0) {
		assert_true(clock_monotonic_ms() < until);
		usleep(1000);
	}
	assert_true(body_put(f, &b[2]));
	assert_int_equal(blob_read_sync(f->store, &id, 0, got, 5, &err), 5);
	assert_memory_equal(got, "found", 5);
}

/* ---- A full disk ---- */

static void
test_full_disk(void **state)
{
	struct blob_fixture *f = *state;
	struct blob_fixture small = {.base = f->base};
	struct body stored[200];
	unsigned count = 0, more = 0;
	struct err err;

	strcpy(small.dir, f->dir);
	strcat(small.dir, "/small");
	assert_int_equal(mkdir(small.dir, 0700), 0);
	if (mount("tmpfs", small.dir, "tmpfs", 0, "size=3m") != 0) {
		print_message("not allowed to mount: skipped\n");
		skip();
	}
	snprintf(small.url, sizeof(small.url), "file:%s", small.dir);
	small.store = blob_store_open(f->base, small.url, &err);
	assert_non_null(small.store);
	for (; count < 200; count++) {
		stored[count] = (struct body){.seed = count, .len = count % 5 == 4 ? 150000 : 20000};
		if (!body_put(&small, &stored[count]))
			break;
	}
	assert_true(count > 20 && count < 200);
	assert_int_equal(stored[count].err.code, ERR_NO_SPACE);
	for (unsigned i = 0; i < count; i++)
		assert_true(body_is_intact(small.store, &stored[i].id, i, stored[i].len, &err));
	/* There is room again once something is released. */
	for (unsigned i = 0; i < count; i += 2)
		blob_release(small.store, &stored[i].id);
	blob_fixture_reopen(&small);
	while (more < 5 && body_put(&small, &(struct body){.seed = 1000 + more, .len = 20000}))
		more++;
	assert_int_equal(more, 5);
	for (unsigned i = 1; i < count; i += 2)
		assert_true(body_is_intact(small.store, &stored[i].id, i, stored[i].len, &err));
	blob_store_close(&small.store);
	assert_int_equal(umount(small.dir), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_failures, teardown),
		cmocka_unit_test_teardown(test_failing_fronts, teardown),
		CRASH_TEST(test_front_is_a_hole),
		CRASH_TEST(test_failing_stream_says_so),
		CRASH_TEST(test_short_writes),
		CRASH_TEST(test_failing_digests),
		CRASH_TEST(test_full_disk),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
