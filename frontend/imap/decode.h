/* Content-transfer-encodings taken off, piece by piece (RFC 2045, 6.7 and
 * 6.8). What is malformed is passed over. Pure. */
#ifndef SP_FRONTEND_IMAP_DECODE_H
#define SP_FRONTEND_IMAP_DECODE_H

#include "lib/base/buf.h"
#include "lib/mime/digest.h"

struct imap_decoder {
	enum mime_encoding encoding;
	uint32_t bits; /* base64: not yet written */
	unsigned bit_count;
	char held[3]; /* quoted-printable: "=", "=X", "=\r" at a piece's end */
	unsigned held_count;
};

void imap_decode_init(struct imap_decoder *d, enum mime_encoding encoding);
void imap_decode(struct imap_decoder *d, struct str piece, struct buf *out);
/* What was held back at the end. */
void imap_decode_end(struct imap_decoder *d, struct buf *out);

#endif
