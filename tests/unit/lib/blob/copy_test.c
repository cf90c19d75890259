/* Copies of bodies: added to existing packs, written as a separate store, pruned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>

#include "lib/blob/copy.h"
#include "tests/unit/lib/blob/blob_fixture.h"

enum { BODIES = 12 };

struct copy_fixture {
	struct blob_fixture blobs;
	struct body bodies[BODIES];
	char to[80];
};

static int
setup(void **state)
{
	struct copy_fixture *f = mem_new(struct copy_fixture);

	blob_fixture_start(&f->blobs);
	for (unsigned i = 0; i < BODIES; i++) {
		/* Small ones share a pack; the last ones stream to their own. */
		f->bodies[i] = (struct body){.seed = i + 1, .len = i < 10 ? i * 3001 : 3000000 + i};
		assert_true(body_put(&f->blobs, &f->bodies[i]));
	}
	blob_fixture_reopen(&f->blobs);
	strcpy(f->to, "/tmp/stagepost-blob-XXXXXX");
	assert_non_null(mkdtemp(f->to));
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct copy_fixture *f = *state;

	blob_fixture_remove_folder(f->to);
	blob_fixture_stop(&f->blobs);
	mem_free(f);
	return 0;
}

/* The ids of some bodies, in order. */
static size_t
choose(const struct copy_fixture *f, unsigned mask, struct blob_id ids[BODIES])
{
	size_t count = 0;

	for (unsigned i = 0; i < BODIES; i++)
		if ((mask >> i & 1) != 0)
			ids[count++] = f->bodies[i].id;
	qsort(ids, count, sizeof(ids[0]), blob_copy_order);
	return count;
}

static void
copy(const char *from, const char *to, enum blob_copy_way way, const struct blob_id *ids, size_t count, bool trusted,
     unsigned counts_out[4])
{
	struct blob_copier *c = blob_copier_new(from, to, way);
	struct err err;

	memset(counts_out, 0, 4 * sizeof(counts_out[0]));
	for (size_t i = 0; i < count; i++) {
		enum blob_copied copied;
		if (blob_copier_take(c, &ids[i], trusted, &copied, &err) != 0)
			fail_msg("%s", err.text);
		counts_out[copied]++;
	}
	assert_int_equal(blob_copier_finish(&c, &err), 0);
	assert_null(c);
}

/* How many of the bodies of a mask are whole in a folder, looked at through a store. */
static unsigned
count_intact(const struct copy_fixture *f, const char *folder, unsigned mask)
{
	struct err err;
	char url[100];
	struct blob_store *s;
	unsigned intact = 0;

	snprintf(url, sizeof(url), "file:%s", folder);
	s = blob_store_open(NULL, url, &err);
	for (unsigned i = 0; i < BODIES; i++)
		intact += (mask >> i & 1) != 0 &&
			  body_is_intact(s, &f->bodies[i].id, f->bodies[i].seed, f->bodies[i].len, &err);
	blob_store_close(&s);
	return intact;
}

/* Flips a byte in the middle of a body. */
static void
damage(const char *folder, const struct blob_id *id)
{
	char path[PACK_PATH_MAX], byte;
	int fd;

	pack_path(folder, id->pack, path);
	fd = open(path, O_RDWR);
	assert_int_equal(pread(fd, &byte, 1, (off_t)(id->offset + id->length / 2)), 1);
	byte ^= 1;
	assert_int_equal(pwrite(fd, &byte, 1, (off_t)(id->offset + id->length / 2)), 1);
	close(fd);
}

static void
test_added(void **state)
{
	struct copy_fixture *f = *state;
	struct blob_id ids[BODIES];
	unsigned counts[4], all = (1 << BODIES) - 1;

	copy(f->blobs.dir, f->to, BLOB_COPY_ADDS, ids, choose(f, 0x555, ids), false, counts);
	assert_int_equal(counts[BLOB_COPY_MADE], 6);
	copy(f->blobs.dir, f->to, BLOB_COPY_ADDS, ids, choose(f, all, ids), false, counts);
	assert_int_equal(counts[BLOB_COPY_STOOD], 6);
	assert_int_equal(counts[BLOB_COPY_MADE], 6);
	assert_int_equal(count_intact(f, f->to, all), BODIES);
	/* What is damaged in the copy is copied anew, unless it is trusted. */
	damage(f->to, &f->bodies[5].id);
	copy(f->blobs.dir, f->to, BLOB_COPY_ADDS, ids, choose(f, all, ids), true, counts);
	assert_int_equal(counts[BLOB_COPY_STOOD], BODIES);
	copy(f->to, NULL, BLOB_COPY_LOOKS, ids, choose(f, all, ids), false, counts);
	assert_int_equal(counts[BLOB_COPY_DAMAGED], 1);
	copy(f->blobs.dir, f->to, BLOB_COPY_ADDS, ids, choose(f, all, ids), false, counts);
	assert_int_equal(counts[BLOB_COPY_MADE], 1);
	assert_int_equal(count_intact(f, f->to, all), BODIES);
}

