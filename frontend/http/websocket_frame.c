#include "frontend/http/websocket_frame.h"

#include "frontend/http/websocket.h"
#include "lib/base/check.h"

enum { FRAME_FIN = 0x80, FRAME_RESERVED = 0x70, FRAME_MASKED = 0x80, FRAME_LENGTH_16 = 126, FRAME_LENGTH_64 = 127 };

static unsigned
frame_opcode(const struct websocket_reader *w)
{
	return w->head[0] & 0x0f;
}

static bool
frame_is_last(const struct websocket_reader *w)
{
	return (w->head[0] & FRAME_FIN) != 0;
}

static bool
frame_is_control(const struct websocket_reader *w)
{
	return (w->head[0] & 0x08) != 0;
}

static void
frame_fail(struct websocket_got *out, unsigned code)
{
	*out = (struct websocket_got){.event = WEBSOCKET_FAULT, .code = code};
}

/* ---- The head ---- */

/* Needs the first two bytes. */
static size_t
frame_length_bytes(const struct websocket_reader *w)
{
	unsigned length = w->head[1] & 0x7f;

	return length == FRAME_LENGTH_16 ? 2 : length == FRAME_LENGTH_64 ? 8 : 0;
}

static size_t
frame_head_size(const struct websocket_reader *w)
{
	return w->head_len < 2 ? 2 : 2 + frame_length_bytes(w) + 4;
}

/* What the first two bytes alone show. */
static bool
frame_begins_well(const struct websocket_reader *w)
{
	if ((w->head[0] & FRAME_RESERVED) != 0 || (w->head[1] & FRAME_MASKED) == 0)
		return false;
	switch (frame_opcode(w)) {
	case WEBSOCKET_OP_CONTINUATION: return w->kind != 0;
	case WEBSOCKET_OP_TEXT:
	case WEBSOCKET_OP_BINARY: return w->kind == 0;
	case WEBSOCKET_OP_CLOSE:
	case WEBSOCKET_OP_PING:
	case WEBSOCKET_OP_PONG: return frame_is_last(w) && (w->head[1] & 0x7f) <= WEBSOCKET_CONTROL_MAX;
	default: return false;
	}
}

/* False: it is longer than it need be, or its highest bit is set. */
static bool
frame_take_length(const struct websocket_reader *w, uint64_t *length_out)
{
	size_t bytes = frame_length_bytes(w);
	uint64_t length = 0;

	for (size_t i = 0; i < bytes; i++)
		length = length << 8 | w->head[2 + i];
	*length_out = bytes == 0 ? w->head[1] & 0x7f : length;
	return bytes == 0 || (bytes == 2 ? length >= FRAME_LENGTH_16 : length > UINT16_MAX && length >> 63 == 0);
}

/* The head is complete. */
static void
frame_begin(struct websocket_reader *w, struct websocket_got *out)
{
	if (!frame_take_length(w, &w->left)) {
		frame_fail(out, WEBSOCKET_CODE_PROTOCOL);
		return;
	}
	if (!frame_is_control(w)) {
		if (w->left > w->message_max - w->message.len) {
			frame_fail(out, WEBSOCKET_CODE_TOO_BIG);
			return;
		}
		if (frame_opcode(w) != WEBSOCKET_OP_CONTINUATION) {
			w->kind = (unsigned char)frame_opcode(w);
			w->utf8 = (struct utf8_check){0};
		}
	}
	w->mask_at = 0;
	w->in_payload = true;
}

static size_t
frame_take_head(struct websocket_reader *w, struct str piece, struct websocket_got *out)
{
	size_t used = 0;

	while (used < piece.len && w->head_len < frame_head_size(w)) {
		w->head[w->head_len++] = (unsigned char)piece.p[used++];
		if (w->head_len == 2 && !frame_begins_well(w)) {
			frame_fail(out, WEBSOCKET_CODE_PROTOCOL);
			return used;
		}
	}
	if (w->head_len > 2 && w->head_len == frame_head_size(w))
		frame_begin(w, out);
	return used;
}

/* ---- The payload ---- */

