/* Copies of bodies in another folder. */
#include "lib/blob/copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/bytes.h"
#include "lib/base/folder.h"
#include "lib/base/mem.h"
#include "lib/blob/pack.h"

enum { COPY_BYTES = 1024 * 1024 };

struct blob_copier {
	const char *from, *to; /* borrowed; to may be NULL */
	enum blob_copy_way way;
	uint64_t pack;		  /* the current one; 0: none */
	int in, out;		  /* its files; -1: does not exist, or not needed */
	bool written;		  /* to out: must be synced */
	bool failed;		  /* out is torn: it must not be moved into place */
	uint64_t end;		  /* BLOB_COPY_WRITES: out is complete up to here */
	char *buffer;		  /* owner: COPY_BYTES */
	char path[PACK_PATH_MAX]; /* of out */
};

int
blob_copy_order(const void *a, const void *b)
{
	const struct blob_id *x = a, *y = b;

	if (x->pack != y->pack)
		return x->pack < y->pack ? -1 : 1;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

struct blob_copier *
blob_copier_new(const char *from, const char *to, enum blob_copy_way way)
{
	struct blob_copier *c = mem_new(struct blob_copier);

	c->from = from;
	c->to = to;
	c->way = way;
	c->in = c->out = -1;
	c->buffer = mem_alloc(COPY_BYTES);
	return c;
}

/* ---- A pack at a time ---- */

static int
copy_write(struct blob_copier *c, const char *data, size_t len, uint64_t offset, struct err *err)
{
	struct iovec iov = {(void *)(uintptr_t)data, len};
	struct pack p = {.fd = c->out};

	c->written = true;
	if (pack_write(&p, &iov, 1, offset, err) == 0)
		return 0;
	c->failed = true;
	return -1;
}

/* Complete packs have a temporary name until they are finished. */
static void
copy_path(const struct blob_copier *c, char out[PACK_PATH_MAX])
{
	pack_path(c->to, c->pack, out);
	if (c->way == BLOB_COPY_WRITES)
		strcat(out, ".new");
}

static int
copy_put_in_place(struct blob_copier *c, struct err *err)
{
	char path[PACK_PATH_MAX];

	pack_path(c->to, c->pack, path);
	if (rename(c->path, path) != 0)
		return err_set_errno(err, errno, "renaming %s", c->path);
	return 0;
}

static int
copy_close_pack(struct blob_copier *c, struct err *err)
{
	int result = c->failed ? -1 : 0;

	if (c->out >= 0) {
		if (result == 0 && c->written && fsync(c->out) != 0)
			result = err_set_errno(err, errno, "syncing %s", c->path);
		close(c->out);
		if (result == 0 && c->way == BLOB_COPY_WRITES)
			result = copy_put_in_place(c, err);
	}
	if (c->in >= 0)
		close(c->in);
	c->in = c->out = -1;
	c->pack = 0;
	c->written = c->failed = false;
	return result;
}

/* The pack's own header comes from the source. If the source is gone, in stays -1. */
static int
copy_open_pack(struct blob_copier *c, uint64_t pack, struct err *err)
{
	char path[PACK_PATH_MAX], header[PACK_HEADER_BYTES];
	int flags = O_RDWR | O_CREAT | O_CLOEXEC | (c->way == BLOB_COPY_WRITES ? O_TRUNC : 0);

	c->pack = pack;
	c->end = PACK_HEADER_BYTES;
	pack_path(c->from, pack, path);
	c->in = open(path, O_RDONLY | O_CLOEXEC);
	if (c->in < 0 && errno != ENOENT)
		return err_set_errno(err, errno, "opening %s", path);
	if (c->in >= 0 && pread(c->in, header, sizeof(header), 0) != sizeof(header)) {
		close(c->in);
		c->in = -1;
	}
	if (c->way == BLOB_COPY_LOOKS || (c->in < 0 && c->way == BLOB_COPY_WRITES))
		return 0;
	copy_path(c, c->path);
	if (c->in < 0) {
		/* Earlier copies stay valid, whatever happened to the source. */
		c->out = open(c->path, O_RDWR | O_CLOEXEC);
		return 0;
	}
	c->out = open(c->path, flags, 0640);
	if (c->out < 0)
		return err_set_errno(err, errno, "making %s", c->path);
	return copy_write(c, header, sizeof(header), 0, err);
}

/* ---- One body ---- */

/* Does a record of this body begin here? */
static bool
copy_read_header(int fd, const struct blob_id *id, struct record *record_out, char header[RECORD_HEADER_BYTES])
{
	return fd >= 0 &&
	       pread(fd, header, RECORD_HEADER_BYTES, (off_t)(id->offset - RECORD_HEADER_BYTES)) ==
		       RECORD_HEADER_BYTES &&
	       record_decode(header, record_out) && record_out->length == id->length;
}

/* Reads the whole body, and copies it to out on request. 1: it is intact; 0: it
 * is not; -1: out cannot be written. */
static int
copy_body(struct blob_copier *c, int fd, const struct blob_id *id, const struct record *r, bool writes, struct err *err)
{
	uint32_t crc = 0;

	for (uint64_t at = 0; at < id->length;) {
		size_t part = id->length - at < COPY_BYTES ? (size_t)(id->length - at) : COPY_BYTES;
		ssize_t got = pread(fd, c->buffer, part, (off_t)(id->offset + at));
		if (got <= 0)
			return 0;
		if (writes && copy_write(c, c->buffer, (size_t)got, id->offset + at, err) != 0)
			return -1;
		crc = (uint32_t)crc32_z(crc, (const Bytef *)c->buffer, (size_t)got);
		at += (uint64_t)got;
	}
	return crc == r->crc;
}

/* Fills the gap up to the next body with one released record. Gaps consist of
 * whole records, so there is room for it. */
static int
copy_fill_gap(struct blob_copier *c, uint64_t until, struct err *err)
{
	char header[RECORD_HEADER_BYTES];
	struct record r = {.released = true};

	if (until < c->end || (until - c->end) % RECORD_ALIGN != 0 ||
	    (until != c->end && until - c->end < RECORD_HEADER_BYTES))
		return err_set(err, ERR_CORRUPT, "bodies of the pack %016llx overlap", (unsigned long long)c->pack);
	if (until == c->end)
		return 0;
	r.length = until - c->end - RECORD_HEADER_BYTES;
	record_encode(&r, header);
	return copy_write(c, header, sizeof(header), c->end, err);
}

/* Body first, header last: a header always precedes a complete body. */
static int
copy_one(struct blob_copier *c, const struct blob_id *id, enum blob_copied *copied_out, struct err *err)
{
	char header[RECORD_HEADER_BYTES];
	uint64_t start = id->offset - RECORD_HEADER_BYTES;
	struct record r;
	int result;

	*copied_out = BLOB_COPY_MISSING;
	if (!copy_read_header(c->in, id, &r, header))
		return 0;
	if (r.released)
		return 0;
	if (c->way == BLOB_COPY_WRITES && copy_fill_gap(c, start, err) != 0)
		return -1;
	result = copy_body(c, c->in, id, &r, c->out >= 0, err);
	if (result < 0)
		return -1;
	if (result == 0) {
		/* Released while it was read, or damaged. */
		if (copy_read_header(c->in, id, &r, header) && !r.released)
			*copied_out = BLOB_COPY_DAMAGED;
		c->end = c->way == BLOB_COPY_WRITES ? start : c->end;
		return 0;
	}
	*copied_out = c->out >= 0 ? BLOB_COPY_MADE : BLOB_COPY_STOOD;
	if (c->out < 0)
		return 0;
	c->end = start + record_span(id->length);
	/* The file ends after the record, including its padding. */
	if (c->way == BLOB_COPY_WRITES && ftruncate(c->out, (off_t)c->end) != 0)
		return err_set_errno(err, errno, "writing %s", c->path);
	return copy_write(c, header, sizeof(header), start, err);
}

/* Is it in the copy already? */
static bool
copy_stands(struct blob_copier *c, const struct blob_id *id, bool trusted)
{
	char header[RECORD_HEADER_BYTES];
	struct record r;

	return c->way == BLOB_COPY_ADDS && copy_read_header(c->out, id, &r, header) && !r.released &&
	       (trusted || copy_body(c, c->out, id, &r, false, NULL) == 1);
}

int
blob_copier_take(struct blob_copier *c, const struct blob_id *id, bool trusted, enum blob_copied *copied_out,
		 struct err *err)
{
	if (id->pack == 0 || id->offset < PACK_HEADER_BYTES + RECORD_HEADER_BYTES) {
		*copied_out = BLOB_COPY_DAMAGED;
		return 0;
	}
	if (c->pack != id->pack &&
	    ((c->pack != 0 && copy_close_pack(c, err) != 0) || copy_open_pack(c, id->pack, err) != 0))
		return -1;
	if (copy_stands(c, id, trusted)) {
		*copied_out = BLOB_COPY_STOOD;
		return 0;
	}
	return copy_one(c, id, copied_out, err);
}

int
blob_copier_finish(struct blob_copier **cp, struct err *err)
{
	struct blob_copier *c = *cp;
	int result = c->pack != 0 ? copy_close_pack(c, err) : 0;

	if (result == 0 && c->to != NULL)
		result = folder_sync(c->to, err);
	blob_copier_drop(cp);
	return result;
}

void
blob_copier_drop(struct blob_copier **cp)
{
	struct blob_copier *c = *cp;

	if (c == NULL)
		return;
	if (c->in >= 0)
		close(c->in);
	if (c->out >= 0)
		close(c->out);
	mem_free(c->buffer);
	mem_free(c);
	*cp = NULL;
}
