/* An append: kept in memory while it is small, streamed once it is large.
 *
 * A stream is written as it arrives, by a streamer thread, to a pack that no other
 * stream uses meanwhile. The header is written last, so a torn stream leaves an
 * invalid record, and the pack is truncated. The thread's results come back to the
 * loop, which owns all fields of an append. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/blob/store.h"

enum { CHUNK_BYTES = 64 * 1024 };

struct stream {
	struct blob_store *store;
	struct task_thread *thread;
	enum blob_class class;
	/* Used by the thread, until the last task is back: */
	struct pack pack;
	uint64_t written; /* of the body, without its front */
	uint32_t crc;	  /* of the same */
	uint64_t room;	  /* bytes left free for the front; 0: it has none */
	struct buf front; /* owner; set before the end is passed to the thread */
	struct err thread_err;
	/* Used by the loop: */
	size_t backlog;
	struct err err; /* the thread's error, once it is known */
	void (*on_room)(void *arg);
	void *on_room_arg;
	blob_on_appended *on_done;
	void *arg;
};

struct blob_append {
	struct blob_store *store;
	enum blob_class class;
	struct buf bytes; /* not passed on yet */
	uint64_t size;	  /* added so far, without the front */
	bool has_front;
	struct buf front;      /* owner */
	struct stream *stream; /* owner until the end is passed to the thread; NULL: small */
};

/* ---- On the streamer thread ---- */

struct stream_task {
	struct task task;
	struct stream *stream;
	char *data; /* owner; NULL: the end */
	size_t len;
	bool failed; /* thread_err is set, and does not change any more */
};

/* A pack from the pool, or a new one. */
static int
open_pack(struct stream *st)
{
	struct blob_store *s = st->store;

	st->pack.fd = -1;
	pthread_mutex_lock(&s->pool_lock);
	if (s->pool_count != 0)
		st->pack = s->pool[--s->pool_count];
	pthread_mutex_unlock(&s->pool_lock);
	if (st->pack.fd >= 0)
		return 0;
	return pack_create(&st->pack, s->folder, &st->thread_err);
}

/* Returns it to the pool, unless it is full, or the pool has enough. */
static void
give_pack_back(struct stream *st)
{
	struct blob_store *s = st->store;

	if (st->pack.end <= PACK_ROTATE_BYTES) {
		pthread_mutex_lock(&s->pool_lock);
		if (s->pool_count < sizeof(s->pool) / sizeof(s->pool[0])) {
			s->pool[s->pool_count++] = st->pack;
			st->pack.fd = -1;
		}
		pthread_mutex_unlock(&s->pool_lock);
	}
	pack_close(&st->pack);
}

static uint64_t
body_start(const struct stream *st)
{
	return st->pack.end + st->room + RECORD_HEADER_BYTES;
}

static void
run_chunk(struct task *t)
{
	struct stream_task *ct = (struct stream_task *)t;
	struct stream *st = ct->stream;
	struct iovec iov = {ct->data, ct->len};

	if (st->thread_err.code == ERR_NONE && (st->pack.fd >= 0 || open_pack(st) == 0) &&
	    pack_allocate(&st->pack, st->room + RECORD_HEADER_BYTES + st->written + ct->len, &st->thread_err) == 0 &&
	    pack_write(&st->pack, &iov, 1, body_start(st) + st->written, &st->thread_err) == 0) {
		st->written += ct->len;
		st->crc = (uint32_t)crc32_z(st->crc, (const Bytef *)ct->data, ct->len);
	}
	ct->failed = st->thread_err.code != ERR_NONE;
	mem_free(ct->data);
	store_tell_done(st->store, t);
}

static uint64_t
body_bytes(const struct stream *st)
{
	return st->front.len + st->written;
}

/* What the front does not need of its room becomes a record of its own, released already,
 * with a hole for a body. It is synced first: after a crash there is nothing but a gap, and
 * never a record behind a place that has none, which would look like damage. */
