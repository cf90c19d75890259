/* A blob store in a separate folder, and bodies whose bytes are generated from
 * a seed, so that the seed is enough to verify a body. Header only; every test
 * program has its own. */
#ifndef SP_TESTS_UNIT_BLOB_FIXTURE_H
#define SP_TESTS_UNIT_BLOB_FIXTURE_H

#include <dirent.h>
#include <event2/event.h>
#include <event2/thread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/blob/blob.h"
#include "lib/blob/pack.h"

struct blob_fixture {
	char dir[64];
	char url[80];
	struct event_base *base;
	struct blob_store *store;
};

/* The folder, the loop and the store. */
static inline void
blob_fixture_start(struct blob_fixture *f)
{
	struct err err;

	signal(SIGPIPE, SIG_IGN); /* as every program does */
	evthread_use_pthreads();
	strcpy(f->dir, "/tmp/stagepost-blob-XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		abort();
	snprintf(f->url, sizeof(f->url), "file:%s", f->dir);
	f->base = event_base_new();
	f->store = blob_store_open(f->base, f->url, &err);
	if (f->store == NULL)
		abort();
}

static inline void
blob_fixture_remove_folder(const char *dir)
{
	char command[160];

	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	if (strncmp(dir, "/tmp/stagepost-blob-", 20) == 0 && system(command) != 0)
		fprintf(stderr, "cannot remove %s\n", dir);
}

static inline void
blob_fixture_stop(struct blob_fixture *f)
{
	blob_store_close(&f->store);
	event_base_free(f->base);
	blob_fixture_remove_folder(f->dir);
}

/* As a process does that ends and starts again: the packs are sealed. */
static inline void
blob_fixture_reopen(struct blob_fixture *f)
{
	struct err err;

	blob_store_close(&f->store);
	f->store = blob_store_open(f->base, f->url, &err);
	if (f->store == NULL)
		abort();
}

/* Turns the loop until *count is `wanted`; there is always something to come. */
static inline bool
blob_fixture_wait(struct blob_fixture *f, const unsigned *count, unsigned wanted)
{
	int64_t until = clock_monotonic_ms() + 120000;

	while (*count < wanted && clock_monotonic_ms() < until) {
		struct timeval turn = {.tv_usec = 20000};
		event_base_loopexit(f->base, &turn);
		event_base_loop(f->base, EVLOOP_ONCE);
	}
	return *count == wanted;
}

static inline uint64_t
body_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static inline void
body_fill(uint64_t seed, char *out, size_t len)
{
	uint64_t state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;

	for (size_t i = 0; i < len; i += 8) {
		uint64_t word = body_random(&state);
		memcpy(out + i, &word, len - i < 8 ? len - i : 8);
	}
}

static inline char *
body_new(uint64_t seed, size_t len)
{
	char *body = mem_alloc(len);
	body_fill(seed, body, len);
	return body;
}

/* Reads the body whole; true: it is the one of the seed. */
static inline bool
body_is_intact(struct blob_store *s, const struct blob_id *id, uint64_t seed, size_t len, struct err *err)
{
	char *expected = body_new(seed, len), *got = mem_alloc(len);
	bool intact = id->length == len && blob_read_sync(s, id, 0, got, len, err) == (int64_t)len &&
		      memcmp(expected, got, len) == 0;

	mem_free(expected);
	mem_free(got);
	return intact;
}

/* One body on its way, and what became of it. */
struct body {
	uint64_t seed;
	size_t len;
	struct blob_id id;
	struct err err; /* code ERR_NONE: stored */
	bool done;
	unsigned *done_count; /* borrowed; may be NULL */
};

static inline void
body_on_appended(void *arg, const struct blob_id *id, const struct err *err)
{
	struct body *b = arg;

	if (b->done || (id == NULL) == (err == NULL))
		abort();
	b->done = true;
	if (id != NULL)
		b->id = *id;
	else
		b->err = *err;
	if (b->done_count != NULL)
		(*b->done_count)++;
}

/* Appends in pieces; the end is awaited by the caller. The first bytes (front) are given last. */
static inline void
body_append_fronted(struct blob_fixture *f, struct body *b, uint64_t hint, size_t piece, size_t front)
{
	struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, hint);
	char *body = body_new(b->seed, b->len);

	if (front > 0)
		blob_append_leave_front(a);
	for (size_t at = front; at < b->len; at += piece)
		if (blob_append_data(a, body + at, b->len - at < piece ? b->len - at : piece, NULL) != 0)
			break;
	if (front > 0)
		blob_append_set_front(a, str_of(body, front));
	mem_free(body);
	blob_append_commit(&a, body_on_appended, b);
}

static inline void
body_append(struct blob_fixture *f, struct body *b, uint64_t hint, size_t piece)
{
	body_append_fronted(f, b, hint, piece, 0);
}

/* A whole body, stored when this returns. False: b->err. */
static inline bool
body_put(struct blob_fixture *f, struct body *b)
{
	unsigned count = 0;

	b->done_count = &count;
	body_append(f, b, 0, 10000);
	if (!blob_fixture_wait(f, &count, 1))
		abort();
	b->done_count = NULL;
	return b->err.code == ERR_NONE;
}

static inline unsigned
pack_files(const char *dir)
{
	DIR *d = opendir(dir);
	struct dirent *entry;
	unsigned count = 0;

	while ((entry = readdir(d)) != NULL)
		count += strstr(entry->d_name, ".pack") != NULL;
	closedir(d);
	return count;
}

#endif
