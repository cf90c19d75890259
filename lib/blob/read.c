/* Reading bodies.
 *
 * Data in the page cache is read at once on the loop's thread (preadv2 with
 * RWF_NOWAIT never waits for the disk); everything else is read by a reader
 * thread. Either way the answer comes in a later turn of the loop. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/blob/store.h"

/* ---- Descriptors, least recently used ones closed ---- */

static struct read_fd *
find_pack(struct blob_store *s, uint64_t pack)
{
	for (unsigned i = 0; i < READ_FDS; i++)
		if (s->fds[i].fd >= 0 && s->fds[i].pack == pack)
			return &s->fds[i];
	return NULL;
}

static struct read_fd *
find_fd(struct blob_store *s, int fd)
{
	for (unsigned i = 0; i < READ_FDS; i++)
		if (s->fds[i].fd == fd)
			return &s->fds[i];
	return NULL;
}

static struct read_fd *
oldest_fd(struct blob_store *s)
{
	struct read_fd *oldest = NULL;

	for (unsigned i = 0; i < READ_FDS; i++) {
		struct read_fd *f = &s->fds[i];
		if (f->fd < 0)
			return f;
		if (f->refs == 0 && (oldest == NULL || f->used < oldest->used))
			oldest = f;
	}
	return oldest;
}