static int
fill_room(struct stream *st, uint64_t *filled_out)
{
	char header[RECORD_HEADER_BYTES];
	struct iovec iov = {header, sizeof(header)};
	struct record r = {.released = true};

	*filled_out = 0;
	if (st->room == 0)
		return 0;
	r.length = st->room - st->front.len - RECORD_HEADER_BYTES;
	record_encode(&r, header);
	if (pack_write(&st->pack, &iov, 1, st->pack.end, &st->thread_err) != 0)
		return -1;
	/* If that fails the bytes stay until the pack is removed: no reason to refuse the body. */
	if (r.length > 0)
		(void)!fallocate(st->pack.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				 (off_t)(st->pack.end + RECORD_HEADER_BYTES), (off_t)r.length);
	if (pack_sync(&st->pack, &st->thread_err) != 0)
		return -1;
	*filled_out = record_span(r.length);
	return 0;
}

/* pack.end moves past the filler only if all of it succeeds: what fails is cut back from there. */
static int
write_header(struct stream *st)
{
	uint64_t filled;
	char header[RECORD_HEADER_BYTES];
	struct iovec iov[] = {{header, sizeof(header)}, {st->front.data, st->front.len}};
	uint32_t crc = (uint32_t)crc32_z(0, (const Bytef *)st->front.data, st->front.len);
	struct record r = {.length = body_bytes(st), .unix_ms = clock_unix_ms(), .class = (uint8_t)st->class};

	r.crc = (uint32_t)crc32_combine(crc, st->crc, (z_off_t)st->written);
	record_encode(&r, header);
	if (fill_room(st, &filled) != 0 ||
	    pack_write(&st->pack, iov, st->front.len > 0 ? 2 : 1, st->pack.end + filled, &st->thread_err) != 0 ||
	    pack_sync(&st->pack, &st->thread_err) != 0)
		return -1;
	st->pack.end += filled;
	return 0;
}

/* Truncates what was written of a failed stream. */
static void
cut_back(struct stream *st)
{
	if (st->pack.fd < 0)
		return;
	if (ftruncate(st->pack.fd, (off_t)st->pack.end) == 0)
		st->pack.allocated = st->pack.end;
	pack_close(&st->pack);
}

static void
run_commit(struct task *t)
{
	struct stream *st = ((struct stream_task *)t)->stream;

	/* A body that was announced as large but came without a byte has no pack yet. */
	if (st->thread_err.code == ERR_NONE && (st->pack.fd >= 0 || open_pack(st) == 0) && write_header(st) != 0)
		CHECK(st->thread_err.code != ERR_NONE);
	if (st->thread_err.code != ERR_NONE) {
		cut_back(st);
	} else {
		st->pack.end += record_span(body_bytes(st));
		give_pack_back(st);
	}
	store_tell_done(st->store, t);
}

static void
run_abort(struct task *t)
{
	struct stream *st = ((struct stream_task *)t)->stream;

	if (st->pack.fd >= 0 && st->thread_err.code == ERR_NONE && ftruncate(st->pack.fd, (off_t)st->pack.end) == 0) {
		st->pack.allocated = st->pack.end;
		give_pack_back(st);
	}
	pack_close(&st->pack);
	store_tell_done(st->store, t);
}

/* ---- Back on the loop ---- */

static void
chunk_done(struct task *t)
{
	struct stream_task *ct = (struct stream_task *)t;
	struct stream *st = ct->stream;
	void (*on_room)(void *arg) = st->on_room;

	CHECK(st->backlog >= ct->len);
	st->backlog -= ct->len;
	/* The thread may already be at the next chunk: its error is read only
	 * after this chunk's task has reported that it is final. */
	if (ct->failed && st->err.code == ERR_NONE)
		st->err = st->thread_err;
	mem_free(ct);
	if (on_room != NULL && st->backlog < BLOB_BACKLOG_BYTES) {
		st->on_room = NULL;
		on_room(st->on_room_arg);
	}
}

static void
end_done(struct task *t)
{
	struct stream_task *ct = (struct stream_task *)t;
	struct stream *st = ct->stream;
	struct blob_id id;

	if (st->on_done != NULL) {
		id = (struct blob_id){st->pack.id, st->pack.end - record_span(body_bytes(st)) + RECORD_HEADER_BYTES,
				      body_bytes(st)};
		if (st->thread_err.code == ERR_NONE)
			st->on_done(st->arg, &id, NULL);
		else
			st->on_done(st->arg, NULL, &st->thread_err);
	}
	buf_fini(&st->front);
	mem_free(st);
	mem_free(ct);
}

