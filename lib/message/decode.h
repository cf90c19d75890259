/* Decodes content-transfer-encodings piece by piece (RFC 2045, 6.7 and 6.8). The
 * result does not depend on how the input is split. Invalid base64 characters
 * are skipped; invalid quoted-printable is kept as it is. Pure. */
#ifndef SP_MESSAGE_DECODE_H
#define SP_MESSAGE_DECODE_H

#include "lib/base/buf.h"
#include "lib/mime/digest.h"

#define MESSAGE_DECODER_HELD 256

struct message_decoder {
	enum mime_encoding encoding;
	uint32_t bits; /* base64: not yet written */
	unsigned bit_count;
	/* quoted-printable: an escape, or white space that may be at the end of a
	 * line. Of a longer run of white space only the last bytes are deleted. */
	char held[MESSAGE_DECODER_HELD];
	unsigned held_count;
};

/* encoding: anything but base64 and quoted-printable is passed through unchanged. */
void message_decoder_init(struct message_decoder *d, enum mime_encoding encoding);
/* Appends to out what can be decoded for certain from the piece and the bytes held back before it. */
void message_decoder_feed(struct message_decoder *d, struct str piece, struct buf *out);
/* Decodes what was held back at the end. */
void message_decoder_end(struct message_decoder *d, struct buf *out);

#endif
