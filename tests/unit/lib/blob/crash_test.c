/* The state of the blob store after a crash: a disk that kept only synced data,
 * a killed process, a full disk, failing writes and syncs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "lib/base/buf.h"
#include "tests/unit/lib/blob/blob_fixture.h"

/* ---- A disk, simulated: the system calls of the packs come by here ---- */

struct extent {
	uint64_t offset, length;
};

struct disk_file {
	ino_t inode;
	struct extent *dirty; /* written since the last sync; owner */
	unsigned dirty_count;
	uint64_t synced_end;
};

static struct {
	pthread_mutex_t lock;
	struct disk_file files[64];
	unsigned file_count;
	char names[64][32]; /* in the folder when it was last synced */
	unsigned name_count;
	char dir[64];
	uint64_t random;
	unsigned writes, syncs, folder_syncs;
	/* What is to fail: the write, or sync, of this number; 0: none. */
	unsigned fail_write, fail_sync, short_writes;
	int fail_errno;
	bool hold; /* syncs wait */
	pthread_cond_t released;
} disk = {.lock = PTHREAD_MUTEX_INITIALIZER, .released = PTHREAD_COND_INITIALIZER};

static struct disk_file *
disk_find(ino_t inode)
{
	struct disk_file *f = disk.files;

	while (f < disk.files + disk.file_count && f->inode != inode)
		f++;
	assert_true(f < disk.files + 64);
	if (f == disk.files + disk.file_count) {
		*f = (struct disk_file){.inode = inode};
		disk.file_count++;
	}
	return f;
}

static struct disk_file *
disk_file_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return disk_find(st.st_ino);
}

static ssize_t
disk_pwritev(int fd, const struct iovec *iov, int count, off_t offset)
{
	struct iovec part = iov[0];
	struct disk_file *f;
	ssize_t wrote;

	pthread_mutex_lock(&disk.lock);
	if (++disk.writes == disk.fail_write) {
		pthread_mutex_unlock(&disk.lock);
		errno = disk.fail_errno;
		return -1;
	}
	if (disk.short_writes != 0) { /* a part of the first piece only */
		disk.short_writes--;
		part.iov_len = part.iov_len > 10 ? 10 : part.iov_len;
		iov = &part;
		count = 1;
	}
	wrote = pwritev(fd, iov, count, offset);
	if (wrote > 0) {
		f = disk_file_of(fd);
		f->dirty = mem_realloc(f->dirty, (f->dirty_count + 1) * sizeof(f->dirty[0]));
		f->dirty[f->dirty_count++] = (struct extent){(uint64_t)offset, (uint64_t)wrote};
	}
	pthread_mutex_unlock(&disk.lock);
	return wrote;
}

/* One thread writes to a pack: nothing comes in while it syncs. */
static int
disk_fdatasync(int fd)
{
	struct disk_file *f;

	usleep(300); /* time for others to come and share the next one */
	pthread_mutex_lock(&disk.lock);
	while (disk.hold)
		pthread_cond_wait(&disk.released, &disk.lock);
	if (++disk.syncs == disk.fail_sync) {
		pthread_mutex_unlock(&disk.lock);
		errno = disk.fail_errno;
		return -1;
	}
	f = disk_file_of(fd);
	for (unsigned i = 0; i < f->dirty_count; i++)
		if (f->dirty[i].offset + f->dirty[i].length > f->synced_end)
			f->synced_end = f->dirty[i].offset + f->dirty[i].length;
	f->dirty_count = 0;
	pthread_mutex_unlock(&disk.lock);
	return 0;
}

static int
disk_fsync(int fd)
{
	struct dirent *entry;
	DIR *d;

	(void)fd;
	pthread_mutex_lock(&disk.lock);
	disk.folder_syncs++;
	disk.name_count = 0;
	d = opendir(disk.dir);
	while (d != NULL && (entry = readdir(d)) != NULL)
		if (strstr(entry->d_name, ".pack") != NULL)
			str_copy(str_c(entry->d_name), disk.names[disk.name_count++], sizeof(disk.names[0]));
	if (d != NULL)
		closedir(d);
	pthread_mutex_unlock(&disk.lock);
	return 0;
}

