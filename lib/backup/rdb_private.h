/* Parts of the snapshot format shared by reader, values and writer. */
#ifndef SP_BACKUP_RDB_PRIVATE_H
#define SP_BACKUP_RDB_PRIVATE_H

#include <stdbool.h>

#include "lib/backup/rdb.h"

enum {
	RDB_VERSION_LEAST = 9,
	RDB_VERSION_MOST = 12,
	RDB_HEADER_BYTES = 9, /* "REDIS0010" */
};

/* Opcodes before an entry, or between entries. */
enum {
	RDB_FUNCTION = 0xf5,
	RDB_IDLE = 0xf8,
	RDB_FREQUENCY = 0xf9,
	RDB_AUX = 0xfa,
	RDB_SIZES = 0xfb,
	RDB_EXPIRES_MS = 0xfc,
	RDB_EXPIRES_S = 0xfd,
	RDB_DATABASE = 0xfe,
	RDB_END = 0xff,
};

enum { RDB_TYPE_STRING = 0, RDB_TYPE_HASH = 4, RDB_TYPE_HASH_LISTPACK = 16 };

/* The two highest bits of a length's first byte. */
enum { RDB_LENGTH_6 = 0, RDB_LENGTH_14 = 1, RDB_LENGTH_LONG = 2, RDB_LENGTH_SPECIAL = 3 };
enum { RDB_LENGTH_32 = 0x80, RDB_LENGTH_64 = 0x81 };
/* The lowest six bits of strings that are not plain bytes. */
enum { RDB_STRING_INT8 = 0, RDB_STRING_INT16 = 1, RDB_STRING_INT32 = 2, RDB_STRING_PACKED = 3 };

/* Append in the file's format. */
void rdb_put_length(struct buf *out, uint64_t length);
void rdb_put_string(struct buf *out, struct str s);

/* Decompresses LZF. False: in is damaged, or does not expand to `len` bytes. */
bool rdb_unpack(struct str in, size_t len, struct buf *out);

#endif
