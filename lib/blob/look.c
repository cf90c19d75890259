/* Is a body where it should be, and is it durable? */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/blob/store.h"

struct blob_look_task {
	struct task task;
	struct blob_store *store;
	struct blob_id id;
	enum blob_look look;
	struct err err;
	blob_on_looked *on_looked;
	void *arg;
};

/* Opens a fresh descriptor: for another host's file an old one may be stale
 * (NFS), and data that it does not see would look torn. */
static int
look_open(struct blob_look_task *l)
{
	char path[PACK_PATH_MAX];
	int fd;

	pack_path(l->store->folder, l->id.pack, path);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		err_set_errno(&l->err, errno, "opening %s", path);
	return fd;
}

static enum blob_look
look_read(struct blob_look_task *l, int fd)
{
	size_t all = RECORD_HEADER_BYTES + (size_t)l->id.length;
	char *bytes = mem_alloc(all);
	enum blob_look look = BLOB_LOOK_TORN;
	ssize_t got;

	/* Data that a writer left in the page cache when it was killed. */
	got = pack_io.fdatasync(fd) == 0 ? pread(fd, bytes, all, (off_t)(l->id.offset - RECORD_HEADER_BYTES)) : -1;
	if (got < 0) {
		err_set_errno(&l->err, errno, "reading a pack");
		look = BLOB_LOOK_UNKNOWN;
	} else if ((size_t)got == all && record_is_good(bytes, bytes + RECORD_HEADER_BYTES, &l->id)) {
		look = BLOB_LOOK_WHOLE;
	}
	mem_free(bytes);
	return look;
}

static void
look_run(struct task *t)
{
	struct blob_look_task *l = (struct blob_look_task *)t;
	int fd;

	l->look = BLOB_LOOK_UNKNOWN;
	if (l->id.pack == 0 || l->id.offset < PACK_HEADER_BYTES + RECORD_HEADER_BYTES || l->id.length > BLOB_READ_MAX) {
		err_set(&l->err, ERR_INVALID, "no such place of a small body");
	} else if ((fd = look_open(l)) >= 0) {
		l->look = look_read(l, fd);
		close(fd);
	}
	store_tell_done(l->store, t);
}

static void
look_done(struct task *t)
{
	struct blob_look_task *l = (struct blob_look_task *)t;

	l->on_looked(l->arg, l->look, l->look == BLOB_LOOK_UNKNOWN ? &l->err : NULL);
	mem_free(l);
}

void
blob_look_at(struct blob_store *s, const struct blob_id *id, blob_on_looked *on_looked, void *arg)
{
	struct blob_look_task *l = mem_new(struct blob_look_task);

	CHECK(s->base != NULL);
	l->task.run = look_run;
	l->task.done = look_done;
	l->store = s;
	l->id = *id;
	l->on_looked = on_looked;
	l->arg = arg;
	task_thread_give(s, &s->readers[s->next_reader++ % READERS], &l->task);
}