static void
disk_reset(const char *dir, uint64_t seed)
{
	for (unsigned i = 0; i < disk.file_count; i++)
		mem_free(disk.files[i].dirty);
	disk.file_count = disk.name_count = disk.writes = disk.syncs = disk.folder_syncs = 0;
	disk.fail_write = disk.fail_sync = disk.short_writes = 0;
	disk.hold = false;
	disk.random = seed;
	strcpy(disk.dir, dir);
}

static uint64_t
dice(uint64_t sides)
{
	return body_random(&disk.random) % sides;
}

/* Of each sector that was not synced: the new bytes, the old zeros, or worse. */
static void
spoil(char *data, uint64_t size, const struct disk_file *f)
{
	for (unsigned i = 0; i < f->dirty_count; i++) {
		uint64_t at = f->dirty[i].offset, end = at + f->dirty[i].length;
		while (at < end) {
			uint64_t next = (at / 512 + 1) * 512 < end ? (at / 512 + 1) * 512 : end;
			uint64_t fate = dice(3);
			for (; at < next; at++)
				if (at < size && fate != 0)
					data[at] = fate == 1 ? '\0' : (char)dice(256);
		}
	}
}

/* One file of the disk, as the power cut leaves it. */
static void
copy_spoilt(const char *from, const char *to)
{
	struct stat st;
	struct disk_file *f;
	char *data;
	FILE *in = fopen(from, "r"), *out = fopen(to, "w");
	uint64_t size;

	assert_true(in != NULL && out != NULL);
	assert_int_equal(fstat(fileno(in), &st), 0);
	f = disk_find(st.st_ino);
	data = mem_zalloc((size_t)st.st_size + 1);
	size = fread(data, 1, (size_t)st.st_size, in);
	spoil(data, size, f);
	/* The length may be older than the last write, never than the last sync. */
	if (dice(2) == 0 && size > f->synced_end)
		size = f->synced_end + dice(size - f->synced_end);
	while (size > f->synced_end && data[size - 1] == '\0')
		size--; /* sparse enough for a test */
	assert_int_equal(fwrite(data, 1, size, out), size);
	fclose(in);
	fclose(out);
	mem_free(data);
}

/* Cuts the power: the folder that is found after it. */
static void
disk_cut(char to[64])
{
	char from_path[200], to_path[200];

	strcpy(to, "/tmp/stagepost-blob-XXXXXX");
	assert_non_null(mkdtemp(to));
	pthread_mutex_lock(&disk.lock);
	for (unsigned i = 0; i < disk.name_count; i++) {
		snprintf(from_path, sizeof(from_path), "%s/%s", disk.dir, disk.names[i]);
		snprintf(to_path, sizeof(to_path), "%s/%s", to, disk.names[i]);
		if (access(from_path, F_OK) == 0)
			copy_spoilt(from_path, to_path);
	}
	pthread_mutex_unlock(&disk.lock);
}

static int
setup(void **state)
{
	struct blob_fixture *f = mem_new(struct blob_fixture);

	blob_fixture_start(f);
	disk_reset(f->dir, 12345);
	pack_io = (struct pack_io){.pwritev = disk_pwritev, .fdatasync = disk_fdatasync, .fsync = disk_fsync};
	*state = f;
	return 0;
}

static int
teardown(void **state)
{
	struct blob_fixture *f = *state;

	disk_reset("", 1);
	blob_fixture_stop(f);
	mem_free(f);
	pack_io = (struct pack_io){.pwritev = pwritev, .fdatasync = fdatasync, .fsync = fsync};
	return 0;
}

/* ---- Only what was synced ---- */

enum { BODIES = 300, AT_ONCE = 12 };

static struct body bodies[BODIES];

static bool
is_stored(void *arg, const struct blob_id *id)
{
	(void)arg;
	for (unsigned i = 0; i < BODIES; i++)
		if (bodies[i].done && bodies[i].id.pack == id->pack && bodies[i].id.offset == id->offset)
			return true;
	return false;
}

