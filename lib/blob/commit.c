/* Writing small bodies: the committer thread takes all that wait, writes them one
 * after another with one call into the process's pack, syncs once, and reports to
 * all. The more writers there are, the fewer syncs a body costs. */
#include <errno.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/blob/store.h"

enum {
	BATCH_MAX = 256,	/* records in one write */
	DIGESTS_REST_MS = 1000, /* after a failure: digests get no place */
};

struct put {
	struct task task; /* first member, for the conversion back */
	struct blob_store *store;
	struct put *next;
	enum blob_class class;
	struct blob_id id;
	struct err err; /* code ERR_NONE: written */
	blob_on_appended *on_done;
	void *arg;
	char *record;  /* owner: header, body, padding */
	size_t length; /* of the body */
};

static void
put_done(struct task *t)
{
	struct put *p = (struct put *)t;

	if (p->on_done != NULL)
		p->on_done(p->arg, p->err.code == ERR_NONE ? &p->id : NULL, p->err.code == ERR_NONE ? NULL : &p->err);
	mem_free(p);
}

/* On the committer: all puts of the batch have succeeded, or all have failed. */
static void
tell_batch(struct put **batch, unsigned count, const struct err *err)
{
	for (unsigned i = 0; i < count; i++) {
		struct put *p = batch[i];
		mem_free(p->record);
		p->record = NULL;
		if (err != NULL)
			p->err = *err;
		if (p->task.done != NULL)
			store_tell_done(p->store, &p->task);
		else
			mem_free(p);
	}
}

/* A failed write or sync leaves a pack's tail in an unknown state (the kernel
 * may have dropped the dirty pages). The tail is truncated, which gives a full
 * disk its room back, and the pack is never written to again. */
static void
commit_abandon(struct pack *p)
{
	if (ftruncate(p->fd, (off_t)p->end) != 0)
		errno = 0; /* the sweep will find the rest */
	p->allocated = p->end;
	pack_close(p);
}

static int
write_bodies(struct blob_store *s, struct put **batch, unsigned count, struct err *err)
{
	struct pack *pack = &s->committer.bodies;
	struct iovec iov[BATCH_MAX];
	uint64_t bytes = 0;

	if (pack->fd >= 0 && pack->end > PACK_ROTATE_BYTES)
		pack_close(pack);
	if (pack->fd < 0 && pack_create(pack, s->folder, err) != 0)
		return -1;
	for (unsigned i = 0; i < count; i++) {
		uint64_t span = record_span(batch[i]->length);
		batch[i]->id = (struct blob_id){pack->id, pack->end + bytes + RECORD_HEADER_BYTES, batch[i]->length};
		iov[i] = (struct iovec){batch[i]->record, span};
		bytes += span;
	}
	if (pack_allocate(pack, bytes, err) != 0)
		return -1; /* nothing was written: the pack is unchanged */
	/* A large batch waits for the disk anyway; the disk should not write it twice. */
	if (bytes <= PACK_ZERO_BYTES)
		pack_zero_ahead(pack, bytes);
	if (pack_write(pack, iov, (int)count, pack->end, err) != 0 || pack_sync(pack, err) != 0) {
		commit_abandon(pack);
		return -1;
	}
	pack->end += bytes;
	return 0;
}

/* ---- Digests: they already have their places; nobody waits for them ---- */

/* Digests come in the order of their places: whatever goes to another pack comes after all
 * that went to the one before. */
static int
digest_open_pack(struct put *p, struct err *err)
{
	struct committer *c = &p->store->committer;

	if (c->digests.fd >= 0 && c->digests.id == p->id.pack)
		return 0;
	pack_close(&c->digests);
	return pack_create_as(&c->digests, p->id.pack, p->store->folder, err);
}

static int
digest_write(struct put *p, struct err *err)
{
	struct pack *pack = &p->store->committer.digests;
	struct iovec iov = {p->record, record_span(p->length)};

	if (digest_open_pack(p, err) != 0)
		return -1;
	CHECK(pack->end == p->id.offset - RECORD_HEADER_BYTES);
	if (pack_allocate(pack, iov.iov_len, err) != 0 || pack_write(pack, &iov, 1, pack->end, err) != 0)
		return -1;
	pack->end += record_span(p->length);
	return 0;
}

/* After a failure nothing more goes to that pack: the places behind it are lost, and their
 * digests are computed again when they are needed. */
static void
digest_commit(struct put *p)
{
	struct committer *c = &p->store->committer;
	struct err err;

	if (p->id.pack == c->failed_digests || digest_write(p, &err) == 0)
		return;
	pack_close(&c->digests);
	c->failed_digests = p->id.pack;
	pthread_mutex_lock(&c->lock);
	if (c->digest_pack == p->id.pack)
		c->digest_pack = 0;
	c->digests_rest_until_ms = clock_monotonic_ms() + DIGESTS_REST_MS;
	pthread_mutex_unlock(&c->lock);
}

