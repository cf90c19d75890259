/* Pack files: the format, and the work on one of them. Private to lib/blob.
 *
 * A pack is a header of PACK_HEADER_BYTES and records, one behind the other,
 * each a header of RECORD_HEADER_BYTES and the body, padded to 8 bytes. Little-
 * endian. Space is allocated ahead: behind the last record there are zeros.
 *
 *   pack header                       record header
 *    0  8  "SPPACK01"                  0 u32 magic
 *    8 u64 pack id                     4 u8  state: 0 live, 1 released
 *   16 u64 unix ms of creation         5 u8  class   6 u16 reserved
 *   24     reserved                    8 u64 length of the body
 *                                     16 u64 unix ms
 *                                     24 u32 CRC-32 of the body
 *                                     28 u32 CRC-32 of bytes 0..27 with state 0
 *
 * A record is written whole (small bodies), or its header last (streamed ones),
 * so a header that holds together stands before a whole body, once synced. What
 * follows a torn record is not looked at: nothing behind it was committed. */
#ifndef SP_BLOB_PACK_H
#define SP_BLOB_PACK_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "lib/base/err.h"
#include "lib/blob/blob.h"

enum {
	PACK_HEADER_BYTES = 64,
	RECORD_HEADER_BYTES = 32,
	RECORD_MAGIC = 0x52425053, /* "SPBR" */
	RECORD_ALIGN = 8,
	PACK_PATH_MAX = 4096,
};
#define PACK_ROTATE_BYTES   (256 * 1024 * 1024)
#define PACK_ALLOCATE_BYTES (16 * 1024 * 1024)
#define PACK_ZERO_BYTES	    (256 * 1024)

/* System calls that a test replaces, to see what a crash leaves. */
struct pack_io {
	ssize_t (*pwritev)(int fd, const struct iovec *iov, int count, off_t offset);
	int (*fdatasync)(int fd);
	int (*fsync)(int fd); /* of the folder */
};
extern struct pack_io pack_io;

struct record {
	uint64_t length;
	int64_t unix_ms;
	uint32_t crc;
	uint8_t class;
	bool released;
};

void record_encode(const struct record *r, char out[RECORD_HEADER_BYTES]);
/* False: no record stands here, or its header is damaged. */
bool record_decode(const char in[RECORD_HEADER_BYTES], struct record *out);
/* Bytes from a record's header to the next one. */
uint64_t record_span(uint64_t length);

struct pack {
	uint64_t id;
	const char *folder; /* borrowed */
	int fd;		    /* -1: not open */
	uint64_t end;	    /* where the next record goes */
	uint64_t allocated; /* bytes of the file */
	uint64_t zeroed;    /* bytes up to here have been written once */
};

void pack_path(const char *folder, uint64_t id, char out[PACK_PATH_MAX]);
/* A new pack, locked (flock) as long as it is open, its folder synced. folder
 * must live as long. */
int pack_create(struct pack *p, const char *folder, struct err *err);
/* Cuts what was allocated too much, and closes. A pack without a record is
 * removed: on a full disk each try would leave one. */
void pack_close(struct pack *p);
/* Room for bytes more behind p->end; makes the file longer ahead of need. */
int pack_allocate(struct pack *p, uint64_t bytes, struct err *err);
/* Writes zeros over allocated bytes from p->end on, PACK_ZERO_BYTES at a time,
 * until `bytes` (at most as many) stand in what was written once. What is
 * written again there is synced by a write and a flush alone: nothing of the
 * file system's own has changed that must be written too. Measured with 20
 * writers of 4 KiB: 39,000 bodies/s without, 49,000 with it. Costs each byte a
 * second write. */
void pack_zero_ahead(struct pack *p, uint64_t bytes);
/* Writes all of iov at offset; changes iov. */
int pack_write(struct pack *p, struct iovec *iov, int count, uint64_t offset, struct err *err);
int pack_sync(struct pack *p, struct err *err);

/* The records of a pack's bytes, one after the other: from *offset (start with
 * PACK_HEADER_BYTES) on, over whatever gives `bytes` at an offset. False at the
 * end. at_out: of the header. */
typedef bool pack_read_at(void *arg, uint64_t offset, char *out, size_t bytes);
bool pack_next_record(uint64_t *offset, uint64_t size, pack_read_at *read_at, void *arg, struct record *out,
		      uint64_t *at_out);
/* Is there anything from *offset on that looks like a record? True: *offset is
 * its place. Behind where pack_next_record() ended that is what a crash left
 * of a write that was never synced, or else a header before it is damaged. */
bool pack_find_record(uint64_t *offset, uint64_t size, pack_read_at *read_at, void *arg);

#endif