static size_t
frame_take_payload(struct websocket_reader *w, struct str piece, struct websocket_got *out)
{
	struct buf *to = frame_is_control(w) ? &w->control : &w->message;
	const unsigned char *mask = w->head + w->head_len - 4;
	size_t count = piece.len < w->left ? piece.len : (size_t)w->left;
	char *at;

	if (count == 0)
		return 0;
	at = buf_reserve(to, count);
	for (size_t i = 0; i < count; i++)
		at[i] = (char)((unsigned char)piece.p[i] ^ mask[(w->mask_at + i) % 4]);
	to->len += count;
	w->mask_at = (unsigned char)((w->mask_at + count) % 4);
	w->left -= count;
	if (!frame_is_control(w) && w->kind == WEBSOCKET_OP_TEXT && !utf8_feed(&w->utf8, str_of(at, count)))
		frame_fail(out, WEBSOCKET_CODE_BAD_DATA);
	return count;
}

static void
frame_give(struct websocket_reader *w, struct buf *from, enum websocket_event event, struct websocket_got *out)
{
	w->given = *from;
	*from = BUF_EMPTY;
	out->event = event;
	out->payload = buf_str(&w->given);
}

bool
websocket_code_is_valid(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

static void
frame_end_close(struct websocket_reader *w, struct websocket_got *out)
{
	const unsigned char *p;

	frame_give(w, &w->control, WEBSOCKET_CLOSE, out);
	out->code = WEBSOCKET_CODE_NONE;
	if (out->payload.len == 0)
		return;
	p = (const unsigned char *)out->payload.p;
	if (out->payload.len == 1 || !websocket_code_is_valid((unsigned)p[0] << 8 | p[1])) {
		frame_fail(out, WEBSOCKET_CODE_PROTOCOL);
		return;
	}
	out->code = (unsigned)p[0] << 8 | p[1];
	out->payload = str_from(out->payload, 2);
	if (!str_is_utf8(out->payload))
		frame_fail(out, WEBSOCKET_CODE_BAD_DATA);
}

static void
frame_end_data(struct websocket_reader *w, struct websocket_got *out)
{
	out->event = WEBSOCKET_FRAGMENT;
	if (!frame_is_last(w))
		return;
	out->is_text = w->kind == WEBSOCKET_OP_TEXT;
	w->kind = 0;
	if (out->is_text && !utf8_is_whole(&w->utf8))
		frame_fail(out, WEBSOCKET_CODE_BAD_DATA);
	else
		frame_give(w, &w->message, WEBSOCKET_MESSAGE, out);
}

/* All of its payload has come. */
static void
frame_end(struct websocket_reader *w, struct websocket_got *out)
{
	w->in_payload = false;
	w->head_len = 0;
	if (!frame_is_control(w))
		frame_end_data(w, out);
	else if (frame_opcode(w) == WEBSOCKET_OP_CLOSE)
		frame_end_close(w, out);
	else
		frame_give(w, &w->control, frame_opcode(w) == WEBSOCKET_OP_PING ? WEBSOCKET_PING : WEBSOCKET_PONG, out);
}

size_t
websocket_feed(struct websocket_reader *w, struct str piece, struct websocket_got *out)
{
	size_t used = 0;

	websocket_reader_release(w);
	*out = (struct websocket_got){.event = WEBSOCKET_NOTHING};
	if (!w->in_payload)
		used = frame_take_head(w, piece, out);
	if (!w->in_payload || out->event == WEBSOCKET_FAULT)
		return used;
	used += frame_take_payload(w, str_from(piece, used), out);
	if (w->left == 0 && out->event != WEBSOCKET_FAULT)
		frame_end(w, out);
	return used;
}

void
websocket_reader_release(struct websocket_reader *w)
{
	buf_fini(&w->given);
}

void
websocket_reader_fini(struct websocket_reader *w)
{
	buf_fini(&w->message);
	buf_fini(&w->control);
	buf_fini(&w->given);
}

/* ---- Writing ---- */

size_t
websocket_write_head(unsigned char out[WEBSOCKET_HEAD_MAX], unsigned opcode, uint64_t len)
{
	size_t bytes = len < FRAME_LENGTH_16 ? 0 : len <= UINT16_MAX ? 2 : 8;

	out[0] = (unsigned char)(FRAME_FIN | opcode);
	out[1] = (unsigned char)(bytes == 0 ? len : bytes == 2 ? FRAME_LENGTH_16 : FRAME_LENGTH_64);
	for (size_t i = 0; i < bytes; i++)
		out[2 + i] = (unsigned char)(len >> (8 * (bytes - 1 - i)));
	return 2 + bytes;
}
