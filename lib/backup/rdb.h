/* Snapshots of Redis (RDB files, versions 9 to 12): read entry by entry, and
 * written from such entries.
 *
 * An entry's value is kept as it is in the file, which is also the form that
 * RESTORE accepts. So a key of any type that Redis 7 writes can be moved from one
 * server to another without being parsed; only strings and hashes can be decoded.
 * No input is trusted: a truncated or damaged file ends with ERR_CORRUPT. */
#ifndef SP_BACKUP_RDB_H
#define SP_BACKUP_RDB_H

#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct rdb_entry {
	unsigned database;
	unsigned version;   /* of the file */
	struct str key;	    /* borrowed for the call, like value */
	uint8_t type;	    /* Redis's type number */
	struct str value;   /* as it is in the file */
	int64_t expires_ms; /* unix; 0: never */
};

/* 0 to continue, -1 with err to stop. */
typedef int rdb_on_entry(void *arg, const struct rdb_entry *entry, struct err *err);

/* Reads the whole file. The checksum is verified at the end, so the entries
 * reported are valid only if 0 is returned. */
int rdb_read(const char *path, rdb_on_entry *on_entry, void *arg, struct err *err);

/* The value of a string. -1: not a string, or damaged. Replaces the content of out. */
int rdb_string(const struct rdb_entry *entry, struct buf *out, struct err *err);
/* The fields of a hash, each borrowed for the call. */
typedef void rdb_on_field(void *arg, struct str field, struct str value);
int rdb_hash(const struct rdb_entry *entry, rdb_on_field *on_field, void *arg, struct err *err);

/* The value in the form that RESTORE accepts. Replaces the content of out. */
void rdb_dump(const struct rdb_entry *entry, struct buf *out);

/* ---- Writing a file of entries, all in database 0 ---- */
struct rdb_writer;
/* The file must not exist yet; its mode is 0600. NULL: err. */
struct rdb_writer *rdb_writer_new(const char *path, struct err *err);
/* The version of the first entry becomes that of the file. */
int rdb_writer_add(struct rdb_writer *w, const struct rdb_entry *entry, struct err *err);
/* Ends the file and syncs it. Sets *w to NULL in any case. */
int rdb_writer_finish(struct rdb_writer **w, struct err *err);
/* Abandons the file. Sets *w to NULL. */
void rdb_writer_drop(struct rdb_writer **w);

#endif