static void
check_all_stored(struct blob_store *s)
{
	struct err err = {0};

	for (unsigned i = 0; i < BODIES; i++)
		if (bodies[i].done && !body_is_intact(s, &bodies[i].id, bodies[i].seed, bodies[i].len, &err))
			fail_msg("body %u of %zu bytes: %s", i, bodies[i].len, err.text);
}

/* All that was acknowledged is there, before and after a sweep that takes all
 * else away; what else there is cannot be taken for a body that it is not. */
static void
check_after_power_cut(void)
{
	int64_t later = clock_unix_ms() + 3600 * 1000;
	char dir[64], url[80];
	struct blob_usage usage;
	struct blob_store *s;
	uint64_t stored = 0;
	struct err err;

	disk_cut(dir);
	snprintf(url, sizeof(url), "file:%s", dir);
	s = blob_store_open(NULL, url, &err);
	assert_non_null(s);
	for (unsigned i = 0; i < BODIES; i++)
		stored += bodies[i].done;
	check_all_stored(s);
	assert_int_equal(blob_sweep(s, later, is_stored, NULL, &err), 0);
	check_all_stored(s);
	assert_int_equal(blob_usage(s, &usage, &err), 0);
	assert_int_equal(usage.blobs, stored);
	blob_store_close(&s);
	blob_fixture_remove_folder(dir);
}

/* Mostly small ones, some streams, some that are given up, some digests. */
static void
start_body(struct blob_fixture *f, unsigned i, unsigned *done)
{
	uint64_t kind = dice(10);
	char digest[300];

	bodies[i] = (struct body){.seed = i + 1, .len = dice(kind < 7 ? 6000 : 300000), .done_count = done};
	if (kind == 0) {
		struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, 0);
		char *part = body_new(99, 100000);
		assert_int_equal(blob_append_data(a, part, 100000, NULL), 0);
		mem_free(part);
		blob_append_abort(&a);
	}
	body_fill(77, digest, sizeof(digest));
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, digest, sizeof(digest), NULL, NULL, NULL, NULL), 0);
	body_append(f, &bodies[i], dice(2) == 0 ? bodies[i].len : 0, 20000);
}

static void
test_only_synced_data_is_kept(void **state)
{
	struct blob_fixture *f = *state;
	unsigned started = 0, done = 0, cuts = 0;

	memset(bodies, 0, sizeof(bodies));
	while (done < BODIES) {
		unsigned before = done;
		while (started < BODIES && started - done < AT_ONCE)
			start_body(f, started++, &done);
		blob_fixture_wait(f, &done, before + 1);
		assert_true(done > before);
		if (done >= (cuts + 1) * BODIES / 16) {
			cuts++;
			check_after_power_cut();
		}
	}
	check_after_power_cut();
	assert_true(cuts >= 1); /* how many bodies end at once is the machine's */
	memset(bodies, 0, sizeof(bodies));
}

/* ---- Group commit ---- */

static void
hold_syncs(bool hold)
{
	pthread_mutex_lock(&disk.lock);
	disk.hold = hold;
	pthread_cond_broadcast(&disk.released);
	pthread_mutex_unlock(&disk.lock);
}

/* While one sync runs, all that comes waits, and shares the next one. */
static void
test_group_commit(void **state)
{
	struct blob_fixture *f = *state;
	struct body first = {.seed = 1, .len = 100}, *more = mem_zalloc(600 * sizeof(*more));
	unsigned done = 0, syncs;

	assert_true(body_put(f, &first));
	syncs = disk.syncs;
	hold_syncs(true);
	for (unsigned i = 0; i < 600; i++) {
		more[i] = (struct body){.seed = i, .len = i, .done_count = &done};
		body_append(f, &more[i], 0, 100);
	}
	for (unsigned turn = 0; turn < 20; turn++)
		event_base_loop(f->base, EVLOOP_NONBLOCK);
	assert_int_equal(done, 0); /* none before its sync */
	hold_syncs(false);
	assert_true(blob_fixture_wait(f, &done, 600));
	/* One or some were taken before the others came; 256 go together at most. */
	assert_true(disk.syncs - syncs <= 5);
	for (unsigned i = 0; i < 600; i++)
		assert_true(body_is_intact(f->store, &more[i].id, i, i, NULL));
	assert_int_equal(more[599].id.pack, first.id.pack);
	mem_free(more);
}

