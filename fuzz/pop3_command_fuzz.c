/* POP3 command lines; and messages for TOP: the first byte is the number of
 * lines, the second says how the message is cut, which must not change
 * anything. */
#include "frontend/pop3/parse.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t
top(struct str message, uint64_t lines, size_t piece)
{
	struct pop3_top t;
	size_t sent = 0;

	pop3_top_init(&t, lines);
	while (!t.done && sent < message.len) {
		struct str part = str_first(str_from(message, sent), piece);
		size_t take = pop3_top_feed(&t, part);
		CHECK(take == part.len || t.done);
		sent += take;
	}
	CHECK(pop3_top_feed(&t, STR("more")) == (t.done ? 0 : 4) || !t.done);
	return sent;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str line = str_of((const char *)data, size), verb, message;
	struct cmd_args args;
	size_t sent;

	if (pop3_parse_line(line, &verb, &args)) {
		CHECK(verb.len != 0 && verb.len + args.rest.len <= line.len && str_index(verb, ' ') < 0);
		for (unsigned i = 0; i < args.count && i < POP3_ARGS_MAX; i++)
			CHECK(args.v[i].len != 0 && str_index(args.v[i], ' ') < 0);
	}
	(void)pop3_banner_has_ok(line);
	(void)pop3_is_our_language(line);
	if (size < 2)
		return 0;
	message = str_from(line, 2);
	sent = top(message, data[0], size);
	CHECK(sent <= message.len);
	CHECK(top(message, data[0], data[1] != 0 ? data[1] : 1) == sent);
	CHECK(top(message, (uint64_t)data[0] + 1, size) >= sent);
	return 0;
}
