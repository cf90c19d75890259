/* Texts of messages: decoding, folding, words, previews, search keys, base
 * subjects. The first byte says where the text is cut. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/message/decode.h"
#include "lib/message/find.h"
#include "lib/message/fold.h"
#include "lib/message/preview.h"
#include "lib/message/subject.h"
#include "lib/message/text.h"

enum { WORDS_CHARS = 200 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In one piece or cut anywhere: the result is the same. */
static void
fuzz_decode(struct str text, size_t cut)
{
	for (enum mime_encoding e = MIME_7BIT; e <= MIME_OTHER_ENCODING; e++) {
		struct buf whole = BUF_EMPTY, parts = BUF_EMPTY;
		struct message_decoder d;
		message_decoder_init(&d, e);
		message_decoder_feed(&d, text, &whole);
		message_decoder_end(&d, &whole);
		message_decoder_init(&d, e);
		message_decoder_feed(&d, str_first(text, cut), &parts);
		message_decoder_feed(&d, str_from(text, cut), &parts);
		message_decoder_end(&d, &parts);
		CHECK(str_eq(buf_str(&whole), buf_str(&parts)));
		buf_fini(&whole);
		buf_fini(&parts);
	}
}

/* What one way of searching finds in a text, the others find too, and its words are a text. */
static void
fuzz_text(struct str text, size_t cut, struct arena *arena)
{
	struct str needle = message_fold(str_from(text, cut), arena), folded = message_fold(text, arena), words;
	bool found = message_fold_contains(text, needle, arena), full;

	CHECK(found ==
	      (needle.len == 0 || (folded.len != 0 && memmem(folded.p, folded.len, needle.p, needle.len) != NULL)));
	for (int html = 0; html <= 1; html++) {
		words = message_text_words(text, html != 0, WORDS_CHARS, arena, &full);
		CHECK(words.len <= 4 * WORDS_CHARS);
		CHECK(str_is_utf8(words));
	}
}

/* The preview of any message, read in pieces of any size, ends and is a text. */
static void
fuzz_preview(struct str message, const struct mime_digest *digest, size_t piece)
{
	struct message_preview p = {0};
	uint64_t offset;
	size_t bytes;

	message_preview_begin(&p, digest);
	while (message_preview_wants(&p, &offset, &bytes)) {
		CHECK(bytes != 0 && offset + bytes <= message.len);
		message_preview_feed(&p, str_first(str_from(message, (size_t)offset), bytes < piece ? bytes : piece));
	}
	CHECK(message_preview_text(&p).len <= 4 * MESSAGE_PREVIEW_CHARS);
	CHECK(str_is_utf8(message_preview_text(&p)));
	message_preview_fini(&p);
}

/* Bits of the slots found. */
static unsigned
fuzz_find(struct message_finder *f, struct str message, const struct mime_digest *digest, size_t piece)
{
	uint64_t offset, bytes;
	unsigned found = 0;

	message_finder_begin(f, digest);
	while (message_finder_wants(f, &offset, &bytes)) {
		CHECK(bytes != 0 && offset + bytes <= message.len);
		message_finder_feed(
			f, str_first(str_from(message, (size_t)offset), bytes < piece ? (size_t)bytes : piece));
	}
	for (unsigned i = 0; i < f->key_count; i++)
		found |= (unsigned)f->found[i] << i;
	return found;
}

/* Read in one piece or in several, the same is found in any message. */
static void
fuzz_message(struct str message, size_t piece, struct arena *arena)
{
	static struct message_finder finder;
	struct str needle = message_fold(str_first(message, 3), arena);
	struct message_key text = {.op = MATCH_TEXT, .text = needle};
	struct message_key body = {.op = MATCH_BODY, .text = needle, .next = &text};
	struct message_key header = {.op = MATCH_HEADER, .field = STR("Subject"), .text = needle, .next = &body};
	struct mime_digest_builder *builder = mime_digest_begin();
	struct buf record = BUF_EMPTY;
	struct mime_digest digest;
	struct arena scratch;

	arena_init(&scratch);
	mime_digest_feed(builder, message);
	mime_digest_end(&builder, &record);
	CHECK(mime_digest_read(buf_str(&record), &digest));
	fuzz_preview(message, &digest, piece);
	CHECK(message_finder_init(&finder, &header, &scratch));
	CHECK(fuzz_find(&finder, message, &digest, SIZE_MAX) == fuzz_find(&finder, message, &digest, piece));
	message_finder_fini(&finder);
	arena_fini(&scratch);
	buf_fini(&record);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = str_of((const char *)data, size);
	struct arena arena;

	if (size == 0)
		return 0;
	arena_init(&arena);
	fuzz_decode(text, data[0] % (size + 1));
	fuzz_text(text, data[0] % (size + 1), &arena);
	fuzz_message(text, data[0] + 1u, &arena);
	CHECK(message_base_subject(text, &arena, NULL).len <= size);
	arena_fini(&arena);
	return 0;
}
