/* The folder that backups go to. */
#include "lib/backup/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/folder.h"
#include "lib/base/hex.h"
#include "lib/base/mem.h"
#include "lib/base/str.h"

#define FOLDER_MARK "stagepost-backup"
#define FOLDER_TEXT "Backups of a Stagepost cluster, format 1, id "

/* ---- Names ---- */

/* "2026-11-30T13-16-39.123Z": names sort by time. */
static void
folder_name_of(int64_t unix_ms, char out[BACKUP_NAME_MAX])
{
	clock_iso8601(unix_ms, out, BACKUP_NAME_MAX);
	for (char *p = out; *p != '\0'; p++)
		if (*p == ':')
			*p = '-';
}

static int
folder_is_backup(const struct dirent *entry)
{
	return strlen(entry->d_name) == strlen("2026-11-30T13-16-39.123Z") && entry->d_name[10] == 'T' &&
	       entry->d_name[23] == 'Z';
}

static int
folder_read_names(struct backup_folder *f, struct err *err)
{
	struct dirent **list;
	int count = scandir(f->path, &list, folder_is_backup, alphasort);

	if (count < 0)
		return err_set_errno(err, errno, "reading %s", f->path);
	mem_free(f->names);
	f->names = mem_alloc((size_t)count * sizeof(*f->names));
	f->count = (size_t)count;
	for (int i = 0; i < count; i++) {
		str_copy(str_c(list[i]->d_name), f->names[i], BACKUP_NAME_MAX);
		free(list[i]);
	}
	free(list);
	return 0;
}

void
backup_folder_path(const struct backup_folder *f, const char *name, const char *file, char out[BACKUP_PATH_MAX])
{
	CHECK((size_t)snprintf(out, BACKUP_PATH_MAX, "%s/%s%s%s", f->path, name, file[0] != '\0' ? "/" : "", file) <
	      BACKUP_PATH_MAX);
}

/* ---- Opening ---- */

static int
folder_not_hidden(const struct dirent *entry)
{
	return entry->d_name[0] != '.' && strcmp(entry->d_name, "lost+found") != 0;
}

/* Only an empty folder becomes ours: any other may be something else. */
static int
folder_make(struct backup_folder *f, struct err *err)
{
	char path[BACKUP_PATH_MAX], made[BACKUP_PATH_MAX], id[BACKUP_ID_MAX];
	unsigned char random[(BACKUP_ID_MAX - 1) / 2];
	struct dirent **list;
	int count = scandir(f->path, &list, folder_not_hidden, NULL);
	FILE *file;

	if (count < 0)
		return err_set_errno(err, errno, "reading %s", f->path);
	for (int i = 0; i < count; i++)
		free(list[i]);
	free(list);
	backup_folder_path(f, FOLDER_MARK, "", path);
	snprintf(made, sizeof(made), "%s/." FOLDER_MARK ".new", f->path);
	if (count != 0)
		return err_set(err, ERR_INVALID, "%.150s is not empty, and is not a backup folder", f->path);
	CHECK(RAND_bytes(random, sizeof(random)) == 1);
	file = fopen(made, "we");
	if (file == NULL)
		return err_set_errno(err, errno, "making %s", made);
	fputs(FOLDER_TEXT, file);
	hex_write(random, sizeof(random), id);
	fprintf(file, "%s\n", id);
	if (fflush(file) != 0 || fsync(fileno(file)) != 0 || rename(made, path) != 0) {
		fclose(file);
		return err_set_errno(err, errno, "making %s", path);
	}
	fclose(file);
	return folder_sync(f->path, err);
}

/* ERR_NOT_FOUND: it has no mark. */
static int
folder_read_mark(struct backup_folder *f, struct err *err)
{
	char path[BACKUP_PATH_MAX], text[128] = "";
	size_t front = strlen(FOLDER_TEXT);
	FILE *file;

	backup_folder_path(f, FOLDER_MARK, "", path);
	file = fopen(path, "re");
	if (file == NULL && errno == ENOENT)
		return err_set(err, ERR_NOT_FOUND, "%.150s is not a backup folder", f->path);
	if (file == NULL)
		return err_set_errno(err, errno, "opening %s", path);
	if (fgets(text, sizeof(text), file) == NULL || strncmp(text, FOLDER_TEXT, front) != 0) {
		fclose(file);
		return err_set(err, ERR_INVALID, "the backups in %.150s have an unknown format", f->path);
	}
	fclose(file);
	str_copy(str_first(str_trim(str_c(text + front)), BACKUP_ID_MAX - 1), f->id, sizeof(f->id));
	return 0;
}

