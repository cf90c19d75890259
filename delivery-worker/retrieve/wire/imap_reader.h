/* Bytes of an IMAP server to responses: a response is a line with the literals in it
 * (RFC 9051, 2.2.2). Small literals stay in the text; that of BODY[] in a FETCH response is
 * passed on in pieces and leaves "" in the text. Pure; the result does not depend on how the
 * input is split. */
#ifndef SP_WORKER_RETRIEVE_IMAP_READER_H
#define SP_WORKER_RETRIEVE_IMAP_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum imap_read {
	IMAP_READ_MORE,	    /* all of the input was used */
	IMAP_READ_BODY,	    /* the literal of BODY[] begins: body_bytes */
	IMAP_READ_PIECE,    /* a piece of it */
	IMAP_READ_RESPONSE, /* text is a whole response, until the next call */
	IMAP_READ_LONG,	    /* longer than max */
	IMAP_READ_BAD,	    /* a literal makes no sense */
};

struct imap_reader {
	struct buf text; /* owner; without CRLF; a kept literal is "{n}" and then its n bytes */
	size_t max;	 /* of the text */
	bool has_body;	 /* this response had a BODY[] literal */
	uint64_t body_bytes;

	/* private */
	uint8_t state;
	uint64_t left; /* of the literal */
	size_t line;   /* where the current line begins in text */
};

void imap_reader_init(struct imap_reader *r, size_t max);
void imap_reader_fini(struct imap_reader *r);

/* Takes input up to the next event; returns the bytes used. *piece_out points into input.
 * After LONG and BAD the reader is of no use any more. */
size_t imap_reader_take(struct imap_reader *r, struct str input, enum imap_read *event_out, struct str *piece_out);

#endif