/* ---- Writes and syncs that fail ---- */

struct failure {
	size_t len;
	bool sync;	/* or the write */
	unsigned after; /* how many succeed first */
	int errno_value;
	enum err_code code;
};

static void
check_failure(struct blob_fixture *f, const struct failure *c)
{
	struct body before = {.seed = 1, .len = 3000}, failing = {.seed = 2, .len = c->len};
	struct body after[2] = {{.seed = 3, .len = c->len}, {.seed = 4, .len = 50}};
	struct blob_usage usage;
	unsigned packs;
	struct err err;

	assert_true(body_put(f, &before));
	packs = pack_files(f->dir);
	disk.fail_errno = c->errno_value;
	if (c->sync)
		disk.fail_sync = disk.syncs + 1 + c->after;
	else
		disk.fail_write = disk.writes + 1 + c->after;
	assert_false(body_put(f, &failing));
	assert_int_equal(failing.err.code, c->code);
	disk.fail_sync = disk.fail_write = 0;
	/* What came before is there, nothing of the failed one is left, and what
	 * comes after goes well. */
	assert_true(body_put(f, &after[0]) && body_put(f, &after[1]));
	assert_true(pack_files(f->dir) <= packs + 2);
	for (unsigned pass = 0; pass < 2; pass++) {
		assert_true(body_is_intact(f->store, &before.id, 1, 3000, &err));
		assert_true(body_is_intact(f->store, &after[0].id, 3, c->len, &err));
		assert_true(body_is_intact(f->store, &after[1].id, 4, 50, &err));
		blob_fixture_reopen(f);
	}
	assert_int_equal(blob_usage(f->store, &usage, &err), 0);
	assert_int_equal(usage.blobs, 3);
}

static void
test_failures(void **state)
{
	static const struct failure cases[] = {
		{100, false, 0, ENOSPC, ERR_NO_SPACE},
		{100, false, 0, EIO, ERR_IO},
		{100, true, 0, EIO, ERR_IO},
		{100, true, 0, ENOSPC, ERR_NO_SPACE},
		{300000, false, 0, EIO, ERR_IO}, /* the header of the stream's pack */
		{300000, false, 1, ENOSPC, ERR_NO_SPACE},
		{300000, false, 3, EDQUOT, ERR_NO_SPACE},
		{300000, false, 6, EIO, ERR_IO}, /* the record's header */
		{300000, true, 0, EIO, ERR_IO},
		{300000, true, 1, EIO, ERR_IO},
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(setup(state), 0);
		check_failure(*state, &cases[i]);
		assert_int_equal(teardown(state), 0);
	}
	setup(state);
}

/* A stream that fails in the middle says so while it is still being given. */
static void
test_failing_stream_says_so(void **state)
{
	struct blob_fixture *f = *state;
	struct blob_append *a = blob_append_begin(f->store, BLOB_BODY, 0);
	struct err err = {0};
	char piece[4096];
	unsigned given = 0;

	body_fill(1, piece, sizeof(piece));
	disk.fail_write = 3;
	disk.fail_errno = ENOSPC;
	while (given < 1000000 && blob_append_data(a, piece, sizeof(piece), &err) == 0) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		given++;
	}
	assert_int_equal(err.code, ERR_NO_SPACE);
	assert_int_equal(blob_append_data(a, piece, 1, &err), -1); /* it stays so */
	assert_int_equal(err.code, ERR_NO_SPACE);
	blob_append_abort(&a);
}

