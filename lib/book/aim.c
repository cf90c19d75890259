/* Queries as rows of the index. */
#include "lib/book/private.h"

enum {
	/* Rows for one text at most, those that the fewest entries have. A row that is read costs more
	 * than the few entries that it would rule out beyond that. */
	AIM_ROWS_MOST = 12,
	AIM_TEXT_MOST = 64, /* bytes of a text that are looked at */
	/* How a value begins says little about a longer text, and costs a row for each field. */
	AIM_BEGIN_TEXT_MOST = 4,
	AIM_BEGIN_FIELDS_MOST = 8,
};
/* To look at more entries takes longer than to search all texts. */
#define AIM_LIKELY_MOST 0.25

enum aim_kind { AIM_ROWS, AIM_ALL, AIM_ANY };

struct aim {
	enum aim_kind kind;
	unsigned count;
	const uint16_t *rows;	 /* AIM_ROWS: an entry must have all; in the arena */
	const struct aim *parts; /* AIM_ALL, AIM_ANY: in the arena */
	double likely;		 /* which part of the entries can have it, if rows are independent */
};

struct aim_maker {
	const struct book_index *index;
	struct arena *arena;
};

/* ---- Looking ---- */
static struct index_set
aim_look_at_rows(const struct aim *aim, const struct index_bank *bank, uint32_t seat, uint32_t *looked_out)
{
	struct index_set set = {{UINT64_MAX, UINT64_MAX}};

	for (unsigned i = 0; i < aim->count && !index_set_is_empty(&set); i++) {
		const uint64_t *row = index_row(bank, seat, aim->rows[i]);

		for (unsigned w = 0; w < INDEX_SEAT_WORDS; w++)
			set.words[w] &= row[w];
		++*looked_out;
	}
	return set;
}

struct index_set
aim_look(const struct aim *aim, const struct index_bank *bank, uint32_t seat, uint32_t *looked_out)
{
	struct index_set set = {{0}};

	if (aim->kind == AIM_ROWS)
		return aim_look_at_rows(aim, bank, seat, looked_out);
	for (unsigned i = 0; i < aim->count; i++) {
		struct index_set part = aim_look(&aim->parts[i], bank, seat, looked_out);

		for (unsigned w = 0; w < INDEX_SEAT_WORDS; w++)
			if (aim->kind == AIM_ALL && i != 0)
				set.words[w] &= part.words[w];
			else
				set.words[w] |= part.words[w];
		if (aim->kind == AIM_ALL && index_set_is_empty(&set))
			break;
	}
	return set;
}

/* ---- Joining ---- */
static struct aim *
aim_join(const struct aim_maker *m, enum aim_kind kind, const struct aim *parts, unsigned count)
{
	struct aim *out = arena_new(m->arena, struct aim);

	*out = (struct aim){.kind = kind, .count = count, .parts = parts, .likely = kind == AIM_ALL};
	for (unsigned i = 0; i < count; i++)
		if (kind == AIM_ANY)
			out->likely += parts[i].likely;
		else
			out->likely *= parts[i].likely < 1 ? parts[i].likely : 1;
	return out;
}

/* ---- Texts ---- */
/* Puts a row into the list of the rarest ones. */
static void
aim_add_row(const struct aim_maker *m, uint16_t *rows, unsigned *count, uint16_t row)
{
	const uint32_t *set = m->index->set;
	unsigned at = *count;

	for (unsigned i = 0; i < *count; i++)
		if (rows[i] == row)
			return;
	while (at > 0 && set[rows[at - 1]] > set[row])
		at--;
	if (at == AIM_ROWS_MOST)
		return;
	if (*count < AIM_ROWS_MOST)
		++*count;
	memmove(rows + at + 1, rows + at, (*count - at - 1) * sizeof(*rows));
	rows[at] = row;
}

/* The rows of all grams of a text that has at least one. */
static struct aim
aim_rows(const struct aim_maker *m, struct str text)
{
	uint16_t *rows = arena_array(m->arena, uint16_t, AIM_ROWS_MOST);
	struct aim out = {.kind = AIM_ROWS, .rows = rows, .likely = 1};

	text = str_first(text, AIM_TEXT_MOST);
	for (size_t i = 0; i + GRAM_LEN <= text.len; i++) {
		struct gram_rows r = gram_rows_of(text.p + i);

		aim_add_row(m, rows, &out.count, r.rows[0]);
		aim_add_row(m, rows, &out.count, r.rows[1]);
	}
	for (unsigned i = 0; i < out.count && m->index->entries != 0; i++)
		out.likely *= (double)m->index->set[rows[i]] / (double)m->index->entries;
	return out;
}