static void
give_task(struct stream *st, void (*run)(struct task *), void (*done)(struct task *), char *data, size_t len)
{
	struct stream_task *ct = mem_new(struct stream_task);

	ct->task.run = run;
	ct->task.done = done;
	ct->stream = st;
	ct->data = data;
	ct->len = len;
	st->backlog += len;
	task_thread_give(st->store, st->thread, &ct->task);
}

static void
start_stream(struct blob_append *a)
{
	struct stream *st = mem_new(struct stream);

	st->store = a->store;
	st->class = a->class;
	st->pack.fd = -1;
	st->room = a->has_front ? BLOB_FRONT_MAX + RECORD_HEADER_BYTES : 0;
	st->thread = &a->store->streamers[a->store->next_streamer++ % STREAMERS];
	a->stream = st;
}

/* The buffer's memory is passed to the thread as it is. */
static void
give_bytes(struct blob_append *a)
{
	if (a->bytes.len == 0)
		return;
	give_task(a->stream, run_chunk, chunk_done, a->bytes.data, a->bytes.len);
	a->bytes = BUF_EMPTY;
}

/* ---- Public ---- */

struct blob_append *
blob_append_begin(struct blob_store *s, enum blob_class class, uint64_t size_hint_bytes)
{
	struct blob_append *a = mem_new(struct blob_append);

	CHECK(s->base != NULL);
	a->store = s;
	a->class = class;
	if (size_hint_bytes > BLOB_SMALL_BYTES)
		start_stream(a);
	return a;
}

void
blob_append_leave_front(struct blob_append *a)
{
	CHECK(a->size == 0);
	a->has_front = true;
	if (a->stream != NULL)
		a->stream->room = BLOB_FRONT_MAX + RECORD_HEADER_BYTES;
}

void
blob_append_set_front(struct blob_append *a, struct str front)
{
	CHECKF(a->has_front && front.len <= BLOB_FRONT_MAX && front.len % BLOB_FRONT_ALIGN == 0, "%zu bytes",
	       front.len);
	buf_clear(&a->front);
	buf_add_str(&a->front, front);
}

int
blob_append_data(struct blob_append *a, const void *data, size_t len, struct err *err)
{
	if (a->stream != NULL && a->stream->err.code != ERR_NONE) {
		if (err != NULL)
			*err = a->stream->err;
		return -1;
	}
	buf_add(&a->bytes, data, len);
	a->size += len;
	if (a->stream == NULL && a->size > BLOB_SMALL_BYTES)
		start_stream(a);
	if (a->stream != NULL && a->bytes.len >= CHUNK_BYTES)
		give_bytes(a);
	return 0;
}

size_t
blob_append_backlog(const struct blob_append *a)
{
	return a->stream != NULL ? a->stream->backlog : 0;
}

void
blob_append_wait_room(struct blob_append *a, void (*on_room)(void *arg), void *arg)
{
	CHECK(a->stream != NULL);
	a->stream->on_room = on_room;
	a->stream->on_room_arg = arg;
}

uint64_t
blob_append_size(const struct blob_append *a)
{
	return a->size;
}

void
blob_append_commit(struct blob_append **ap, blob_on_appended *on_done, void *arg)
{
	struct blob_append *a = *ap;

	*ap = NULL;
	CHECK(on_done != NULL);
	if (a->stream != NULL) {
		a->stream->on_done = on_done;
		a->stream->arg = arg;
		a->stream->on_room = NULL;
		give_bytes(a);
		a->stream->front = a->front;
		a->front = BUF_EMPTY;
		give_task(a->stream, run_commit, end_done, NULL, 0);
	} else {
		struct buf *whole = a->front.len > 0 ? &a->front : &a->bytes;

		if (whole == &a->front)
			buf_add_str(whole, buf_str(&a->bytes));
		/* A body can only fail later, on the thread. */
		CHECK(blob_put(a->store, BLOB_BODY, whole->data != NULL ? whole->data : "", whole->len, NULL, on_done,
			       arg, NULL) == 0);
	}
	buf_fini(&a->front);
	buf_fini(&a->bytes);
	mem_free(a);
}

void
blob_append_abort(struct blob_append **ap)
{
	struct blob_append *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	if (a->stream != NULL) {
		a->stream->on_room = NULL;
		give_task(a->stream, run_abort, end_done, NULL, 0);
	}
	buf_fini(&a->front);
	buf_fini(&a->bytes);
	mem_free(a);
}
