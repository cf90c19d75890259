/* Frames of a WebSocket's client: the first byte is the size of the pieces in which they
 * arrive, which must not change anything. */
#include "frontend/http/websocket_frame.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MESSAGE_MAX = 2000 };

/* What happened, one event after the other. */
static void
read_all(struct str text, size_t piece, struct buf *out)
{
	struct websocket_reader w = {.message_max = MESSAGE_MAX};
	struct websocket_got got = {.event = WEBSOCKET_NOTHING};

	while (text.len != 0 && got.event != WEBSOCKET_FAULT) {
		size_t used = websocket_feed(&w, str_first(text, piece), &got);

		CHECK(used != 0 && used <= piece && used <= text.len);
		CHECK(got.event != WEBSOCKET_NOTHING || used == (piece < text.len ? piece : text.len));
		CHECK(w.message.len <= MESSAGE_MAX && w.control.len <= WEBSOCKET_CONTROL_MAX);
		CHECK(!got.is_text || str_is_utf8(got.payload));
		CHECK(got.event != WEBSOCKET_CLOSE || got.code == 1005 || websocket_code_is_valid(got.code));
		text = str_from(text, used);
		if (got.event == WEBSOCKET_NOTHING)
			continue;
		buf_printf(out, "%d %d %u ", got.event, got.is_text, got.code);
		buf_add_str(out, got.payload);
	}
	websocket_reader_fini(&w);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_EMPTY, cut = BUF_EMPTY;
	struct str text;

	if (size < 2)
		return 0;
	text = str_of((const char *)data + 1, size - 1);
	read_all(text, text.len, &whole);
	read_all(text, data[0] != 0 ? data[0] : 1, &cut);
	CHECK(str_eq(buf_str(&whole), buf_str(&cut)));
	buf_fini(&whole);
	buf_fini(&cut);
	return 0;
}
