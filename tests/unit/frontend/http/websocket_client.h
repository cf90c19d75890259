/* The frames of a WebSocket's client, for the tests. */
#ifndef SP_TESTS_WEBSOCKET_CLIENT_H
#define SP_TESTS_WEBSOCKET_CLIENT_H

#include "lib/base/buf.h"

enum { FIN = 0x80, RSV1 = 0x40, RSV2 = 0x20, RSV3 = 0x10, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };

/* first: FIN and the like with the opcode. length: of how many bytes its length is written:
 * 0: as few as possible. */
static inline void
frame_add_as(struct buf *out, unsigned first, struct str payload, unsigned length, bool is_masked)
{
	static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
	size_t len = payload.len;

	if (length == 0 && len >= 126)
		length = len <= UINT16_MAX ? 2 : 8;
	buf_add_byte(out, (char)first);
	buf_add_byte(out, (char)((is_masked ? 0x80u : 0) | (length == 0 ? len : length == 2 ? 126 : 127)));
	for (unsigned i = length; i-- > 0;)
		buf_add_byte(out, (char)((uint64_t)len >> (8 * i)));
	if (is_masked)
		buf_add(out, mask, sizeof(mask));
	for (size_t i = 0; i < len; i++)
		buf_add_byte(out, (char)(is_masked ? (unsigned char)payload.p[i] ^ mask[i % 4] : (unsigned char)payload.p[i]));
}

static inline void
frame_add(struct buf *out, unsigned first, struct str payload)
{
	frame_add_as(out, first, payload, 0, true);
}

#endif