static void
test_short_writes(void **state)
{
	struct blob_fixture *f = *state;
	struct body small = {.seed = 1, .len = 3000}, large = {.seed = 2, .len = 200000};

	disk.short_writes = 40;
	assert_true(body_put(f, &small));
	disk.short_writes = 40;
	assert_true(body_put(f, &large));
	assert_true(body_is_intact(f->store, &small.id, 1, 3000, NULL));
	assert_true(body_is_intact(f->store, &large.id, 2, 200000, NULL));
}

/* A digest that could not be written is no trouble: the next one is told that
 * it has no place, or it goes to a new pack. */
static void
test_failing_digests(void **state)
{
	struct blob_fixture *f = *state;
	struct body b[3] = {{.seed = 1, .len = 10}, {.seed = 2, .len = 10}, {.seed = 3, .len = 10}};
	int64_t until = clock_monotonic_ms() + 30000;
	struct blob_id id;
	char got[6];
	struct err err;

	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "first", 5, &id, NULL, NULL, &err), 0);
	assert_true(body_put(f, &b[0])); /* the first is written by now */
	disk.fail_errno = EIO;
	disk.fail_write = disk.writes + 1;
	assert_int_equal(blob_put(f->store, BLOB_DIGEST, "lost", 4, &id, NULL, NULL, &err), 0);
	assert_true(body_put(f, &b[1]));
	assert_int_equal(blob_read_sync(f->store, &id, 0, got, 4, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	/* Refused while the committer is at work still: its pack is in its hands. */
	while (blob_put(f->store, BLOB_DIGEST, "found", 5, &id, NULL, NULL, &err) != 0) {
		assert_true(clock_monotonic_ms() < until);
		usleep(1000);
	}
	assert_true(body_put(f, &b[2]));
	assert_int_equal(blob_read_sync(f->store, &id, 0, got, 5, &err), 5);
	assert_memory_equal(got, "found", 5);
}

/* ---- A full disk ---- */

static void
test_full_disk(void **state)
{
	struct blob_fixture *f = *state;
	struct blob_fixture small = {.base = f->base};
	struct body stored[200];
	unsigned count = 0, more = 0;
	struct err err;

	strcpy(small.dir, f->dir);
	strcat(small.dir, "/small");
	assert_int_equal(mkdir(small.dir, 0700), 0);
	if (mount("tmpfs", small.dir, "tmpfs", 0, "size=3m") != 0) {
		print_message("not allowed to mount: skipped\n");
		skip();
	}
	snprintf(small.url, sizeof(small.url), "file:%s", small.dir);
	small.store = blob_store_open(f->base, small.url, &err);
	assert_non_null(small.store);
	for (; count < 200; count++) {
		stored[count] = (struct body){.seed = count, .len = count % 5 == 4 ? 150000 : 20000};
		if (!body_put(&small, &stored[count]))
			break;
	}
	assert_true(count > 20 && count < 200);
	assert_int_equal(stored[count].err.code, ERR_NO_SPACE);
	for (unsigned i = 0; i < count; i++)
		assert_true(body_is_intact(small.store, &stored[i].id, i, stored[i].len, &err));
	/* There is room again once something is released. */
	for (unsigned i = 0; i < count; i += 2)
		blob_release(small.store, &stored[i].id);
	blob_fixture_reopen(&small);
	while (more < 5 && body_put(&small, &(struct body){.seed = 1000 + more, .len = 20000}))
		more++;
	assert_int_equal(more, 5);
	for (unsigned i = 1; i < count; i += 2)
		assert_true(body_is_intact(small.store, &stored[i].id, i, stored[i].len, &err));
	blob_store_close(&small.store);
	assert_int_equal(umount(small.dir), 0);
}

/* ---- kill -9 ---- */

struct ack {
	uint64_t seed, len;
	struct blob_id id;
};

static int ack_fd;

static void
on_child_appended(void *arg, const struct blob_id *id, const struct err *err)
{
	struct body *b = arg;
	struct ack ack = {b->seed, b->len, {0}};

	if (err != NULL)
		_exit(2);
	ack.id = *id;
	if (write(ack_fd, &ack, sizeof(ack)) != sizeof(ack))
		_exit(3);
	++*b->done_count;
	mem_free(b);
}

/* Writes without end, and tells each id that it was given. */
static void
child_writer(const char *url, uint64_t seed)
{
	struct blob_fixture f = {.base = event_base_new()};
	unsigned done = 0, started = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	f.store = blob_store_open(f.base, url, NULL);
	for (;;) {
		while (started - done < 20) {
			struct body *b = mem_new(struct body);
			struct blob_append *a;
			char *data;
			b->seed = seed + started++;
			b->len = b->seed % 7 == 0 ? 150000 : b->seed % 5000;
			b->done_count = &done;
			a = blob_append_begin(f.store, BLOB_BODY, 0);
			data = body_new(b->seed, b->len);
			if (blob_append_data(a, data, b->len, NULL) != 0)
				_exit(4);
			mem_free(data);
			blob_append_commit(&a, on_child_appended, b);
		}
		event_base_loop(f.base, EVLOOP_ONCE);
	}
}

static unsigned
run_and_kill(struct blob_fixture *f, uint64_t seed, unsigned acks_before_kill, struct buf *acks)
{
	unsigned before = (unsigned)(acks->len / sizeof(struct ack));
	int fds[2], status;
	struct ack ack;
	pid_t pid;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		ack_fd = fds[1];
		child_writer(f->url, seed);
	}
	close(fds[1]);
	for (unsigned i = 0; read(fds[0], &ack, sizeof(ack)) == sizeof(ack); i++) {
		buf_add(acks, &ack, sizeof(ack));
		if (i + 1 == acks_before_kill)
			kill(pid, SIGKILL);
	}
	close(fds[0]);
	assert_true(waitpid(pid, &status, 0) == pid);
	assert_true(WIFSIGNALED(status));
	return (unsigned)(acks->len / sizeof(struct ack)) - before;
}

