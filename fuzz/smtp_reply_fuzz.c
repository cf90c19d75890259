/* Replies of remote servers: read at once or byte by byte, the result is the same. */
#include <stdlib.h>

#include "delivery-worker/remote/reply.h"
#include "lib/base/check.h"

static size_t
parse(struct smtp_reply_parser *p, struct str input, size_t piece, enum smtp_reply_state *state)
{
	size_t at = 0;

	*state = SMTP_REPLY_MORE;
	while (at < input.len && *state == SMTP_REPLY_MORE)
		at += smtp_reply_parse(p, str_first(str_from(input, at), piece), state);
	return at;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of((const char *)data, size);
	struct smtp_reply_parser whole, bytes;
	enum smtp_reply_state a, b;
	struct arena arena;

	smtp_reply_init(&whole);
	smtp_reply_init(&bytes);
	arena_init(&arena);
	for (;;) {
		size_t used = parse(&whole, input, input.len + 1, &a);
		size_t used_bytes = parse(&bytes, input, 1, &b);
		char code[ENHANCED_CODE_MAX];
		struct smtp_caps caps;

		CHECK(a == b);
		if (a != SMTP_REPLY_DONE)
			break;
		CHECK(used == used_bytes && whole.reply.code == bytes.reply.code);
		CHECK(str_eq(buf_str(&whole.reply.text), buf_str(&bytes.reply.text)));
		smtp_reply_enhanced(&whole.reply, code);
		CHECK(code[0] - '0' == whole.reply.code / 100);
		CHECK(str_index(smtp_reply_words(&whole.reply, &arena), '\n') < 0);
		smtp_caps_read(&whole.reply, &caps);
		input = str_from(input, used);
	}
	arena_fini(&arena);
	smtp_reply_fini(&whole);
	smtp_reply_fini(&bytes);
	return 0;
}
