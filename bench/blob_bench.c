/* The blob store alone, compared with what the disk can do: bodies of 4 KiB,
 * each writer waiting for its body to be synced before it writes the next.
 *
 *   store      lib/blob, WRITERS appends in flight on one event loop
 *   reference  one file, one thread: WRITERS bodies with one write and one sync
 *   files      a file and a rename each, synced, by WRITERS threads
 *
 * They take turns for several rounds; the median counts. Prints one JSON object.
 * usage: blob_bench FOLDER [seconds for each] */
#include <event2/thread.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/blob/blob.h"

enum { WRITERS = 20, BODY_BYTES = 4096, ROUNDS = 3, PIECE_BYTES = 1460, ALLOCATE_BYTES = 200 * WRITERS * BODY_BYTES };

static char body[BODY_BYTES];
static int64_t stop_at_ms;
static const char *folder;

static bool
is_over(void)
{
	return clock_monotonic_ms() >= stop_at_ms;
}

/* ---- The store ---- */

struct store_run {
	struct event_base *base;
	struct blob_store *store;
	uint64_t done;
	unsigned in_flight;
};

static void append(struct store_run *r);

static void
on_appended(void *arg, const struct blob_id *id, const struct err *err)
{
	struct store_run *r = arg;

	CHECKF(id != NULL, "%s", err->text);
	r->done++;
	r->in_flight--;
	if (!is_over())
		append(r);
	else if (r->in_flight == 0)
		event_base_loopbreak(r->base);
}

/* In pieces, as a body arrives from the network. */
static void
append(struct store_run *r)
{
	struct blob_append *a = blob_append_begin(r->store, BLOB_BODY, 0);
	struct err err;

	for (size_t at = 0; at < BODY_BYTES; at += PIECE_BYTES) {
		size_t len = BODY_BYTES - at < PIECE_BYTES ? BODY_BYTES - at : PIECE_BYTES;
		CHECK(blob_append_data(a, body + at, len, &err) == 0);
	}
	r->in_flight++;
	blob_append_commit(&a, on_appended, r);
}

static uint64_t
run_store(void)
{
	struct store_run r = {.base = event_base_new()};
	char url[4200];
	struct err err;

	snprintf(url, sizeof(url), "file:%s/store", folder);
	r.store = blob_store_open(r.base, url, &err);
	CHECKF(r.store != NULL, "%s", err.text);
	for (int i = 0; i < WRITERS; i++)
		append(&r);
	event_base_loop(r.base, EVLOOP_NO_EXIT_ON_EMPTY);
	blob_store_close(&r.store);
	event_base_free(r.base);
	return r.done;
}

/* ---- The reference: only write and sync ---- */

/* All writers' bodies with each sync: the best that a store could do. */
static uint64_t
run_reference(void)
{
	static char batch[WRITERS * BODY_BYTES];
	off_t at = 0, allocated = 0;
	char path[4200];
	uint64_t done = 0;
	int fd;

	snprintf(path, sizeof(path), "%s/reference", folder);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	CHECK(fd >= 0);
	for (; !is_over(); done += WRITERS) {
		for (int i = 0; i < WRITERS; i++)
			memcpy(batch + i * BODY_BYTES, body, BODY_BYTES);
		if (at == allocated) {
			CHECK(fallocate(fd, 0, allocated, ALLOCATE_BYTES) == 0);
			allocated += ALLOCATE_BYTES;
		}
		CHECK(pwrite(fd, batch, sizeof(batch), at) == (ssize_t)sizeof(batch) && fdatasync(fd) == 0);
		at += (off_t)sizeof(batch);
	}
	close(fd);
	unlink(path);
	return done;
}

/* ---- One file each ---- */

static void *
file_writer(void *arg)
{
	uint64_t *done = arg;
	char temporary[4300], final[4300];

	for (unsigned i = 0; !is_over(); i++) {
		int fd;
		snprintf(temporary, sizeof(temporary), "%s/files/tmp.%p.%u", folder, arg, i);
		snprintf(final, sizeof(final), "%s/files/msg.%p.%u", folder, arg, i);
		fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		/* The name may be lost, the content may not: like the store's pack once it exists. */
		CHECK(fd >= 0 && write(fd, body, BODY_BYTES) == BODY_BYTES && fsync(fd) == 0 && close(fd) == 0 &&
		      rename(temporary, final) == 0);
		(*done)++;
	}
	return NULL;
}

static uint64_t
run_files(void)
{
	pthread_t threads[WRITERS];
	uint64_t done[WRITERS] = {0}, sum = 0;

	for (int i = 0; i < WRITERS; i++)
		CHECK(pthread_create(&threads[i], NULL, file_writer, &done[i]) == 0);
	for (int i = 0; i < WRITERS; i++) {
		pthread_join(threads[i], NULL);
		sum += done[i];
	}
	return sum;
}

/* ---- All of them ---- */

static int
compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return x < y ? -1 : x > y;
}

static double
once(uint64_t (*run)(void), double seconds)
{
	int64_t begun = clock_monotonic_ms();

	stop_at_ms = begun + (int64_t)(seconds * 1000);
	uint64_t done = run();
	return (double)done * 1000.0 / (double)(clock_monotonic_ms() - begun);
}

int
main(int argc, char **argv)
{
	static uint64_t (*const runs[])(void) = {run_store, run_reference, run_files};
	double rates[3][ROUNDS], seconds = argc > 2 ? atof(argv[2]) : 1.0;
	char path[4200];

	if (argc < 2) {
		fprintf(stderr, "usage: blob_bench FOLDER [seconds for each]\n");
		return 1;
	}
	evthread_use_pthreads();
	folder = argv[1];
	snprintf(path, sizeof(path), "%s/files", folder);
	mkdir(path, 0700);
	for (size_t i = 0; i < BODY_BYTES; i++)
		body[i] = (char)('a' + i % 26);
	for (int round = 0; round < ROUNDS; round++)
		for (int i = 0; i < 3; i++)
			rates[i][round] = once(runs[i], seconds);
	for (int i = 0; i < 3; i++)
		qsort(rates[i], ROUNDS, sizeof(rates[i][0]), compare);
	printf("{\"store_per_s\": %.0f, \"reference_per_s\": %.0f, \"files_per_s\": %.0f}\n", rates[0][ROUNDS / 2],
	       rates[1][ROUNDS / 2], rates[2][ROUNDS / 2]);
	return 0;
}