/* Under the lock. Nothing here may wait for the disk: this runs on the loop. */
static int
digest_place(struct put *p, struct err *err)
{
	struct committer *c = &p->store->committer;

	if (c->digest_pack == 0 || c->digest_end > PACK_ROTATE_BYTES) {
		if (clock_monotonic_ms() < c->digests_rest_until_ms)
			return err_set(err, ERR_IO, "digests could not be written a moment ago");
		c->digest_pack = pack_new_id();
		c->digest_end = PACK_HEADER_BYTES;
	}
	p->id = (struct blob_id){c->digest_pack, c->digest_end + RECORD_HEADER_BYTES, p->length};
	c->digest_end += record_span(p->length);
	return 0;
}

/* ---- The thread ---- */

static struct put *
take_waiting(struct committer *c)
{
	struct put *list;

	pthread_mutex_lock(&c->lock);
	while (c->first == NULL && !c->stop)
		pthread_cond_wait(&c->wake, &c->lock);
	list = c->first;
	c->first = c->last = NULL;
	pthread_mutex_unlock(&c->lock);
	return list;
}

static void *
committer_main(void *arg)
{
	struct blob_store *s = arg;
	struct put *list;

	while ((list = take_waiting(&s->committer)) != NULL) {
		while (list != NULL) {
			struct put *batch[BATCH_MAX];
			unsigned count = 0;
			struct err err = {.code = ERR_NONE};
			int result;

			while (list != NULL && count < BATCH_MAX) {
				struct put *p = list;
				list = p->next;
				if (p->class == BLOB_BODY) {
					batch[count++] = p;
					continue;
				}
				digest_commit(p);
				tell_batch(&p, 1, NULL);
			}
			if (count == 0)
				continue;
			result = write_bodies(s, batch, count, &err);
			tell_batch(batch, count, result != 0 ? &err : NULL);
		}
	}
	return NULL;
}

void
committer_start(struct blob_store *s)
{
	struct committer *c = &s->committer;

	pthread_mutex_init(&c->lock, NULL);
	pthread_cond_init(&c->wake, NULL);
	c->bodies.fd = c->digests.fd = -1;
}

void
committer_stop(struct blob_store *s)
{
	struct committer *c = &s->committer;

	pthread_mutex_lock(&c->lock);
	c->stop = true;
	pthread_cond_signal(&c->wake);
	pthread_mutex_unlock(&c->lock);
	if (c->started)
		pthread_join(c->thread, NULL);
	pack_close(&c->bodies);
	pack_close(&c->digests);
	pthread_mutex_destroy(&c->lock);
	pthread_cond_destroy(&c->wake);
}

/* ---- Submitting ---- */

/* The record with its header, built here on the caller's thread. */
static struct put *
put_new(struct blob_store *s, enum blob_class class, const void *data, size_t len)
{
	struct put *p = mem_new(struct put);
	struct record r = {.length = len,
			   .unix_ms = clock_unix_ms(),
			   .class = (uint8_t) class,
			   .crc = (uint32_t)crc32_z(0, data, len)};
	size_t span = record_span(len);

	p->store = s;
	p->class = class;
	p->length = len;
	p->record = mem_alloc(span);
	record_encode(&r, p->record);
	if (len != 0)
		memcpy(p->record + RECORD_HEADER_BYTES, data, len);
	memset(p->record + RECORD_HEADER_BYTES + len, 0, span - RECORD_HEADER_BYTES - len);
	return p;
}

/* id_out: the place of a digest, which is known at once. */
static int
put_send(struct put *p, struct blob_id *id_out, struct err *err)
{
	struct blob_store *s = p->store;
	struct committer *c = &s->committer;

	pthread_mutex_lock(&c->lock);
	if (p->class == BLOB_DIGEST && digest_place(p, err) != 0) {
		pthread_mutex_unlock(&c->lock);
		mem_free(p->record);
		mem_free(p);
		return -1;
	}
	if (id_out != NULL)
		*id_out = p->id;
	if (p->on_done != NULL) {
		p->task.done = put_done;
		s->open_tasks++;
	}
	if (!c->started) {
		CHECK(pthread_create(&c->thread, NULL, committer_main, s) == 0);
		c->started = true;
	}
	if (c->last != NULL)
		c->last->next = p;
	else
		c->first = p;
	c->last = p;
	pthread_mutex_unlock(&c->lock);
	/* Signalled before, the thread would wake only to wait for the lock. */
	pthread_cond_signal(&c->wake);
	return 0;
}

int
blob_put(struct blob_store *s, enum blob_class class, const void *data, size_t len, struct blob_id *id_out,
	 blob_on_appended *on_done, void *arg, struct err *err)
{
	struct put *p;

	CHECK(class == BLOB_DIGEST || on_done != NULL);
	p = put_new(s, class, data, len);
	p->on_done = on_done;
	p->arg = arg;
	return put_send(p, id_out, err);
}
