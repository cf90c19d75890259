/* A disk, simulated: the system calls of the packs come by here, can fail or wait, and the
 * power can be cut. Header only. */
#ifndef SP_TESTS_UNIT_DISK_FIXTURE_H
#define SP_TESTS_UNIT_DISK_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <pthread.h>

#include "tests/unit/lib/blob/blob_fixture.h"

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

static inline struct disk_file *
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

static inline struct disk_file *
disk_file_of(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return disk_find(st.st_ino);
}

static inline ssize_t
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
static inline int
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

static inline int
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

static inline void
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

static inline uint64_t
dice(uint64_t sides)
{
	return body_random(&disk.random) % sides;
}

/* Of each sector that was not synced: the new bytes, the old zeros, or worse. */
static inline void
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
static inline void
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
static inline void
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

static inline int
setup(void **state)
{
	struct blob_fixture *f = mem_new(struct blob_fixture);

	blob_fixture_start(f);
	disk_reset(f->dir, 12345);
	pack_io = (struct pack_io){.pwritev = disk_pwritev, .fdatasync = disk_fdatasync, .fsync = disk_fsync};
	*state = f;
	return 0;
}

static inline int
teardown(void **state)
{
	struct blob_fixture *f = *state;

	disk_reset("", 1);
	blob_fixture_stop(f);
	mem_free(f);
	pack_io = (struct pack_io){.pwritev = pwritev, .fdatasync = fdatasync, .fsync = fsync};
	return 0;
}

#define CRASH_TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

#endif
