/* Frames of a WebSocket (RFC 6455, section 5): those of a client are read, those of the
 * server are written. Nothing here knows a connection.
 *
 * A client's bytes may come in pieces of any size. What section 5 and 7 forbid is found
 * at the first byte that shows it, and is told as the code to close with. */
#ifndef SP_FRONTEND_HTTP_WEBSOCKET_FRAME_H
#define SP_FRONTEND_HTTP_WEBSOCKET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/utf8.h"

enum {
	WEBSOCKET_OP_CONTINUATION = 0,
	WEBSOCKET_OP_TEXT = 1,
	WEBSOCKET_OP_BINARY = 2,
	WEBSOCKET_OP_CLOSE = 8,
	WEBSOCKET_OP_PING = 9,
	WEBSOCKET_OP_PONG = 10,
};

enum {
	WEBSOCKET_CONTROL_MAX = 125, /* bytes of a control frame */
	WEBSOCKET_READ_HEAD_MAX = 14,
	WEBSOCKET_HEAD_MAX = 10, /* ours have no mask */
};

/* ---- Reading ---- */

/* All zero at first, but for message_max. */
struct websocket_reader {
	size_t message_max; /* bytes of a message, and so of a frame */
	struct buf message; /* owner; the message in progress, unmasked */
	struct buf control; /* owner; the control frame in progress */
	struct buf given;   /* owner; what the last call has returned */
	uint64_t left;	    /* bytes of the frame that are still to come */
	struct utf8_check utf8;
	unsigned char kind; /* of the message in progress: an opcode; 0: there is none */
	unsigned char head_len, mask_at;
	unsigned char head[WEBSOCKET_READ_HEAD_MAX];
	bool in_payload;
};

enum websocket_event {
	WEBSOCKET_NOTHING,  /* all has been consumed; more is needed */
	WEBSOCKET_FRAGMENT, /* a frame is complete, but not its message */
	WEBSOCKET_MESSAGE,
	WEBSOCKET_PING,
	WEBSOCKET_PONG,
	WEBSOCKET_CLOSE,
	WEBSOCKET_FAULT, /* the client is wrong: close; the reader is of no more use */
};

struct websocket_got {
	enum websocket_event event;
	bool is_text;	    /* of a message; it is UTF-8 */
	struct str payload; /* of a message, a ping, a pong; the reason of a close */
	unsigned code;	    /* of a close: 1005: it had none; of a fault: to close with */
};

/* Consumes bytes up to the end of a frame, and returns how many. The payload is valid
 * until the next call or websocket_reader_release(). */
size_t websocket_feed(struct websocket_reader *w, struct str piece, struct websocket_got *out);
/* Frees what was given. */
void websocket_reader_release(struct websocket_reader *w);
void websocket_reader_fini(struct websocket_reader *w);

/* ---- Writing ---- */
/* The head of a whole, unmasked frame; returns its size. */
size_t websocket_write_head(unsigned char out[WEBSOCKET_HEAD_MAX], unsigned opcode, uint64_t len);
/* May an endpoint send this code (section 7.4 and IANA's registry)? */
bool websocket_code_is_valid(unsigned code);

#endif
