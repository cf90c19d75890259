/* Content-transfer-encodings taken off, piece by piece (RFC 2045, 6.7 and
 * 6.8). The result does not depend on where the pieces are cut. What is no
 * base64 is passed over; what is no quoted-printable stands for itself. Pure. */
#ifndef SP_FRONTEND_IMAP_DECODE_H
#define SP_FRONTEND_IMAP_DECODE_H

#include "lib/base/buf.h"
#include "lib/mime/digest.h"

#define IMAP_DECODE_HELD 256

struct imap_decoder {
	enum mime_encoding encoding;
	uint32_t bits; /* base64: not yet written */
	unsigned bit_count;
	/* quoted-printable: an escape, or white space that may stand at a line's end.
	 * Of a longer run of white space only the last bytes are deleted. */
	char held[IMAP_DECODE_HELD];
	unsigned held_count;
};

void imap_decode_init(struct imap_decoder *d, enum mime_encoding encoding);
void imap_decode(struct imap_decoder *d, struct str piece, struct buf *out);
/* What was held back at the end. */
void imap_decode_end(struct imap_decoder *d, struct buf *out);

#endif