static bool
is_acknowledged(void *arg, const struct blob_id *id)
{
	const struct buf *acks = arg;

	for (size_t at = 0; at < acks->len; at += sizeof(struct ack)) {
		struct ack ack;
		memcpy(&ack, acks->data + at, sizeof(ack));
		if (ack.id.pack == id->pack && ack.id.offset == id->offset)
			return true;
	}
	return false;
}

static void
check_acks(struct blob_store *s, const struct buf *acks)
{
	for (size_t at = 0; at < acks->len; at += sizeof(struct ack)) {
		struct err err = {0};
		struct ack ack;
		memcpy(&ack, acks->data + at, sizeof(ack));
		if (!body_is_intact(s, &ack.id, ack.seed, ack.len, &err))
			fail_msg("body %llu: %s", (unsigned long long)ack.seed, err.text);
	}
}

static void
test_killed_writer(void **state)
{
	static const unsigned acks_before_kill[] = {1, 2, 30, 77, 200};
	struct blob_fixture *f = *state;
	struct buf acks = BUF_EMPTY;
	struct blob_usage usage;
	struct err err;

	pack_io = (struct pack_io){.pwritev = pwritev, .fdatasync = fdatasync, .fsync = fsync};
	for (unsigned i = 0; i < sizeof(acks_before_kill) / sizeof(acks_before_kill[0]); i++) {
		assert_true(run_and_kill(f, 10000 * (i + 1), acks_before_kill[i], &acks) >= acks_before_kill[i]);
		check_acks(f->store, &acks);
	}
	assert_int_equal(blob_sweep(f->store, clock_unix_ms() + 3600000, is_acknowledged, &acks, &err), 0);
	check_acks(f->store, &acks);
	assert_int_equal(blob_usage(f->store, &usage, &err), 0);
	assert_int_equal(usage.blobs, acks.len / sizeof(struct ack));
	buf_fini(&acks);
}

#define CRASH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CRASH_TEST(test_only_synced_data_is_kept),
		CRASH_TEST(test_group_commit),
		cmocka_unit_test_teardown(test_failures, teardown),
		CRASH_TEST(test_failing_stream_says_so),
		CRASH_TEST(test_short_writes),
		CRASH_TEST(test_failing_digests),
		CRASH_TEST(test_full_disk),
		CRASH_TEST(test_killed_writer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
