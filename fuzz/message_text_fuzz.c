/* Texts of messages: encodings taken off, folding, first words, base subjects.
 * The first byte says where the text is cut. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "frontend/imap/preview.h"
#include "lib/base/check.h"
#include "lib/message/decode.h"
#include "lib/message/fold.h"
#include "lib/message/subject.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* In one piece and cut anywhere: the same. */
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

/* What is found in a text is found in it whichever way it is looked at, and a
 * preview of any text is a text. */
static void
fuzz_text(struct str text, size_t cut, struct arena *arena)
{
	struct str needle = message_fold(str_from(text, cut), arena), folded = message_fold(text, arena), preview;
	bool found = message_fold_contains(text, needle, arena), full;

	CHECK(found ==
	      (needle.len == 0 || (folded.len != 0 && memmem(folded.p, folded.len, needle.p, needle.len) != NULL)));
	for (int html = 0; html <= 1; html++) {
		preview = imap_preview(text, html != 0, arena, &full);
		CHECK(preview.len <= 4 * IMAP_PREVIEW_CHARS);
		CHECK(str_is_utf8(preview));
	}
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
	CHECK(message_base_subject(text, &arena, NULL).len <= size);
	arena_fini(&arena);
	return 0;
}
