/* Content-transfer-encodings taken off, piece by piece (RFC 2045, 6.7 and
 * 6.8). The result does not depend on where the pieces are cut. What is no
 * base64 is passed over; what is no quoted-printable stands for itself. Pure. */
#ifndef SP_MESSAGE_DECODE_H
#define SP_MESSAGE_DECODE_H

#include "lib/base/buf.h"
#include "lib/mime/digest.h"

#define MESSAGE_DECODER_HELD 256

struct message_decoder {
	enum mime_encoding encoding;
	uint32_t bits; /* base64: not yet written */
	unsigned bit_count;
	/* quoted-printable: an escape, or white space that may stand at a line's end.
	 * Of a longer run of white space only the last bytes are deleted. */
	char held[MESSAGE_DECODER_HELD];
	unsigned held_count;
};

/* encoding: what is neither base64 nor quoted-printable is passed on as it is. */
void message_decoder_init(struct message_decoder *d, enum mime_encoding encoding);
/* Adds to out what the piece, and what was held back before it, says for sure. */
void message_decoder_feed(struct message_decoder *d, struct str piece, struct buf *out);
/* What was held back at the end. */
void message_decoder_end(struct message_decoder *d, struct buf *out);

#endif
