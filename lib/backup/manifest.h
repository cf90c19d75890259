/* What belongs to one backup: a JSON file in it. */
#ifndef SP_BACKUP_MANIFEST_H
#define SP_BACKUP_MANIFEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/backup/folder.h"
#include "lib/backup/transfer.h"

enum { BACKUP_FILES_MAX = 8, BACKUP_FILE_NAME_MAX = 64, BACKUP_SHA256_MAX = 65 };

#define BACKUP_SNAPSHOT "redis.rdb"

/* A file of the backup, by its path within the backup. */
struct backup_file {
	char name[BACKUP_FILE_NAME_MAX];
	unsigned mode;
	uint64_t bytes;
	char sha256[BACKUP_SHA256_MAX]; /* hexadecimal */
};

struct backup_manifest {
	int64_t time_ms;	/* unix: of the snapshot */
	char version[32];	/* of Stagepost */
	unsigned store_version; /* version of the data in Redis */
	char hostname[256];
	unsigned database;   /* of the snapshot: the number of ours */
	uint64_t keys;	     /* in it */
	uint64_t bodies;     /* intact ones, including digests */
	uint64_t bytes;	     /* of them */
	uint64_t unreadable; /* envelopes */
	struct backup_faults faults;
	struct backup_file files[BACKUP_FILES_MAX];
	unsigned file_count;
};

/* Computes the digest of a file in the backup `name`, and adds the file. */
int backup_manifest_add_file(struct backup_manifest *m, const struct backup_folder *f, const char *name,
			     const char *file, struct err *err);
/* Does the file still match its digest? ERR_CORRUPT: no. */
int backup_manifest_check_file(const struct backup_file *file, const struct backup_folder *f, const char *name,
			       struct err *err);
/* True if a body was known to be missing or damaged when the backup was made. */
bool backup_manifest_has_faults(const struct backup_manifest *m);

/* Synced. */
int backup_manifest_write(const struct backup_manifest *m, const struct backup_folder *f, const char *name,
			  struct err *err);
int backup_manifest_read(struct backup_manifest *m, const struct backup_folder *f, const char *name, struct err *err);
/* The content of the file; the caller deletes it. */
cJSON *backup_manifest_json(const struct backup_manifest *m);

#endif
