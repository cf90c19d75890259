/* The grammar of IMAP commands: fetch items, search keys, sets, names, dates.
 * Whatever comes, parsing ends, stays within the text and, where it fails,
 * says why. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "frontend/imap/decode.h"
#include "frontend/imap/preview.h"
#include "frontend/imap/parse/fetch_items.h"
#include "frontend/imap/parse/fold.h"
#include "frontend/imap/parse/mutf7.h"
#include "frontend/imap/parse/search_keys.h"
#include "frontend/imap/subject.h"
#include "lib/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
check_end(const struct imap_lexer *l, bool good)
{
	CHECK(l->at <= l->text.len);
	CHECK(good ? l->error == NULL && l->at == l->text.len : l->error != NULL);
}

static void
fuzz_fetch(struct str text, struct arena *arena)
{
	struct imap_fetch_items items;
	struct imap_lexer l;
	struct imap_set set;

	imap_lex_init(&l, text, arena, false);
	check_end(&l, imap_lex_set(&l, &set) && imap_lex_sp(&l) && imap_parse_fetch(&l, &items));
}

static void
fuzz_search(struct str text, struct arena *arena)
{
	struct imap_search search = {0};
	struct imap_lexer l;
	struct str charset;

	imap_lex_init(&l, text, arena, true);
	check_end(&l, imap_parse_return(&l, &search) && imap_parse_charset(&l, &charset) &&
			      imap_parse_search(&l, charset, &search));
}

static void
fuzz_words(struct str text, struct arena *arena)
{
	struct imap_lexer l;
	struct imap_flags flags;
	struct str name, pattern;
	int64_t days, when;
	int16_t zone;

	imap_lex_init(&l, text, arena, false);
	if (imap_lex_mailbox(&l, &name))
		CHECK(str_is_utf8(name) || str_starts(name, STR(IMAP_NO_NAME)));
	imap_lex_init(&l, text, arena, true);
	(void)imap_lex_list_mailbox(&l, &pattern);
	imap_lex_init(&l, text, arena, true);
	(void)(imap_lex_flags(&l, &flags) && imap_lex_sp(&l) && imap_lex_date_time(&l, &when, &zone));
	imap_lex_init(&l, text, arena, true);
	(void)imap_lex_date(&l, &days);
}

/* In one piece and cut anywhere: the same. */
static void
fuzz_decode(struct str text, size_t cut)
{
	for (enum mime_encoding e = MIME_7BIT; e <= MIME_OTHER_ENCODING; e++) {
		struct buf whole = BUF_EMPTY, parts = BUF_EMPTY;
		struct imap_decoder d;
		imap_decode_init(&d, e);
		imap_decode(&d, text, &whole);
		imap_decode_end(&d, &whole);
		imap_decode_init(&d, e);
		imap_decode(&d, str_first(text, cut), &parts);
		imap_decode(&d, str_from(text, cut), &parts);
		imap_decode_end(&d, &parts);
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
	struct str needle = imap_fold(str_from(text, cut), arena), folded = imap_fold(text, arena), preview;
	bool found = imap_fold_contains(text, needle, arena), full;

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
	fuzz_fetch(text, &arena);
	fuzz_search(text, &arena);
	fuzz_words(text, &arena);
	fuzz_decode(text, data[0] % (size + 1));
	fuzz_text(text, data[0] % (size + 1), &arena);
	CHECK(imap_base_subject(text, &arena, NULL).len <= size);
	arena_fini(&arena);
	return 0;
}
