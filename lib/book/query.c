/* Queries: one scan over the folded text of a chunk, then a look at what surrounds a
 * hit. Fields are marked by bytes below 32, so a hit never spans two of them. */
#include "lib/book/private.h"

/* A scan of 30 bytes takes about one unit (10 ns). */
enum { QUERY_BYTES_A_UNIT = 30 };

void
book_query_init(struct book_query *q, enum book_match match, uint32_t fields, struct str text, struct arena *arena)
{
	struct buf folded = BUF_EMPTY;

	*q = (struct book_query){.match = match, .fields = fields & BOOK_ANY_FIELD};
	fold_add(&folded, BOOK_DISPLAY_NAME, text, arena);
	q->text = arena_str(arena, buf_str(&folded));
	if (match == BOOK_EQUAL || match == BOOK_PREFIX || match == BOOK_WORD)
		q->text = str_trim(q->text);
	buf_clear(&folded);
	fold_add(&folded, BOOK_PHONE, text, arena);
	q->phone = arena_str(arena, buf_str(&folded));
	buf_fini(&folded);
}

static bool
query_is_mark(char c)
{
	return (unsigned char)c < ' ';
}

/* Is a hit at `at` in the value [begin, end) one of the kind that is asked for? */
static bool
query_fits(enum book_match match, const char *at, size_t len, const char *begin, const char *end)
{
	switch (match) {
	case BOOK_PRESENT:
	case BOOK_SUBSTRING: return true;
	case BOOK_EQUAL: return at == begin && at + len == end;
	case BOOK_PREFIX: return at == begin;
	case BOOK_WORD: return at == begin || strchr(" -.@_'(", at[-1]) != NULL;
	case BOOK_SUFFIX: return at + len == end;
	}
	return false;
}

/* Looks for text in one value. */
static bool
query_value_matches(const struct book_query *q, enum book_field field, const char *begin, const char *end)
{
	struct str text = fold_is_phone(field) ? q->phone : q->text;
	const char *at = begin;

	if ((q->fields & BOOK_FIELD_BIT(field)) == 0)
		return false;
	if (q->match == BOOK_PRESENT)
		return true;
	if (text.len == 0)
		return q->match != BOOK_EQUAL && q->text.len == 0;
	while ((at = find_text(at, end, text)) != NULL) {
		if (query_fits(q->match, at, text.len, begin, end))
			return true;
		at++;
	}
	return false;
}

bool
book_query_matches(const struct book_query *q, const struct book_entry *e)
{
	const char *p = e->folded.p, *end = p + e->folded.len;

	while (p < end) {
		const char *begin = p + 1, *stop = begin;

		while (stop < end && !query_is_mark(*stop))
			stop++;
		if (query_value_matches(q, (enum book_field)(unsigned char)*p, begin, stop))
			return true;
		p = stop;
	}
	return false;
}

/* ---- Going through ---- */
void
book_cursor_after(struct book_cursor *c, struct str address)
{
	*c = (struct book_cursor){.chunk = 0};
	str_copy(address, c->address, sizeof(c->address));
}

/* Where the content has changed since, the place is found again by address. */
static void
query_place(const struct content *content, struct book_cursor *c)
{
	struct str after = str_c(c->address);

	if (c->generation == content->generation)
		return;
	c->generation = content->generation;
	c->chunk = c->entry = 0;
	if (after.len == 0)
		return;
	if (!content_seek(content, after, &c->chunk, &c->entry)) {
		c->chunk = content->count;
	} else if (str_eq(chunk_address(content->chunks[c->chunk], c->entry), after)) {
		c->entry++; /* may be the chunk's end */
	}
}

static void
query_pass(struct book_cursor *c, const struct chunk *chunk, uint32_t entry)
{
	str_copy(chunk_address(chunk, entry), c->address, sizeof(c->address));
	c->entry = entry + 1;
}

/* Every field that is asked for has the same needle, and no entry can match without it. */
static bool
query_has_needle(const struct book_query *q)
{
	return q != NULL && q->match != BOOK_PRESENT && q->text.len != 0 && str_eq(q->text, q->phone);
}

/* The entry of the chunk in whose text this is. */
static uint32_t
query_entry_at(const struct chunk *c, uint32_t text_at, uint32_t from)
{
	uint32_t low = from, high = c->count;

	while (low + 1 < high) {
		uint32_t middle = low + (high - low) / 2;

		if (c->text_at[middle] <= text_at)
			low = middle;
		else
			high = middle;
	}
	return low;
}

/* The next entry in the chunk that may match; its count: none. */
static uint32_t
query_candidate(const struct book_query *q, const struct chunk *c, uint32_t from)
{
	const char *hit;

	if (!query_has_needle(q) || from == c->count)
		return from;
	hit = find_text(c->text + c->text_at[from], c->text + c->text_at[c->count], q->text);
	return hit != NULL ? query_entry_at(c, (uint32_t)(hit - c->text), from) : c->count;
}

static bool
query_takes(const struct book_query *q, const struct book_entry *e)
{
	if (e->is_hidden && (q == NULL || !q->with_hidden))
		return false;
	return q == NULL || book_query_matches(q, e);
}

/* Searches what is left of the cursor's chunk. */
static bool
query_chunk(const struct chunk *chunk, struct book_cursor *c, const struct book_query *q, struct book_entry *out)
{
	for (;;) {
		uint32_t i = query_candidate(q, chunk, c->entry);

		if (i >= chunk->count)
			return false;
		chunk_entry(chunk, i, out);
		query_pass(c, chunk, i);
		if (query_takes(q, out))
			return true;
	}
}

static uint32_t
query_cost(const struct book_query *q, const struct chunk *chunk)
{
	uint32_t bytes = chunk->text_at[chunk->count];

	return query_has_needle(q) ? bytes / QUERY_BYTES_A_UNIT : bytes / 2;
}

enum book_step
book_next(const struct book *book, struct book_cursor *c, const struct book_query *query, struct slice *slice,
	  struct book_entry *entry_out)
{
	const struct content *content = &book->content;

	query_place(content, c);
	while (c->chunk < content->count) {
		const struct chunk *chunk = content->chunks[c->chunk];

		if (query_chunk(chunk, c, query, entry_out))
			return BOOK_FOUND;
		str_copy(chunk_address(chunk, chunk->count - 1), c->address, sizeof(c->address));
		c->chunk++;
		c->entry = 0;
		if (slice != NULL && slice_spend(slice, query_cost(query, chunk)) && c->chunk < content->count)
			return BOOK_PAUSE;
	}
	return BOOK_END;
}

bool
book_find(const struct book *book, struct str address, bool with_hidden, struct book_entry *entry_out)
{
	uint32_t chunk, entry;

	if (!content_seek(&book->content, address, &chunk, &entry))
		return false;
	chunk_entry(book->content.chunks[chunk], entry, entry_out);
	return str_eq(entry_out->address, address) && (with_hidden || !entry_out->is_hidden);
}
