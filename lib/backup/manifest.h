/* What belongs to one backup: a JSON file beside it. */
#ifndef SP_BACKUP_MANIFEST_H
#define SP_BACKUP_MANIFEST_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/backup/folder.h"
#include "lib/backup/transfer.h"

enum { BACKUP_FILES_MAX = 8, BACKUP_FILE_NAME_MAX = 64, BACKUP_SHA256_MAX = 65 };

#define BACKUP_SNAPSHOT "redis.rdb"

/* A file of the backup, by its path in it. */
struct backup_file {
	char name[BACKUP_FILE_NAME_MAX];
	unsigned mode;
	uint64_t bytes;
	char sha256[BACKUP_SHA256_MAX]; /* hexadecimal */
};

struct backup_manifest {
	int64_t time_ms;	/* unix: of the snapshot */
	char version[32];	/* of Stagepost */
	unsigned store_version; /* of what is in Redis */
	char hostname[256];
	unsigned database;   /* of the snapshot: the one that is ours */
	uint64_t keys;	     /* in it */
	uint64_t bodies;     /* good ones, and digests */
	uint64_t bytes;	     /* of them */
	uint64_t unreadable; /* envelopes */
	struct backup_faults faults;
	struct backup_file files[BACKUP_FILES_MAX];
	unsigned file_count;
};

/* Digests a file that lies in the backup `name`, and adds it. */
int backup_manifest_add_file(struct backup_manifest *m, const struct backup_folder *f, const char *name,
			     const char *file, struct err *err);
/* Does the file still have its digest? ERR_CORRUPT: no. */
int backup_manifest_check_file(const struct backup_file *file, const struct backup_folder *f, const char *name,
			       struct err *err);
/* Is a body missing or damaged in it, as far as was known when it was made? */
bool backup_manifest_has_faults(const struct backup_manifest *m);

/* Synced. */
int backup_manifest_write(const struct backup_manifest *m, const struct backup_folder *f, const char *name,
			  struct err *err);
int backup_manifest_read(struct backup_manifest *m, const struct backup_folder *f, const char *name, struct err *err);
/* As the file has it; the caller deletes it. */
cJSON *backup_manifest_json(const struct backup_manifest *m);

#endif
