/* Queries: the index tells which entries can match (lib/book/aim.c), or else one scan over the folded
 * text of a chunk; then a look at what surrounds a hit. Fields are marked by bytes below 32,
 * so a hit never spans two of them. */
#include "lib/book/private.h"

/* Units of lib/base/slice.h. A scan of 30 bytes takes about one. */
enum { QUERY_BYTES_A_UNIT = 30, QUERY_SEAT_WORK = 1, QUERY_ROW_WORK = 1, QUERY_TERM_WORK = 3 };

void
book_query_init(struct book_query *q, enum book_match match, uint32_t fields, struct str text, struct arena *arena)
{
	struct buf folded = BUF_EMPTY;

	*q = (struct book_query){.match = match, .fields = fields & BOOK_ANY_FIELD, .terms = 1};
	fold_add(&folded, BOOK_DISPLAY_NAME, text, arena);
	q->text = arena_str(arena, buf_str(&folded));
	if (match == BOOK_EQUAL || match == BOOK_PREFIX || match == BOOK_WORD)
		q->text = str_trim(q->text);
	buf_clear(&folded);
	fold_add(&folded, BOOK_PHONE, text, arena);
	q->phone = arena_str(arena, buf_str(&folded));
	buf_fini(&folded);
	if (match == BOOK_PRESENT || q->text.len == 0)
		return;
	if (str_eq(q->text, q->phone) || (q->fields & FOLD_PHONE_FIELDS) == 0)
		q->needle = q->text;
	else if ((q->fields & ~FOLD_PHONE_FIELDS) == 0)
		q->needle = q->phone;
}

void
book_query_join(struct book_query *q, enum book_match match, const struct book_query *parts, unsigned count)
{
	*q = (struct book_query){.match = match, .parts = parts, .count = count, .terms = 1};
	for (unsigned i = 0; i < count; i++) {
		struct str needle = parts[i].needle;

		q->terms += parts[i].terms;
		if (i == 0)
			q->needle = needle;
		else if (match == BOOK_ALL_OF && needle.len > q->needle.len)
			q->needle = needle;
		else if (match == BOOK_ANY_OF && !str_eq(needle, q->needle))
			q->needle = STR_NONE;
	}
}

static bool
query_is_mark(char c)
{
	return (unsigned char)c < ' ';
}

/* Where the value of a hit begins. seen: an earlier hit, or the first value; began: the beginning of that
 * one's. So nobody walks twice over a value that is full of hits. */
static const char *
query_begin_of(const char *at, const char *seen, const char *began)
{
	for (; at > seen; at--)
		if (query_is_mark(at[-1]))
			return at;
	return began;
}

/* Is a hit one of the kind that is asked for, in one of the fields? begin: of its value; end: of the entry's
 * text. */
static bool
query_fits(enum book_match match, uint32_t fields, const char *begin, const char *at, size_t len, const char *end)
{
	const char *stop = at + len;
	bool is_end = stop == end || query_is_mark(*stop);

	if ((fields & BOOK_FIELD_BIT((unsigned char)begin[-1])) == 0)
		return false;
	switch (match) {
	case BOOK_SUBSTRING: return true;
	case BOOK_EQUAL: return at == begin && is_end;
	case BOOK_PREFIX: return at == begin;
	case BOOK_WORD: return at == begin || strchr(FOLD_BREAKS, at[-1]) != NULL;
	case BOOK_SUFFIX: return is_end;
	default: return false;
	}
}

/* Looks for the text in the values of these fields. */
static bool
query_finds(const struct book_query *q, uint32_t fields, struct str text, const struct book_entry *e)
{
	const char *at = e->folded.p, *end = at + e->folded.len, *seen = at + 1, *begin = seen;

	if (fields == 0 || text.len == 0)
		return false;
	if (e->is_group && (fields & BOOK_FIELD_BIT(BOOK_MEMBER)) == 0) {
		const char *members = memchr(at, BOOK_MEMBER, e->folded.len);
		end = members != NULL ? members : end;
	}
	while ((at = find_text(at, end, text)) != NULL) {
		begin = query_begin_of(at, seen, begin);
		if (query_fits(q->match, fields, begin, at, text.len, end))
			return true;
		seen = at++;
	}
	return false;
}

static bool
query_has_value(uint32_t fields, const struct book_entry *e)
{
	enum book_field field;
	struct str value;
	size_t at = 0;

	while (book_entry_next(e, &at, &field, &value))
		if ((fields & BOOK_FIELD_BIT(field)) != 0)
			return true;
	return false;
}

