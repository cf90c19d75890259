/* Bytes of a POP3 server to lines, and to the bytes of a message (RFC 1939, 3). Pure; the
 * result does not depend on how the input is split. */
#ifndef SP_WORKER_RETRIEVE_POP_READER_H
#define SP_WORKER_RETRIEVE_POP_READER_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum pop_read {
	POP_READ_MORE,	/* all of the input was used */
	POP_READ_LINE,	/* line is one, until the next call */
	POP_READ_PIECE, /* of the message, dots unstuffed; all other bytes as they are */
	POP_READ_END,	/* of the message: CRLF "." CRLF, whose CRLF is the message's last */
	POP_READ_LONG,	/* a line longer than max */
};

struct pop_reader {
	struct buf line; /* owner; without CRLF */
	size_t max;	 /* of a line */

	/* private */
	bool fresh;
	uint8_t state; /* within a message */
};

void pop_reader_init(struct pop_reader *r, size_t max);
void pop_reader_fini(struct pop_reader *r);

/* Takes input up to the next event; returns the bytes used. in_message: what comes is a
 * message, not lines; it changes only after LINE and END. *piece_out points into input, or to
 * a constant. */
size_t pop_reader_take(struct pop_reader *r, struct str input, bool in_message, enum pop_read *event_out,
		       struct str *piece_out);

/* ---- Lines ---- */
/* "+OK words" or "-ERR [CODE] words". */
struct pop_status {
	bool ok;
	struct str code; /* RFC 2449, 8: "IN-USE"; empty: none */
	struct str text; /* all after the status, with the code */
};
/* False: neither. */
bool pop_status_parse(struct str line, struct pop_status *out);
/* "12 3456" of LIST and STAT; more words are ignored. */
bool pop_numbers_parse(struct str line, uint32_t *first_out, uint64_t *second_out);
/* "12 whqtswO00WBw418f9t5JxYwZ". False: not a UIDL of 1 to 255 printable bytes. */
bool pop_uidl_parse(struct str line, uint32_t *number_out, struct str *uidl_out);

#define POP_UIDL_MAX 255 /* RFC 1939 allows 70; some servers give more */

#endif
