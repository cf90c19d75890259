/* The matrix of the index: seats of chunks, columns of entries. */
#include "lib/book/private.h"

/* ---- Banks and seats ---- */
void
index_fini(struct book_index *ix)
{
	for (uint32_t i = 0; i < ix->bank_count; i++)
		mem_free(ix->banks[i]);
	mem_free(ix->banks);
	*ix = (struct book_index){.banks = NULL};
}

struct index_bank *
index_bank_of(const struct book_index *ix, uint32_t seat)
{
	return ix->banks[seat / INDEX_BANK_SEATS];
}

const uint64_t *
index_row(const struct index_bank *bank, uint32_t seat, uint32_t row)
{
	return bank->bits[row][seat % INDEX_BANK_SEATS];
}

/* A bank with room; made if there is none. */
static uint32_t
index_bank_with_room(struct book_index *ix)
{
	uint32_t at = 0, unused = ix->bank_count;

	while (at < ix->bank_count && (ix->banks[at] == NULL || ix->banks[at]->used == (1U << INDEX_BANK_SEATS) - 1)) {
		if (ix->banks[at] == NULL)
			unused = at;
		at++;
	}
	if (at < ix->bank_count)
		return at;
	if (unused == ix->bank_count)
		ix->banks = mem_realloc(ix->banks, ++ix->bank_count * sizeof(struct index_bank *));
	ix->banks[unused] = mem_zalloc(sizeof(struct index_bank));
	ix->bytes += sizeof(struct index_bank);
	return unused;
}

static uint32_t
index_take_seat(struct book_index *ix)
{
	uint32_t at = index_bank_with_room(ix), seat = (uint32_t)__builtin_ctz(~ix->banks[at]->used);

	ix->banks[at]->used |= 1U << seat;
	return at * INDEX_BANK_SEATS + seat;
}

/* All of its bits are clear. */
static void
index_free_seat(struct book_index *ix, uint32_t seat)
{
	struct index_bank **bank = &ix->banks[seat / INDEX_BANK_SEATS];

	(*bank)->used &= ~(1U << seat % INDEX_BANK_SEATS);
	if ((*bank)->used != 0)
		return;
	mem_free(*bank);
	*bank = NULL;
	ix->bytes -= sizeof(struct index_bank);
}

bool
index_set_is_empty(const struct index_set *s)
{
	_Static_assert(INDEX_SEAT_WORDS == 2, "all of them");
	return (s->words[0] | s->words[1]) == 0;
}

/* ---- Columns ---- */
/* Sets the bits of an entry's text, or clears them again. */
static void
index_mark(struct book_index *ix, const struct chunk *c, uint32_t i, bool sets)
{
	struct index_bank *bank = index_bank_of(ix, c->seat);
	uint32_t column = c->columns[i], seat = c->seat % INDEX_BANK_SEATS;
	uint64_t bit = UINT64_C(1) << column % 64;
	struct gram_set grams;

	gram_set_of(chunk_text(c, i), &grams);
	for (uint32_t w = 0; w < GRAM_ROWS / 64; w++)
		for (uint64_t left = grams.words[w]; left != 0; left &= left - 1) {
			uint32_t row = w * 64 + (uint32_t)__builtin_ctzll(left);
			uint64_t *word = &bank->bits[row][seat][column / 64];

			*word = sets ? *word | bit : *word & ~bit;
			ix->set[row] += sets ? 1 : UINT32_MAX;
		}
	ix->entries += sets ? 1 : UINT64_MAX;
}

/* One that no other entry of the chunk has. */
static uint8_t
index_free_column(const struct chunk *c, uint32_t but)
{
	uint64_t used[INDEX_SEAT_WORDS] = {0};
	uint32_t w = 0;

	for (uint32_t i = 0; i < c->count; i++)
		if (i != but)
			used[c->columns[i] / 64] |= UINT64_C(1) << c->columns[i] % 64;
	while (~used[w] == 0)
		w++;
	CHECK(w < INDEX_SEAT_WORDS);
	return (uint8_t)(w * 64 + (uint32_t)__builtin_ctzll(~used[w]));
}

/* Made beside the bank, whose rows are far apart, and then copied. */
void
index_add_chunk(struct book_index *ix, struct chunk *c)
{
	struct index_seat *seat = mem_zalloc(sizeof(*seat));

	c->seat = index_take_seat(ix);
	for (uint32_t i = 0; i < c->count; i++) {
		c->columns[i] = (uint8_t)i;
		gram_mark(chunk_text(c, i), seat, i);
	}
	for (uint32_t row = 0; row < GRAM_ROWS; row++) {
		uint64_t *to = index_bank_of(ix, c->seat)->bits[row][c->seat % INDEX_BANK_SEATS];

		memcpy(to, seat->bits[row], sizeof(seat->bits[row]));
		for (uint32_t w = 0; w < INDEX_SEAT_WORDS; w++)
			ix->set[row] += (uint32_t)__builtin_popcountll(seat->bits[row][w]);
	}
	ix->entries += c->count;
	mem_free(seat);
}

void
index_drop_entries(struct book_index *ix, struct chunk *c, uint32_t from)
{
	if (c->seat == INDEX_NO_SEAT)
		return;
	for (uint32_t i = from; i < c->count; i++)
		index_mark(ix, c, i, false);
	if (from != 0)
		return;
	index_free_seat(ix, c->seat);
	c->seat = INDEX_NO_SEAT;
}

void
index_replace_chunk(struct book_index *ix, struct chunk *from, struct chunk *to, uint32_t at, uint32_t removed,
		    uint32_t added)
{
	CHECK(to->count == from->count - removed + added);
	to->seat = from->seat;
	memcpy(to->columns, from->columns, at);
	memcpy(to->columns + at + added, from->columns + at + removed, from->count - at - removed);
	if (to->seat == INDEX_NO_SEAT)
		return;
	if (removed != 0)
		index_mark(ix, from, at, false);
	if (added == 0)
		return;
	to->columns[at] = index_free_column(to, at);
	index_mark(ix, to, at, true);
}
