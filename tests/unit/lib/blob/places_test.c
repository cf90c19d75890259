/* Bodies whose place is known before they are written: the place is right, or the
 * body fails; and the result of looking at such a place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>

#include "lib/blob/pack.h"
#include "tests/unit/lib/blob/blob_fixture.h"

/* Syncs that wait, or fail. */
static struct {
	pthread_mutex_t lock;
	pthread_cond_t released;
	bool hold, fail;
	unsigned syncs;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER};

static int
disk_fdatasync(int fd)
{
	bool fail;

	pthread_mutex_lock(&disk.lock);
	disk.syncs++;
	while (disk.hold)
		pthread_cond_wait(&disk.released, &disk.lock);
	fail = disk.fail;
	pthread_mutex_unlock(&disk.lock);
	errno = EIO;
	return fail ? -1 : fdatasync(fd);
}

static void
disk_set(bool hold, bool fail)
{
	pthread_mutex_lock(&disk.lock);
	disk.hold = hold;
	disk.fail = fail;
	pthread_cond_broadcast(&disk.released);
	pthread_mutex_unlock(&disk.lock);
}

static int
setup(void **state)
{
	struct blob_fixture *f = mem_new(struct blob_fixture);

	blob_fixture_start(f);
	*state = f;
	pack_io.fdatasync = disk_fdatasync;
	disk_set(false, false);
	return 0;
}

static int
teardown(void **state)
{
	struct blob_fixture *f = *state;

	disk_set(false, false);
	blob_fixture_stop(f);
	mem_free(f);
	pack_io.fdatasync = fdatasync;
	return 0;
}

/* Given, not awaited; returns the place that was told. */
static struct blob_id
give(struct blob_fixture *f, struct body *b)
{
	struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, 0);
	char *body = body_new(b->seed, b->len);
	struct blob_id place;

	assert_int_equal(blob_append_data(a, body, b->len, NULL), 0);
	mem_free(body);
	blob_append_commit_placed(&a, &place, body_on_appended, b);
	return place;
}

static bool
same(const struct blob_id *a, const struct blob_id *b)
{
	return a->pack == b->pack && a->offset == b->offset && a->length == b->length;
}

static void
test_places_hold(void **state)
{
	enum { COUNT = 700 };
	struct blob_fixture *f = *state;
	static struct body bodies[COUNT];
	struct blob_id places[COUNT], place;
	struct body first = {.seed = 1, .len = 10};
	unsigned done = 0, told = 0;
	struct err err;

	first.done_count = &done;
	place = give(f, &first);
	assert_true(blob_id_is_none(&place)); /* no pack is open */
	assert_true(blob_fixture_wait(f, &done, 1));
	done = 0;
	for (unsigned i = 0; i < COUNT; i++) {
		bodies[i] = (struct body){.seed = i, .len = i * 13 % 5000 + (i == 77 ? 70000 : 0), .done_count = &done};
		places[i] = give(f, &bodies[i]);
		told += !blob_id_is_none(&places[i]);
	}
	assert_true(blob_fixture_wait(f, &done, COUNT));
	assert_int_equal(told, COUNT - 1); /* a large one is a stream */
	for (unsigned i = 0; i < COUNT; i++) {
		assert_int_equal(bodies[i].err.code, ERR_NONE);
		assert_true(blob_id_is_none(&places[i]) || same(&places[i], &bodies[i].id));
		assert_true(body_is_intact(f->store, &bodies[i].id, i, bodies[i].len, &err));
	}
}

/* The sync of one fails while others, that have their places, wait behind it. */
static void
test_places_fail_together(void **state)
{
	struct blob_fixture *f = *state;
	struct body bodies[6] = {0}, after[2] = {{.seed = 20, .len = 100}, {.seed = 21, .len = 100}};
	struct blob_id places[6];
	unsigned done = 0, before;
	struct err err;

	assert_true(body_put(f, &(struct body){.seed = 1, .len = 10}));
	before = disk.syncs;
	disk_set(true, false);
	for (unsigned i = 0; i < 6; i++) {
		bodies[i] = (struct body){.seed = 10 + i, .len = 2000, .done_count = &done};
		places[i] = give(f, &bodies[i]);
		assert_false(blob_id_is_none(&places[i]));
		while (i == 0 && disk.syncs == before)
			usleep(1000); /* the others are a batch of their own */
	}
	disk_set(false, true);
	assert_true(blob_fixture_wait(f, &done, 6));
	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(bodies[i].err.code, ERR_IO);
	disk_set(false, false);
	/* All goes on, in a pack of its own; and places are told again. */
	assert_true(body_put(f, &after[0]));
	assert_int_not_equal(after[0].id.pack, places[0].pack);
	done = 0;
	after[1].done_count = &done;
	places[1] = give(f, &after[1]);
	assert_int_equal(places[1].pack, after[0].id.pack);
	assert_true(blob_fixture_wait(f, &done, 1));
	assert_true(same(&places[1], &after[1].id));
	assert_true(body_is_intact(f->store, &after[0].id, 20, 100, &err));
	assert_true(body_is_intact(f->store, &after[1].id, 21, 100, &err));
}

/* ---- Looking ---- */

struct looked {
	enum blob_look look;
	unsigned count;
};

static void
on_looked(void *arg, enum blob_look look, const struct err *err)
{
	struct looked *l = arg;

	assert_int_equal(look == BLOB_LOOK_UNKNOWN, err != NULL);
	l->look = look;
	l->count++;
}

static enum blob_look
look_at(struct blob_fixture *f, struct blob_id id)
{
	struct looked l = {.count = 0};

	blob_look_at(f->store, &id, on_looked, &l);
	assert_true(blob_fixture_wait(f, &l.count, 1));
	return l.look;
}

static void
test_looks(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 5, .len = 3000};
	struct blob_id id;
	char path[PACK_PATH_MAX];
	int fd;

	assert_true(body_put(f, &b));
	assert_int_equal(look_at(f, b.id), BLOB_LOOK_WHOLE);
	id = b.id;
	id.length--;
	assert_int_equal(look_at(f, id), BLOB_LOOK_TORN);
	id = b.id;
	id.offset += 4096; /* allocated, never written */
	assert_int_equal(look_at(f, id), BLOB_LOOK_TORN);
	id.offset = 1u << 30; /* behind the end */
	assert_int_equal(look_at(f, id), BLOB_LOOK_TORN);
	id = b.id;
	id.pack++; /* no such file: nothing is proved */
	assert_int_equal(look_at(f, id), BLOB_LOOK_UNKNOWN);
	/* A part of it is missing. */
	pack_path(f->dir, b.id.pack, path);
	fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0\0", 8, (off_t)b.id.offset + 1000), 8);
	close(fd);
	assert_int_equal(look_at(f, b.id), BLOB_LOOK_TORN);
}

/* What a dead writer left in the page cache is synced by the look; when that fails
 * nothing is said. */
static void
test_look_syncs(void **state)
{
	struct blob_fixture *f = *state;
	struct body b = {.seed = 5, .len = 3000};
	unsigned before;

	assert_true(body_put(f, &b));
	before = disk.syncs;
	assert_int_equal(look_at(f, b.id), BLOB_LOOK_WHOLE);
	assert_int_equal(disk.syncs, before + 1);
	disk_set(false, true);
	assert_int_equal(look_at(f, b.id), BLOB_LOOK_UNKNOWN);
}

#define PLACES_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		PLACES_TEST(test_places_hold),
		PLACES_TEST(test_places_fail_together),
		PLACES_TEST(test_looks),
		PLACES_TEST(test_look_syncs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
