/* Frees the space of bodies in a folder of copies that nobody needs any more. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/blob/copy.h"
#include "lib/blob/pack.h"

enum { HOLE_LEAST = 4096 }; /* a smaller hole frees nothing */

/* A file system without holes keeps the bytes until their pack is removed. */
static int
prune_gap(int fd, uint64_t from, uint64_t until, struct err *err)
{
	if (until < from + HOLE_LEAST ||
	    fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(until - from)) == 0 ||
	    errno == EOPNOTSUPP)
		return 0;
	return err_set_errno(err, errno, "punching a hole");
}

/* Frees what lies between the bodies to keep, in whole records. */
static int
prune_pack(const char *path, const struct blob_id *keep, size_t count, struct err *err)
{
	uint64_t end = PACK_HEADER_BYTES;
	struct stat st;
	int fd, result = 0;

	if (count == 0)
		return unlink(path) == 0 ? 0 : err_set_errno(err, errno, "removing %s", path);
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0) {
		result = err_set_errno(err, errno, "opening %s", path);
		if (fd >= 0)
			close(fd);
		return result;
	}
	for (size_t i = 0; i < count && result == 0; i++) {
		uint64_t start = keep[i].offset - RECORD_HEADER_BYTES;
		result = prune_gap(fd, end, start, err);
		end = start + record_span(keep[i].length);
	}
	if (result == 0)
		result = prune_gap(fd, end, (uint64_t)st.st_size, err);
	close(fd);
	return result;
}

/* Where the bodies of a pack begin in the list. */
static size_t
prune_find(const struct blob_id *keep, size_t count, uint64_t pack)
{
	size_t low = 0;

	while (low < count) {
		size_t middle = low + (count - low) / 2;
		if (keep[middle].pack < pack)
			low = middle + 1;
		else
			count = middle;
	}
	return low;
}

int
blob_copy_prune(const char *folder, const struct blob_id *keep, size_t count, struct err *err)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	int result = 0;

	if (dir == NULL)
		return err_set_errno(err, errno, "reading %s", folder);
	while (result == 0 && (entry = readdir(dir)) != NULL) {
		char path[PACK_PATH_MAX];
		uint64_t pack = pack_id_of(entry->d_name);
		size_t from = prune_find(keep, count, pack), to = from;
		if (pack == 0)
			continue;
		while (to < count && keep[to].pack == pack)
			to++;
		pack_path(folder, pack, path);
		result = prune_pack(path, keep + from, to - from, err);
	}
	closedir(dir);
	return result;
}

size_t
blob_copy_count_packs(const char *folder)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	size_t count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += pack_id_of(entry->d_name) != 0;
	closedir(dir);
	return count;
}
