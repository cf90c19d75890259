/* A snapshot as files that redis-server reads when it starts: its append-only log in
 * the form of Redis 7, whose base is a snapshot. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "ctl/restore.h"
#include "lib/base/clock.h"
#include "lib/base/folder.h"

#define BASE_FILE     "appendonly.aof.1.base.rdb"
#define MANIFEST_FILE "appendonly.aof.manifest"

enum { FILES_PATH_MAX = LAYOUT_PATH_MAX + 80 };

struct files_writing {
	struct rdb_writer *writer;
	struct backup_onward onward;
	unsigned database;
	uint64_t keys;
};

static bool
files_exists(const struct layout *l, const char *name)
{
	char path[LAYOUT_PATH_MAX];

	layout_path(l, name, path);
	return access(path, F_OK) == 0;
}

bool
restore_files_hold_data(const struct layout *l)
{
	return files_exists(l, "redis/appendonlydir") || files_exists(l, "redis/dump.rdb");
}

static int
files_on_entry(void *arg, const struct rdb_entry *entry, struct err *err)
{
	struct files_writing *w = arg;
	struct rdb_entry e = *entry;
	bool wanted;

	if (restore_entry(&w->onward, w->database, &e, &wanted, err) != 0)
		return -1;
	if (!wanted)
		return 0;
	w->keys++;
	return rdb_writer_add(w->writer, &e, err);
}

static int
files_write_base(const char *path, const char *rdb_path, unsigned database, uint64_t *keys_out, struct err *err)
{
	struct files_writing w = {.database = database};
	int result;

	/* One left by an earlier restore. */
	if (unlink(path) != 0 && errno != ENOENT)
		return err_set_errno(err, errno, "removing %s", path);
	w.writer = rdb_writer_new(path, err);
	if (w.writer == NULL)
		return -1;
	result = rdb_read(rdb_path, files_on_entry, &w, err);
	backup_onward_fini(&w.onward);
	if (result != 0) {
		rdb_writer_drop(&w.writer);
		return -1;
	}
	*keys_out = w.keys;
	return rdb_writer_finish(&w.writer, err);
}

static int
files_write_manifest(const char *path, struct err *err)
{
	FILE *f = fopen(path, "we");
	int result = 0;

	if (f == NULL)
		return err_set_errno(err, errno, "making %s", path);
	fprintf(f, "file " BASE_FILE " seq 1 type b\n");
	if (fflush(f) != 0 || fsync(fileno(f)) != 0)
		result = err_set_errno(err, errno, "writing %s", path);
	fclose(f);
	return result;
}

static int
files_put_in_place(const struct layout *l, const char *made, struct err *err)
{
	char place[LAYOUT_PATH_MAX], aside[FILES_PATH_MAX], folder[LAYOUT_PATH_MAX], when[CLOCK_ISO8601_MAX];

	layout_path(l, "redis", folder);
	layout_path(l, "redis/appendonlydir", place);
	clock_iso8601(clock_unix_ms(), when, sizeof(when));
	snprintf(aside, sizeof(aside), "%s.before-%s", place, when);
	if (rename(place, aside) != 0 && errno != ENOENT)
		return err_set_errno(err, errno, "putting %s aside", place);
	if (rename(made, place) != 0)
		return err_set_errno(err, errno, "renaming %s", made);
	return folder_sync(folder, err);
}

int
restore_files_write(const struct layout *l, const char *rdb_path, unsigned database, uint64_t *keys_out,
		    struct err *err)
{
	char made[LAYOUT_PATH_MAX], base[FILES_PATH_MAX], manifest[FILES_PATH_MAX];

	layout_path(l, "redis/appendonlydir.new", made);
	snprintf(base, sizeof(base), "%s/" BASE_FILE, made);
	snprintf(manifest, sizeof(manifest), "%s/" MANIFEST_FILE, made);
	if (mkdir(made, 0755) != 0 && errno != EEXIST)
		return err_set_errno(err, errno, "making the folder %s", made);
	if (files_write_base(base, rdb_path, database, keys_out, err) != 0 ||
	    files_write_manifest(manifest, err) != 0 || folder_sync(made, err) != 0)
		return -1;
	return files_put_in_place(l, made, err);
}
