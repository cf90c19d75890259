/* Snapshots of Redis (RDB files, versions 9 to 12), read entry by entry and written
 * anew from such entries.
 *
 * An entry's value is kept as it stands in the file, which is what RESTORE takes.
 * So a key of any type that Redis 7 writes goes from one server to another
 * without being understood; only strings and hashes can be looked into.
 * Nothing is believed: a file that is cut off or damaged ends with ERR_CORRUPT. */
#ifndef SP_BACKUP_RDB_H
#define SP_BACKUP_RDB_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct rdb_entry {
	unsigned database;
	unsigned version;   /* of the file */
	struct str key;	    /* borrowed for the call, as value */
	uint8_t type;	    /* of Redis's own numbers */
	struct str value;   /* as it stands in the file */
	int64_t expires_ms; /* unix; 0: never */
};

/* 0 to go on, -1 with err to stop. */
typedef int rdb_on_entry(void *arg, const struct rdb_entry *entry, struct err *err);

/* Reads the file through; its checksum is verified at the end, so what was told
 * before counts only if 0 is returned. */
int rdb_read(const char *path, rdb_on_entry *on_entry, void *arg, struct err *err);

/* The value of a string. -1: it is none, or damaged. Replaces what out holds. */
int rdb_string(const struct rdb_entry *entry, struct buf *out, struct err *err);
/* The fields of a hash, each borrowed for the call. */
typedef void rdb_on_field(void *arg, struct str field, struct str value);
int rdb_hash(const struct rdb_entry *entry, rdb_on_field *on_field, void *arg, struct err *err);

/* What RESTORE takes as the value. Replaces what out holds. */
void rdb_dump(const struct rdb_entry *entry, struct buf *out);

/* ---- A file of entries, all of database 0 ---- */
struct rdb_writer;
/* The file must not be there yet; its mode is 0600. NULL: err. */
struct rdb_writer *rdb_writer_new(const char *path, struct err *err);
/* The first one's version is the file's. */
int rdb_writer_add(struct rdb_writer *w, const struct rdb_entry *entry, struct err *err);
/* Ends the file and syncs it. NULLs *w in any case. */
int rdb_writer_finish(struct rdb_writer **w, struct err *err);
/* Gives up. NULLs *w. */
void rdb_writer_drop(struct rdb_writer **w);

#endif
