/* Freeing space: releasing one body, and the sweep over all packs. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/blob/store.h"

/* ---- One body ---- */

/* The state byte comes first: from then on nobody reads the body, complete or not. */
static int
release_punch(int fd, const struct blob_id *id, struct err *err)
{
	char header[RECORD_HEADER_BYTES], released = 1;
	struct record r;
	off_t at = (off_t)(id->offset - RECORD_HEADER_BYTES);

	if (pread(fd, header, sizeof(header), at) != sizeof(header) || !record_decode(header, &r) ||
	    r.length != id->length)
		return err_set(err, ERR_CORRUPT, "no body to release at %llx-%llx", (unsigned long long)id->pack,
			       (unsigned long long)id->offset);
	CRASHPOINT("releasing");
	if (!r.released && pwrite(fd, &released, 1, at + 4) != 1)
		return err_set_errno(err, errno, "releasing a body");
	CRASHPOINT("release-marked");
	if (id->length != 0 &&
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)id->offset, (off_t)id->length) != 0 &&
	    errno != EOPNOTSUPP)
		return err_set_errno(err, errno, "punching a hole");
	return 0;
}

int
release_now(struct blob_store *s, const struct blob_id *id, struct err *err)
{
	char path[PACK_PATH_MAX];
	int fd, result;

	if (id->pack == 0 || id->offset < PACK_HEADER_BYTES + RECORD_HEADER_BYTES)
		return err_set(err, ERR_INVALID, "no such body");
	pack_path(s->folder, id->pack, path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0) /* the pack is gone: everything in it was released */
		return errno == ENOENT ? 0 : err_set_errno(err, errno, "opening %s", path);
	result = release_punch(fd, id, err);
	close(fd);
	return result;
}

struct release {
	struct task task;
	struct blob_store *store;
	struct blob_id id;
};

static void
run_release(struct task *t)
{
	struct release *r = (struct release *)t;
	struct err err;

	/* The sweep will find it again if this fails. */
	if (release_now(r->store, &r->id, &err) != 0)
		log_warning(NULL, "a body was not released", F_ERR(&err));
	mem_free(r);
}

void
blob_release(struct blob_store *s, const struct blob_id *id)
{
	struct release *r = mem_new(struct release);

	r->task.run = run_release;
	r->store = s;
	r->id = *id;
	task_thread_give(s, &s->releaser, &r->task);
}

/* ---- All packs ---- */

static bool
read_fd_at(void *arg, uint64_t offset, char *out, size_t bytes)
{
	return pread(*(int *)arg, out, bytes, (off_t)offset) == (ssize_t)bytes;
}

/* Calls on_pack for every pack file; stops at its first failure. */
static int
each_pack(struct blob_store *s, int (*on_pack)(void *arg, const char *path, uint64_t id, struct err *err), void *arg,
	  struct err *err)
{
	DIR *dir = opendir(s->folder);
	struct dirent *entry;
	int result = 0;

	if (dir == NULL)
		return err_set_errno(err, errno, "reading %s", s->folder);
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		char path[PACK_PATH_MAX];
		uint64_t id = pack_id_of(entry->d_name);
		if (id == 0)
			continue;
		pack_path(s->folder, id, path);
		result = on_pack(arg, path, id, err);
	}
	closedir(dir);
	return result;
}

struct usage_scan {
	struct blob_usage *usage;
};

static int
add_usage(void *arg, const char *path, uint64_t id, struct err *err)
{
	struct blob_usage *u = ((struct usage_scan *)arg)->usage;
	uint64_t offset = PACK_HEADER_BYTES, at;
	struct record r;
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	(void)id, (void)err;
	if (fd < 0) /* removed meanwhile */
		return 0;
	if (fstat(fd, &st) == 0) {
		u->packs++;
		u->allocated_bytes += (uint64_t)st.st_blocks * 512;
		while (pack_next_record(&offset, (uint64_t)st.st_size, read_fd_at, &fd, &r, &at)) {
			u->blobs += !r.released;
			u->live_bytes += r.released ? 0 : r.length;
		}
	}
	close(fd);
	return 0;
}

int
blob_usage(struct blob_store *s, struct blob_usage *usage_out, struct err *err)
{
	struct usage_scan scan = {usage_out};
	struct statvfs fs;

	*usage_out = (struct blob_usage){0};
	if (statvfs(s->folder, &fs) != 0)
		return err_set_errno(err, errno, "looking at %s", s->folder);
	usage_out->free_bytes = (uint64_t)fs.f_bavail * fs.f_frsize;
	return each_pack(s, add_usage, &scan, err);
}

struct sweep {
	int64_t older_than_ms;
	bool (*visit)(void *arg, const struct blob_id *id);
	void *arg;
};

/* Visits the records of a pack from *offset on, up to the first place without
 * one. Returns how many of them stay. */
static uint64_t
sweep_records(const struct sweep *sw, int fd, uint64_t pack, uint64_t *offset, uint64_t size)
{
	uint64_t at, live = 0;
	struct record r;
	struct err err;

	while (pack_next_record(offset, size, read_fd_at, &fd, &r, &at)) {
		struct blob_id blob = {pack, at + RECORD_HEADER_BYTES, r.length};
		if (r.released)
			continue;
		if (r.unix_ms >= sw->older_than_ms || sw->visit(sw->arg, &blob)) {
			live++;
			continue;
		}
		if (release_punch(fd, &blob, &err) != 0)
			log_warning(NULL, "a leaked body was not released", F_ERR(&err));
	}
	return live;
}

/* Counts the records after the end of the chain that are referred to, or young.
 * None: it is a torn tail. Every position is checked and nothing is released,
 * since what looks like a record here may be part of a body. */
