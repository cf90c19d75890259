/* The grammar of IMAP commands: fetch items, search keys, sets, names, dates.
 * For any input, parsing ends, stays within the text and, if it fails, says
 * why. */
#include <stddef.h>
#include <stdint.h>

#include "frontend/imap/parse/fetch_items.h"
#include "lib/mailbox/mutf7.h"
#include "frontend/imap/parse/search_keys.h"
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
	arena_fini(&arena);
	return 0;
}