static void
test_faults_of_the_source(void **state)
{
	struct copy_fixture *f = *state;
	struct blob_id ids[BODIES + 1];
	unsigned counts[4], all = (1 << BODIES) - 1;
	size_t count;

	damage(f->blobs.dir, &f->bodies[4].id);
	damage(f->blobs.dir, &f->bodies[11].id);
	blob_release(f->blobs.store, &f->bodies[7].id);
	blob_fixture_reopen(&f->blobs);
	count = choose(f, all, ids);
	ids[count++] = (struct blob_id){UINT64_MAX, 4096, 10}; /* of a pack that is gone */
	copy(f->blobs.dir, f->to, BLOB_COPY_ADDS, ids, count, false, counts);
	assert_int_equal(counts[BLOB_COPY_DAMAGED], 2);
	assert_int_equal(counts[BLOB_COPY_MISSING], 2);
	assert_int_equal(counts[BLOB_COPY_MADE], BODIES - 3);
	assert_int_equal(count_intact(f, f->to, all), BODIES - 3);
}

static bool
refers_to_none(void *arg, const struct blob_id *id)
{
	(void)id;
	++*(unsigned *)arg;
	return false;
}

/* A store of some bodies, with nothing where the others were, that works like any. */
static void
test_written(void **state)
{
	struct copy_fixture *f = *state;
	struct blob_id ids[BODIES];
	unsigned counts[4], visited = 0, some = 0x95c;
	size_t count = choose(f, some, ids);
	struct blob_usage usage;
	struct blob_store *s;
	char url[100];
	struct err err;

	copy(f->blobs.dir, f->to, BLOB_COPY_WRITES, ids, count, false, counts);
	assert_int_equal(counts[BLOB_COPY_MADE], count);
	assert_int_equal(count_intact(f, f->to, some), count);
	assert_int_equal(count_intact(f, f->to, ~some), 0);
	snprintf(url, sizeof(url), "file:%s", f->to);
	s = blob_store_open(NULL, url, &err);
	assert_int_equal(blob_usage(s, &usage, &err), 0);
	assert_int_equal(usage.blobs, count);
	/* The sweep walks from record to record, and removes packs without one. */
	assert_int_equal(blob_sweep(s, INT64_MAX, refers_to_none, &visited, &err), 0);
	assert_int_equal(visited, count);
	assert_int_equal(pack_files(f->to), 0);
	blob_store_close(&s);
}

static void
test_pruned(void **state)
{
	struct copy_fixture *f = *state;
	struct blob_id ids[BODIES];
	unsigned counts[4], all = (1 << BODIES) - 1, some = 0x182;
	struct err err;

	copy(f->blobs.dir, f->to, BLOB_COPY_ADDS, ids, choose(f, all, ids), false, counts);
	assert_int_equal(blob_copy_count_packs(f->to), pack_files(f->blobs.dir));
	assert_int_equal(blob_copy_prune(f->to, ids, choose(f, some, ids), &err), 0);
	assert_int_equal(count_intact(f, f->to, some), 3);
	assert_true(blob_copy_count_packs(f->to) < pack_files(f->blobs.dir));
	/* What was pruned can come back. */
	copy(f->blobs.dir, f->to, BLOB_COPY_ADDS, ids, choose(f, all, ids), false, counts);
	assert_true(counts[BLOB_COPY_MADE] > 0);
	assert_int_equal(count_intact(f, f->to, all), BODIES);
	assert_int_equal(blob_copy_prune(f->to, NULL, 0, &err), 0);
	assert_int_equal(blob_copy_count_packs(f->to), 0);
	assert_int_equal(blob_copy_prune("/nonexistent", NULL, 0, &err), -1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_added, setup, teardown),
		cmocka_unit_test_setup_teardown(test_faults_of_the_source, setup, teardown),
		cmocka_unit_test_setup_teardown(test_written, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pruned, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
