/* Responses of remote IMAP servers: read at once or byte by byte they are the same, and
 * whatever is in them has its limits. */
#include "delivery-worker/retrieve/wire/imap_reader.h"
#include "delivery-worker/retrieve/wire/imap_response.h"
#include "delivery-worker/retrieve/wire/words.h"
#include "lib/base/check.h"
#include "lib/mailbox/mutf7.h"

#define LINE_MAX_BYTES 2000

/* Events and texts as one text; the pieces of a body joined. */
static void
read_all(struct str input, size_t step, struct buf *out)
{
	struct imap_reader r;

	imap_reader_init(&r, LINE_MAX_BYTES);
	while (input.len > 0) {
		enum imap_read event;
		struct str piece;
		size_t used = imap_reader_take(&r, str_first(input, step), &event, &piece);

		input = str_from(input, used);
		if (event == IMAP_READ_PIECE) {
			CHECK(piece.len > 0);
			buf_add_str(out, piece);
		} else if (event != IMAP_READ_MORE) {
			buf_printf(out, "[%d %llu]", event, (unsigned long long)r.body_bytes);
		}
		if (event == IMAP_READ_RESPONSE)
			buf_add_str(out, buf_str(&r.text));
		CHECK(r.text.len <= LINE_MAX_BYTES + 2);
		if (event == IMAP_READ_LONG || event == IMAP_READ_BAD)
			break;
	}
	imap_reader_fini(&r);
}

static bool
is_within(struct str part, struct str text, const struct arena *arena)
{
	return part.len <= text.len + arena->total_bytes;
}

static void
parse(struct str text)
{
	struct imap_response r;
	struct arena arena;

	arena_init(&arena);
	if (imap_response_parse(text, &arena, &r)) {
		CHECK(is_within(r.text, text, &arena) && is_within(r.code, text, &arena));
		CHECK(r.fetch.keyword_count <= IMAP_KEYWORDS_MAX);
		for (unsigned i = 0; i < r.fetch.keyword_count; i++)
			CHECK(r.fetch.keywords[i].len > 0 && r.fetch.keywords[i].len < 256);
		if (r.kind == IMAP_LIST) {
			struct buf name = BUF_EMPTY;

			CHECK(is_within(r.list.name, text, &arena));
			if (mailbox_mutf7_decode(r.list.name, &name))
				CHECK(str_is_utf8(buf_str(&name)));
			buf_fini(&name);
		}
		/* What a response costs in memory follows from its length. */
		CHECK(arena.total_bytes <= 8 * text.len + 8192);
	}
	arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str input = str_of((const char *)data, size);
	struct buf whole = BUF_EMPTY, bytes = BUF_EMPTY;
	char words[100];

	read_all(input, size + 1, &whole);
	read_all(input, 1, &bytes);
	CHECK(str_eq(buf_str(&whole), buf_str(&bytes)));
	parse(input);
	CHECK(words_clean(input, words, sizeof(words)) < sizeof(words) && str_is_utf8(str_c(words)));
	buf_fini(&whole);
	buf_fini(&bytes);
	return 0;
}