int
fds_get(struct blob_store *s, uint64_t pack, bool anew, struct err *err)
{
	char path[PACK_PATH_MAX];
	struct read_fd *f;
	int fd;

	pthread_mutex_lock(&s->fds_lock);
	f = find_pack(s, pack);
	if (f != NULL && anew)
		f->pack = 0; /* not found any more; closed when its slot is needed */
	else if (f != NULL) {
		f->refs++;
		f->used = ++s->fds_tick;
		fd = f->fd;
		pthread_mutex_unlock(&s->fds_lock);
		return fd;
	}
	pthread_mutex_unlock(&s->fds_lock);
	pack_path(s->folder, pack, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return err_set_errno(err, errno, "opening %s", path);
	pthread_mutex_lock(&s->fds_lock);
	f = oldest_fd(s);
	if (f != NULL) {
		if (f->fd >= 0)
			close(f->fd);
		*f = (struct read_fd){.pack = pack, .fd = fd, .refs = 1, .used = ++s->fds_tick};
	}
	pthread_mutex_unlock(&s->fds_lock);
	return fd;
}

void
fds_put(struct blob_store *s, int fd)
{
	struct read_fd *f;

	pthread_mutex_lock(&s->fds_lock);
	f = find_fd(s, fd);
	if (f != NULL) {
		CHECK(f->refs != 0);
		f->refs--;
	}
	pthread_mutex_unlock(&s->fds_lock);
	if (f == NULL)
		close(fd); /* there was no slot to keep it in */
}

/* ---- One read ---- */

/* Part of a read is missing: none of it is used. */
static ssize_t
cut_off(bool nowait)
{
	if (!nowait)
		return 0; /* the file ends here */
	errno = EAGAIN;
	return -1;
}

/* Reads the requested bytes after the record's header (zeros in holes). Returns
 * their count, or 0 if the file ends before; -1 with errno, which is EAGAIN if
 * nowait is set and the cache does not have all of it. */
static ssize_t
read_record(int fd, const struct blob_id *id, uint64_t offset, char *header, char *buffer, size_t length, bool nowait)
{
	struct iovec iov[2] = {{header, RECORD_HEADER_BYTES}, {buffer, length}};
	int flags = nowait ? RWF_NOWAIT : 0;
	ssize_t got, wanted = (ssize_t)length;

	memset(header, 0, RECORD_HEADER_BYTES);
	if (offset == 0) {
		got = preadv2(fd, iov, 2, (off_t)(id->offset - RECORD_HEADER_BYTES), flags);
		if (got >= 0)
			got = got < RECORD_HEADER_BYTES + wanted ? cut_off(nowait) : wanted;
		return got;
	}
	got = preadv2(fd, iov, 1, (off_t)(id->offset - RECORD_HEADER_BYTES), flags);
	if (got == RECORD_HEADER_BYTES)
		got = preadv2(fd, iov + 1, 1, (off_t)(id->offset + offset), flags);
	else if (got >= 0)
		got = 0;
	return got >= 0 && got < wanted ? cut_off(nowait) : got;
}

static int
check_record(const struct blob_id *id, uint64_t offset, const char *header, const char *data, size_t length,
	     ssize_t got, struct err *err)
{
	struct record r;

	if (got < 0)
		return err_set_errno(err, errno, "reading the body %llx-%llx", (unsigned long long)id->pack,
				     (unsigned long long)id->offset);
	if (got < (ssize_t)length || !record_decode(header, &r) || r.length != id->length)
		return err_set(err, ERR_CORRUPT, "there is no complete body at %llx-%llx-%llx",
			       (unsigned long long)id->pack, (unsigned long long)id->offset,
			       (unsigned long long)id->length);
	if (r.released)
		return err_set(err, ERR_NOT_FOUND, "the body %llx-%llx was released", (unsigned long long)id->pack,
			       (unsigned long long)id->offset);
	if (offset == 0 && length == id->length && (uint32_t)crc32_z(0, (const Bytef *)data, length) != r.crc)
		return err_set(err, ERR_CORRUPT, "the body %llx-%llx is damaged", (unsigned long long)id->pack,
			       (unsigned long long)id->offset);
	return 0;
}

bool
record_is_good(const char *header, const char *data, const struct blob_id *id)
{
	return check_record(id, 0, header, data, (size_t)id->length, (ssize_t)id->length, NULL) == 0;
}

static bool
is_plausible(const struct blob_id *id, uint64_t offset, struct err *err)
{
	if (id->pack == 0 || id->offset < PACK_HEADER_BYTES + RECORD_HEADER_BYTES || offset > id->length) {
		err_set(err, ERR_INVALID, "no such offset in a body");
		return false;
	}
	return true;
}

int64_t
blob_read_sync(struct blob_store *s, const struct blob_id *id, uint64_t offset, void *buffer, size_t length,
	       struct err *err)
{
	char header[RECORD_HEADER_BYTES];

	if (!is_plausible(id, offset, err))
		return -1;
	if (length > id->length - offset)
		length = id->length - offset;
	/* A descriptor of another host's pack may be stale (NFS): data that does
	 * not match is read once more through a fresh one. */
	for (int attempt = 0;; attempt++) {
		int fd = fds_get(s, id->pack, attempt != 0, err);
		ssize_t got;
		int result;
		if (fd < 0)
			return -1;
		got = read_record(fd, id, offset, header, buffer, length, false);
		result = check_record(id, offset, header, buffer, length, got, err);
		fds_put(s, fd);
		if (result == 0)
			return (int64_t)length;
		if (attempt != 0 || (err != NULL && err->code == ERR_NOT_FOUND))
			return -1;
	}
}

/* ---- Asynchronously ---- */

struct blob_read {
	struct task task;
	struct blob_store *store;
	struct blob_id id;
	uint64_t offset;
	size_t length;
	char *buffer; /* owner */
	int64_t got;
	struct err err;
	blob_on_read *on_read; /* NULL: cancelled */
	void *arg;
};

static void
run_read(struct task *t)
{
	struct blob_read *r = (struct blob_read *)t;

	r->got = blob_read_sync(r->store, &r->id, r->offset, r->buffer, r->length, &r->err);
	store_tell_done(r->store, t);
}

static void
read_done(struct task *t)
{
	struct blob_read *r = (struct blob_read *)t;

	if (r->on_read != NULL) {
		if (r->got >= 0)
			r->on_read(r->arg, r->buffer, (size_t)r->got, NULL);
		else
			r->on_read(r->arg, NULL, 0, &r->err);
	}
	mem_free(r->buffer);
	mem_free(r);
}

/* True: the page cache had all of it, and it is valid. */
static bool
read_from_cache(struct blob_read *r)
{
	char header[RECORD_HEADER_BYTES];
	ssize_t got;
	int fd;

	if (!is_plausible(&r->id, r->offset, &r->err))
		return false;
	fd = fds_get(r->store, r->id.pack, false, &r->err);
	if (fd < 0)
		return false;
	got = read_record(fd, &r->id, r->offset, header, r->buffer, r->length, true);
	fds_put(r->store, fd);
	if (got < 0 || check_record(&r->id, r->offset, header, r->buffer, r->length, got, &r->err) != 0)
		return false;
	r->got = got;
	return true;
}

struct blob_read *
blob_read(struct blob_store *s, const struct blob_id *id, uint64_t offset, size_t length, blob_on_read *on_read,
	  void *arg)
{
	struct blob_read *r = mem_new(struct blob_read);

	CHECK(s->base != NULL);
	if (length > BLOB_READ_MAX)
		length = BLOB_READ_MAX;
	if (offset <= id->length && length > id->length - offset)
		length = id->length - offset;
	r->store = s;
	r->id = *id;
	r->offset = offset;
	r->length = length;
	r->buffer = mem_alloc(length + 1);
	r->on_read = on_read;
	r->arg = arg;
	r->task.run = run_read;
	r->task.done = read_done;
	if (read_from_cache(r)) {
		s->open_tasks++;
		store_tell_done(s, &r->task);
	} else {
		task_thread_give(s, &s->readers[s->next_reader++ % READERS], &r->task);
	}
	return r;
}

void
blob_read_cancel(struct blob_read **rp)
{
	if (*rp == NULL)
		return;
	(*rp)->on_read = NULL;
	*rp = NULL;
}
