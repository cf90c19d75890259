/* The folder with the backups of one cluster.
 *
 *	DIR/stagepost-backup     what it is, and its own id
 *	DIR/lock                 one at a time
 *	DIR/packs/               bodies of all backups that are kept, copied once
 *	DIR/<time>/              a backup: whole, or not there under this name
 *	    manifest.json        what belongs to it, with digests
 *	    redis.rdb            the snapshot
 *	    tls/                 certificate and key of `stagepost up`
 *	DIR/unfinished/          one that was begun */
#ifndef SP_BACKUP_FOLDER_H
#define SP_BACKUP_FOLDER_H

#include <stddef.h>
#include <stdint.h>

#include "lib/base/err.h"

enum { BACKUP_PATH_MAX = 4096, BACKUP_DIR_MAX = 3800, BACKUP_NAME_MAX = 32, BACKUP_ID_MAX = 33 };

#define BACKUP_UNFINISHED "unfinished"

struct backup_folder {
	char path[BACKUP_DIR_MAX]; /* absolute */
	char packs[BACKUP_PATH_MAX];
	char id[BACKUP_ID_MAX];
	int lock; /* its descriptor */
	/* Complete backups by name, oldest first. */
	char (*names)[BACKUP_NAME_MAX]; /* owner */
	size_t count;
};

/* Opens it to add a backup: creates what is missing, and refuses a folder that
 * contains anything else. Locks out others while it is open. */
int backup_folder_open_to_write(struct backup_folder *f, const char *path, struct err *err);
/* Opens it for reading; others may read too. */
int backup_folder_open(struct backup_folder *f, const char *path, struct err *err);
void backup_folder_close(struct backup_folder *f);

/* DIR/name/file; file may be empty. */
void backup_folder_path(const struct backup_folder *f, const char *name, const char *file, char out[BACKUP_PATH_MAX]);

/* Creates an empty DIR/unfinished, removing any earlier content. */
int backup_folder_begin(struct backup_folder *f, struct err *err);
/* The backup is complete and gets the name of its time. Syncs the folder; the files in it must already be synced. */
int backup_folder_commit(struct backup_folder *f, int64_t unix_ms, char name_out[BACKUP_NAME_MAX], struct err *err);
/* Removes a complete backup. */
int backup_folder_remove(struct backup_folder *f, const char *name, struct err *err);

#endif
