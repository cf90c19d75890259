/* Messages with 8-bit data for servers that do not accept it (RFC 6152, section
 * 3): the parts that contain any are encoded again, text as quoted-printable,
 * other types as base64; everything else stays as it is, byte for byte.
 *
 * Two passes over the message, in pieces of any size: the first finds what
 * must be encoded, or that it cannot be done (8-bit headers; signed parts,
 * which must not be touched); the second writes. The input has canonical line
 * ends. Memory is bounded: one header block of a part, one line. */
#ifndef SP_WORKER_REMOTE_DOWNGRADE_H
#define SP_WORKER_REMOTE_DOWNGRADE_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

struct downgrade;

struct downgrade *downgrade_new(void);
void downgrade_free(struct downgrade **d);

void downgrade_scan(struct downgrade *d, struct str piece);
/* -1: it cannot be done; err says why, in words fit for the sender. */
int downgrade_scan_end(struct downgrade *d, struct err *err);

/* After the scan: did it find 8-bit data? */
bool downgrade_is_needed(const struct downgrade *d);
/* Call this again each time the message is written. */
void downgrade_begin(struct downgrade *d);
void downgrade_write(struct downgrade *d, struct str piece, struct buf *out);
void downgrade_write_end(struct downgrade *d, struct buf *out);

#endif