static uint64_t
count_behind(const struct sweep *sw, int fd, uint64_t pack, uint64_t offset, uint64_t size)
{
	uint64_t live = 0, at;
	struct record r;

	for (; pack_find_record(&offset, size, read_fd_at, &fd); offset += RECORD_ALIGN) {
		uint64_t next = offset;
		struct blob_id blob;
		if (!pack_next_record(&next, size, read_fd_at, &fd, &r, &at) || r.released)
			continue;
		blob = (struct blob_id){pack, at + RECORD_HEADER_BYTES, r.length};
		live += r.unix_ms >= sw->older_than_ms || sw->visit(sw->arg, &blob);
	}
	return live;
}

/* A pack without a writer: whatever follows the last record is a torn tail or
 * zeros, and is truncated. A pack without live bodies is removed. But if intact
 * bodies follow a damaged header, everything is left as it is. */
static void
sweep_sealed(const struct sweep *sw, int fd, const char *path, uint64_t pack, const struct stat *st)
{
	uint64_t offset = PACK_HEADER_BYTES, size = (uint64_t)st->st_size;
	uint64_t live = sweep_records(sw, fd, pack, &offset, size);

	if (count_behind(sw, fd, pack, offset, size) != 0)
		log_error(NULL, "a pack is damaged: there are bodies after an invalid record", F_C("pack", path),
			  F_I64("offset", offset));
	/* A young empty pack may belong to a writer that is about to lock it. */
	else if (live == 0 && (int64_t)st->st_ctim.tv_sec * 1000 < sw->older_than_ms)
		unlink(path);
	else if (size > offset && ftruncate(fd, (off_t)offset) != 0)
		errno = 0; /* the zeros after the last record stay */
}

/* One pack: visits its live bodies. Writers hold a lock for as long as they
 * live. */
static int
sweep_pack(void *arg, const char *path, uint64_t id, struct err *err)
{
	const struct sweep *sw = arg;
	uint64_t offset = PACK_HEADER_BYTES;
	struct stat st;
	bool sealed;
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? 0 : err_set_errno(err, errno, "opening %s", path);
	sealed = flock(fd, LOCK_EX | LOCK_NB) == 0;
	if (fstat(fd, &st) != 0) {
		close(fd);
		return err_set_errno(err, errno, "looking at %s", path);
	}
	if (sealed)
		sweep_sealed(sw, fd, path, id, &st);
	else
		sweep_records(sw, fd, id, &offset, (uint64_t)st.st_size);
	close(fd);
	return 0;
}

int
blob_sweep(struct blob_store *s, int64_t older_than_unix_ms, bool (*visit)(void *arg, const struct blob_id *id),
	   void *arg, struct err *err)
{
	struct sweep sw = {older_than_unix_ms, visit, arg};

	return each_pack(s, sweep_pack, &sw, err);
}

/* ---- A pack at a time ---- */

struct sweep_task {
	struct task task;
	struct blob_store *store;
	struct sweep sweep;
	uint64_t *packs; /* owner; of a list */
	size_t count, room;
	uint64_t pack;
	blob_on_packs *on_packs;
	void (*on_done)(void *arg, const struct err *err);
	void *arg;
	bool failed;
	struct err err;
};

static int
sweep_add_pack(void *arg, const char *path, uint64_t id, struct err *err)
{
	struct sweep_task *t = arg;

	(void)path, (void)err;
	if (t->count == t->room) {
		t->room = t->room == 0 ? 64 : t->room * 2;
		t->packs = mem_realloc(t->packs, t->room * sizeof(*t->packs));
	}
	t->packs[t->count++] = id;
	return 0;
}

static void
sweep_run_list(struct task *task)
{
	struct sweep_task *t = (struct sweep_task *)task;

	t->failed = each_pack(t->store, sweep_add_pack, t, &t->err) != 0;
	store_tell_done(t->store, task);
}

static void
sweep_list_done(struct task *task)
{
	struct sweep_task *t = (struct sweep_task *)task;

	t->on_packs(t->arg, t->packs, t->count, t->failed ? &t->err : NULL);
	mem_free(t->packs);
	mem_free(t);
}

void
blob_sweep_list(struct blob_store *s, blob_on_packs *on_packs, void *arg)
{
	struct sweep_task *t = mem_new(struct sweep_task);

	t->task = (struct task){.run = sweep_run_list, .done = sweep_list_done};
	t->store = s;
	t->on_packs = on_packs;
	t->arg = arg;
	task_thread_give(s, &s->releaser, &t->task);
}

static void
sweep_run_pack(struct task *task)
{
	struct sweep_task *t = (struct sweep_task *)task;
	char path[PACK_PATH_MAX];

	pack_path(t->store->folder, t->pack, path);
	t->failed = sweep_pack(&t->sweep, path, t->pack, &t->err) != 0;
	store_tell_done(t->store, task);
}

static void
sweep_pack_done(struct task *task)
{
	struct sweep_task *t = (struct sweep_task *)task;

	t->on_done(t->arg, t->failed ? &t->err : NULL);
	mem_free(t);
}

void
blob_sweep_pack(struct blob_store *s, uint64_t pack, int64_t older_than_unix_ms,
		bool (*visit)(void *arg, const struct blob_id *id), void (*on_done)(void *arg, const struct err *err),
		void *arg)
{
	struct sweep_task *t = mem_new(struct sweep_task);

	t->task = (struct task){.run = sweep_run_pack, .done = sweep_pack_done};
	t->store = s;
	t->sweep = (struct sweep){older_than_unix_ms, visit, arg};
	t->pack = pack;
	t->on_done = on_done;
	t->arg = arg;
	task_thread_give(s, &s->releaser, &t->task);
}