static bool
aim_begins(enum book_match match)
{
	return match == BOOK_EQUAL || match == BOOK_PREFIX || match == BOOK_WORD;
}

/* A value of one of the fields, or one of its words, begins with this. */
static struct aim *
aim_beginning(const struct aim_maker *m, const struct book_query *q, uint32_t fields, struct str text)
{
	struct str breaks = q->match == BOOK_WORD ? STR(FOLD_BREAKS) : STR_NONE;
	unsigned most = (unsigned)__builtin_popcount(fields) + (unsigned)breaks.len, count = 0;
	struct aim *parts = arena_array(m->arena, struct aim, most + 1);
	char gram[GRAM_LEN] = {0, text.p[0], text.p[1]};

	for (; fields != 0; fields &= fields - 1) {
		gram[0] = (char)__builtin_ctz(fields);
		parts[count++] = aim_rows(m, str_of(gram, GRAM_LEN));
	}
	for (size_t i = 0; i < breaks.len; i++) {
		gram[0] = breaks.p[i];
		parts[count++] = aim_rows(m, str_of(gram, GRAM_LEN));
	}
	return aim_join(m, AIM_ANY, parts, count);
}

/* NULL: the index does not know so short a text, or most entries have it. */
static struct aim *
aim_text(const struct aim_maker *m, const struct book_query *q, uint32_t fields, struct str text)
{
	struct aim *parts = arena_array(m->arena, struct aim, 2);
	unsigned count = 0;

	if (text.len >= GRAM_LEN)
		parts[count++] = aim_rows(m, text);
	if (aim_begins(q->match) && text.len + 1 >= GRAM_LEN && text.len <= AIM_BEGIN_TEXT_MOST &&
	    __builtin_popcount(fields) <= AIM_BEGIN_FIELDS_MOST) {
		parts[count] = *aim_beginning(m, q, fields, text);
		count += parts[count].likely <= AIM_LIKELY_MOST;
	}
	return count != 0 ? aim_join(m, AIM_ALL, parts, count) : NULL;
}

/* ---- Queries. NULL: any entry may match ---- */
static struct aim *aim_query(const struct aim_maker *m, const struct book_query *q);

/* Telephone numbers have a folded text of their own. */
static struct aim *
aim_texts(const struct aim_maker *m, const struct book_query *q)
{
	struct aim *parts = arena_array(m->arena, struct aim, 2), *made;
	unsigned count = 0;
	const struct {
		uint32_t fields;
		struct str text;
	} texts[] = {{q->fields & ~FOLD_PHONE_FIELDS, q->text}, {q->fields & FOLD_PHONE_FIELDS, q->phone}};

	for (unsigned i = 0; i < 2; i++) {
		if (texts[i].fields == 0 || texts[i].text.len == 0)
			continue; /* no such field has it */
		made = aim_text(m, q, texts[i].fields, texts[i].text);
		if (made == NULL)
			return NULL;
		parts[count++] = *made;
	}
	return aim_join(m, AIM_ANY, parts, count);
}

static struct aim *
aim_joined(const struct aim_maker *m, const struct book_query *q)
{
	struct aim *parts = arena_array(m->arena, struct aim, q->count + 1), *made;
	bool is_all = q->match == BOOK_ALL_OF;
	unsigned count = 0;

	for (unsigned i = 0; i < q->count; i++) {
		made = aim_query(m, &q->parts[i]);
		if (made != NULL)
			parts[count++] = *made;
		else if (!is_all)
			return NULL;
	}
	if (is_all && count == 0)
		return NULL;
	return aim_join(m, is_all ? AIM_ALL : AIM_ANY, parts, count);
}

static struct aim *
aim_query(const struct aim_maker *m, const struct book_query *q)
{
	if (q->match == BOOK_ALL_OF || q->match == BOOK_ANY_OF)
		return aim_joined(m, q);
	if (q->match == BOOK_PRESENT || q->text.len == 0)
		return NULL;
	if (q->needle.len != 0)
		return aim_text(m, q, q->fields, q->needle);
	return aim_texts(m, q);
}

uint64_t
book_query_aim(struct book_query *q, const struct book *book, struct arena *arena)
{
	const struct book_index *index = &book->content.index;
	struct aim_maker maker = {index, arena};
	struct aim *aim = aim_query(&maker, q);

	if (aim != NULL && aim->likely > AIM_LIKELY_MOST)
		aim = NULL;
	q->aim = aim;
	if (aim == NULL)
		return book->content.entries;
	return (uint64_t)(aim->likely * (double)index->entries) + (book->content.entries - index->entries);
}