static int
folder_lock(struct backup_folder *f, int how, struct err *err)
{
	char path[BACKUP_PATH_MAX];

	backup_folder_path(f, "lock", "", path);
	/* A copy on a read-only medium needs no lock against writers. */
	f->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (f->lock < 0 && how == LOCK_SH)
		return 0;
	if (f->lock < 0)
		return err_set_errno(err, errno, "opening %s", path);
	if (flock(f->lock, how | LOCK_NB) != 0)
		return err_set(err, ERR_EXISTS, "the backups in %.150s are in use by another process", f->path);
	return 0;
}

static int
folder_find(struct backup_folder *f, const char *path, struct err *err)
{
	char absolute[PATH_MAX];

	*f = (struct backup_folder){.lock = -1};
	if (realpath(path, absolute) == NULL)
		return err_set_errno(err, errno, "finding %s", path);
	if (!str_copy(str_c(absolute), f->path, sizeof(f->path)))
		return err_set(err, ERR_INVALID, "the path %.150s is too long", path);
	backup_folder_path(f, "packs", "", f->packs);
	return 0;
}

int
backup_folder_open(struct backup_folder *f, const char *path, struct err *err)
{
	if (folder_find(f, path, err) == 0 && folder_read_mark(f, err) == 0 && folder_lock(f, LOCK_SH, err) == 0 &&
	    folder_read_names(f, err) == 0)
		return 0;
	backup_folder_close(f);
	return -1;
}

int
backup_folder_open_to_write(struct backup_folder *f, const char *path, struct err *err)
{
	int result;

	*f = (struct backup_folder){.lock = -1};
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return err_set_errno(err, errno, "making the folder %s", path);
	result = folder_find(f, path, err);
	if (result == 0 && folder_read_mark(f, err) != 0)
		result = err->code == ERR_NOT_FOUND ? folder_make(f, err) : -1;
	if (result == 0 && folder_lock(f, LOCK_EX, err) == 0 && folder_read_mark(f, err) == 0 &&
	    folder_read_names(f, err) == 0) {
		if (mkdir(f->packs, 0700) == 0 || errno == EEXIST)
			return 0;
		err_set_errno(err, errno, "making the folder %s", f->packs);
	}
	backup_folder_close(f);
	return -1;
}

void
backup_folder_close(struct backup_folder *f)
{
	if (f->lock >= 0)
		close(f->lock);
	mem_free(f->names);
	f->names = NULL;
	f->count = 0;
	f->lock = -1;
}

/* ---- One backup ---- */

static int
folder_remove_entry(const char *path, const struct stat *st, int kind, struct FTW *where)
{
	(void)st, (void)kind, (void)where;
	return remove(path);
}

static int
folder_remove_tree(const char *path, struct err *err)
{
	if (nftw(path, folder_remove_entry, 8, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
		return 0;
	return err_set_errno(err, errno, "removing %s", path);
}

int
backup_folder_begin(struct backup_folder *f, struct err *err)
{
	char path[BACKUP_PATH_MAX];

	backup_folder_path(f, BACKUP_UNFINISHED, "", path);
	if (folder_remove_tree(path, err) != 0)
		return -1;
	return mkdir(path, 0700) == 0 ? 0 : err_set_errno(err, errno, "making the folder %s", path);
}

int
backup_folder_commit(struct backup_folder *f, int64_t unix_ms, char name_out[BACKUP_NAME_MAX], struct err *err)
{
	char path[BACKUP_PATH_MAX], whole[BACKUP_PATH_MAX];

	folder_name_of(unix_ms, name_out);
	backup_folder_path(f, BACKUP_UNFINISHED, "", path);
	backup_folder_path(f, name_out, "", whole);
	if (folder_sync(path, err) != 0)
		return -1;
	if (rename(path, whole) != 0)
		return err_set_errno(err, errno, "renaming %s", path);
	return folder_sync(f->path, err) == 0 ? folder_read_names(f, err) : -1;
}

/* Renamed first: half a backup must not be taken for a complete one. */
int
backup_folder_remove(struct backup_folder *f, const char *name, struct err *err)
{
	char path[BACKUP_PATH_MAX], going[BACKUP_PATH_MAX];

	backup_folder_path(f, name, "", path);
	if (backup_folder_begin(f, err) != 0)
		return -1;
	backup_folder_path(f, BACKUP_UNFINISHED, name, going);
	if (rename(path, going) != 0)
		return err_set_errno(err, errno, "removing %s", path);
	backup_folder_path(f, BACKUP_UNFINISHED, "", going);
	return folder_remove_tree(going, err) == 0 ? folder_read_names(f, err) : -1;
}