static bool
query_joins(const struct book_query *q, const struct book_entry *e)
{
	bool is_all = q->match == BOOK_ALL_OF;

	for (unsigned i = 0; i < q->count; i++)
		if (book_query_matches(&q->parts[i], e) != is_all)
			return !is_all;
	return is_all;
}

bool
book_query_matches(const struct book_query *q, const struct book_entry *e)
{
	if (q->match == BOOK_ALL_OF || q->match == BOOK_ANY_OF)
		return query_joins(q, e);
	if (q->match == BOOK_PRESENT || q->text.len == 0)
		return q->match != BOOK_EQUAL && query_has_value(q->fields, e);
	if (q->needle.len != 0)
		return query_finds(q, q->fields, q->needle, e);
	return query_finds(q, q->fields & ~FOLD_PHONE_FIELDS, q->text, e) ||
	       query_finds(q, q->fields & FOLD_PHONE_FIELDS, q->phone, e);
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

/* The place is behind this entry. */
static void
query_pass(struct book_cursor *c, const struct chunk *chunk, uint32_t entry)
{
	str_copy(chunk_address(chunk, entry), c->address, sizeof(c->address));
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

/* ---- The next entry in a chunk that may match; its count: none ---- */
static uint32_t
query_next_in_set(const struct index_set *set, const struct chunk *c, uint32_t from)
{
	while (from < c->count && (set->words[c->columns[from] / 64] >> c->columns[from] % 64 & 1) == 0)
		from++;
	return from;
}

static uint32_t
query_next_by_scan(const struct book_query *q, const struct chunk *c, uint32_t from)
{
	const char *hit;

	if (q == NULL || q->needle.len == 0 || from == c->count)
		return from;
	hit = find_text(c->text + c->text_at[from], c->text + c->text_at[c->count], q->needle);
	return hit != NULL ? query_entry_at(c, (uint32_t)(hit - c->text), from) : c->count;
}

static bool
query_takes(const struct book_query *q, const struct book_entry *e)
{
	if (e->is_hidden && (q == NULL || !q->with_hidden))
		return false;
	return q == NULL || book_query_matches(q, e);
}

static uint32_t
query_match_work(const struct book_query *q, const struct book_entry *e)
{
	return q == NULL ? 1 : q->terms * (QUERY_TERM_WORK + (uint32_t)(e->folded.len / QUERY_BYTES_A_UNIT));
}

static bool
query_spend(struct slice *slice, uint32_t work)
{
	return slice != NULL && slice_spend(slice, work);
}

/* Searches what is left of the cursor's chunk, or what the index leaves of it. BOOK_END: nothing is left. */
static enum book_step
query_chunk(const struct content *content, struct book_cursor *c, const struct book_query *q, struct slice *slice,
	    struct book_entry *out)
{
	uint32_t seat = content->seats[c->chunk], looked = 0, i;
	bool is_aimed = q != NULL && q->aim != NULL && seat != INDEX_NO_SEAT;
	const struct chunk *chunk;
	struct index_set set;

	if (is_aimed) {
		set = aim_look(q->aim, index_bank_of(&content->index, seat), seat, &looked);
		(void)query_spend(slice, QUERY_SEAT_WORK + looked * QUERY_ROW_WORK);
		if (index_set_is_empty(&set))
			return BOOK_END;
	}
	chunk = content->chunks[c->chunk];
	for (;;) {
		i = is_aimed ? query_next_in_set(&set, chunk, c->entry) : query_next_by_scan(q, chunk, c->entry);
		if (!is_aimed)
			(void)query_spend(slice, (chunk->text_at[i] - chunk->text_at[c->entry]) / QUERY_BYTES_A_UNIT);
		if (i == chunk->count)
			return BOOK_END;
		chunk_entry(chunk, i, out);
		c->entry = i + 1;
		if (query_takes(q, out)) {
			query_pass(c, chunk, i);
			return BOOK_FOUND;
		}
		if (query_spend(slice, query_match_work(q, out)) && c->entry < chunk->count) {
			query_pass(c, chunk, i);
			return BOOK_PAUSE;
		}
	}
}

enum book_step
book_next(const struct book *book, struct book_cursor *c, const struct book_query *query, struct slice *slice,
	  struct book_entry *entry_out)
{
	const struct content *content = &book->content;

	query_place(content, c);
	while (c->chunk < content->count) {
		enum book_step step = query_chunk(content, c, query, slice, entry_out);

		if (step != BOOK_END)
			return step;
		c->chunk++;
		c->entry = 0;
		bool is_over = slice != NULL && slice->over;
		if (is_over || c->chunk == content->count) {
			const struct chunk *passed = content->chunks[c->chunk - 1];
			query_pass(c, passed, passed->count - 1);
		}
		if (is_over && c->chunk < content->count)
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
