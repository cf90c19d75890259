/* The milter protocol on the wire (Sendmail's libmilter, version 6; mfdef.h): packets of a
 * length of 32 bits, a letter, and data. */
#ifndef SP_FRONTEND_MILTER_WIRE_H
#define SP_FRONTEND_MILTER_WIRE_H

#include <event2/buffer.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

#define MILTER_VERSION	  6
#define MILTER_CHUNK_MAX  65535		/* bytes of a piece of a body */
#define MILTER_PACKET_MAX (1024 * 1024) /* that a milter may send */

/* What milters may do (SMFIF_). No quarantine, and no parameters of added recipients. */
enum {
	MILTER_MAY_ADD_HEADERS = 0x01,
	MILTER_MAY_CHANGE_BODY = 0x02,
	MILTER_MAY_ADD_RECIPIENTS = 0x04,
	MILTER_MAY_DELETE_RECIPIENTS = 0x08,
	MILTER_MAY_CHANGE_HEADERS = 0x10,
	MILTER_MAY_CHANGE_SENDER = 0x40,
	MILTER_MAY_ALL = 0x5f
};

/* How the dialogue goes (SMFIP_): what is left out, and what has no answer. */
enum {
	MILTER_NO_CONNECT = 0x01,
	MILTER_NO_HELO = 0x02,
	MILTER_NO_MAIL = 0x04,
	MILTER_NO_RCPT = 0x08,
	MILTER_NO_BODY = 0x10,
	MILTER_NO_HEADERS = 0x20,
	MILTER_NO_EOH = 0x40,
	MILTER_MUTE_HEADER = 0x80,
	MILTER_NO_UNKNOWN = 0x100,
	MILTER_NO_DATA = 0x200,
	MILTER_SKIP = 0x400,
	MILTER_MUTE_CONNECT = 0x1000,
	MILTER_MUTE_HELO = 0x2000,
	MILTER_MUTE_MAIL = 0x4000,
	MILTER_MUTE_RCPT = 0x8000,
	MILTER_MUTE_DATA = 0x10000,
	MILTER_MUTE_UNKNOWN = 0x20000,
	MILTER_MUTE_EOH = 0x40000,
	MILTER_MUTE_BODY = 0x80000,
	MILTER_LEADING_BLANKS = 0x100000,
	MILTER_DIALOGUE_ALL = 0x1ff7ff
};

struct milter_packet {
	char kind;
	struct str data; /* borrowed from the buffer, until milter_wire_drop() */
};

enum milter_wire_result { MILTER_WIRE_MORE, MILTER_WIRE_PACKET, MILTER_WIRE_BAD };

/* The packet at the beginning of the input. */
enum milter_wire_result milter_wire_peek(struct evbuffer *in, struct milter_packet *packet_out);
/* Removes that packet. */
void milter_wire_drop(struct evbuffer *in, const struct milter_packet *packet);
void milter_wire_write(struct evbuffer *out, char kind, struct str data);

/* Take from the beginning of the data; false: it is too short, or no text that ends with a NUL. */
bool milter_wire_take_number(struct str *data, uint32_t *number_out);
bool milter_wire_take_text(struct str *data, struct str *text_out);

/* The text of an own answer ("550 5.7.1 no\r\n..."): one or more lines with the same code, 4xx
 * or 5xx. Appends it as a reply of SMTP, with CRLF. False: it is malformed. */
struct buf;
bool milter_wire_reply(struct str text, struct buf *out);

#endif
