/* Digests in the blob store: each has its place at once, and nobody waits for the disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "lib/blob/store.h"
#include "tests/unit/lib/blob/store_fixture.h"

static bool
digest_is(struct blob_fixture *f, const struct blob_id *id, const char *text)
{
	char got[32];
	struct err err;

	return blob_read_sync(f->store, id, 0, got, sizeof(got), &err) == (int64_t)strlen(text) &&
	       memcmp(got, text, strlen(text)) == 0;
}

/* All before it have been handled then. */
static void
digest_await(struct blob_fixture *f, const char *text, struct body *b)
{
	unsigned done = 0;
	struct err err;

	*b = (struct body){.done_count = &done};
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, text, strlen(text), NULL, body_on_appended, b, &err), 0);
	assert_true(blob_fixture_wait(f, &done, 1));
}

static void
test_digests(void **state)
{
	struct blob_fixture *f = *state;
	struct blob_id ids[300];
	unsigned done = 0;
	struct body awaited = {.done_count = &done};
	struct err err;
	char text[32], got[32];

	for (unsigned i = 0; i < 300; i++) {
		int len = snprintf(text, sizeof(text), "digest %u", i);
		assert_int_equal(blob_put(f->store, BLOB_DIGEST, text, (size_t)len, &ids[i], NULL, NULL, &err), 0);
		assert_int_equal(ids[i].length, len);
	}
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "last", 4, NULL, body_on_appended, &awaited, &err), 0);
	assert_true(blob_fixture_wait(f, &done, 1));
	for (unsigned i = 0; i < 300; i++) {
		int len = snprintf(text, sizeof(text), "digest %u", i);
		assert_int_equal(blob_read_sync(f->store, &ids[i], 0, got, sizeof(got), &err), len);
		assert_memory_equal(got, text, (size_t)len);
		assert_int_equal(ids[i].pack, awaited.id.pack);
	}
}

/* ---- A slow disk ---- */

static pthread_t loop_thread;
static unsigned calls_on_loop;

static void
slow_call(void)
{
	if (pthread_equal(pthread_self(), loop_thread))
		calls_on_loop++;
	usleep(300000);
}

static ssize_t
slow_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	slow_call();
	return pwritev(fd, iov, count, offset);
}

static int
slow_fdatasync(int fd)
{
	slow_call();
	return fdatasync(fd);
}

static int
slow_fsync(int fd)
{
	slow_call();
	return fsync(fd);
}

/* Not even the first digest, nor the first of the next pack, makes the loop wait. */
static void
test_a_slow_disk_does_not_hold_the_loop(void **state)
{
	const struct pack_io real = pack_io;
	struct blob_fixture *f = *state;
	int64_t begun = clock_monotonic_ms();
	struct blob_id first, second;
	struct body last;
	struct err err;

	loop_thread = pthread_self();
	calls_on_loop = 0;
	pack_io = (struct pack_io){slow_pwritev, slow_fdatasync, slow_fsync};
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "first", 5, &first, NULL, NULL, &err), 0);
	pthread_mutex_lock(&f->store->committer.lock);
	f->store->committer.digest_end = PACK_ROTATE_BYTES + 8;
	pthread_mutex_unlock(&f->store->committer.lock);
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "second", 6, &second, NULL, NULL, &err), 0);
	assert_true(clock_monotonic_ms() - begun < 250);
	assert_int_equal(calls_on_loop, 0);
	digest_await(f, "last", &last);
	pack_io = real;
	assert_true(first.pack != second.pack && second.pack == last.id.pack);
	assert_true(digest_is(f, &first, "first") && digest_is(f, &second, "second"));
	assert_true(digest_is(f, &last.id, "last"));
	assert_int_equal(pack_files(f->dir), 2);
}

/* ---- A pack that cannot be made ---- */

static int
failing_fsync(int fd)
{
	(void)fd;
	errno = EIO;
	return -1;
}

/* The places are lost, a second later there are new ones, and no file is left. */
static void
test_a_pack_that_cannot_be_made(void **state)
{
	const struct pack_io real = pack_io;
	struct blob_fixture *f = *state;
	struct blob_id lost;
	struct body last;
	struct err err;

	pack_io.fsync = failing_fsync;
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "lost", 4, &lost, NULL, NULL, &err), 0);
	digest_await(f, "lost", &last);
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "none", 4, &last.id, NULL, NULL, &err), -1);
	assert_int_equal(err.code, ERR_IO);
	assert_int_equal(pack_files(f->dir), 0);
	assert_false(digest_is(f, &lost, "lost"));
	pack_io = real;
	usleep(1100000);
	digest_await(f, "found", &last);
	assert_true(last.id.pack != lost.pack && digest_is(f, &last.id, "found"));
	assert_false(digest_is(f, &lost, "lost"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		BLOB_TEST(test_digests),
		BLOB_TEST(test_a_slow_disk_does_not_hold_the_loop),
		BLOB_TEST(test_a_pack_that_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
