/* Which rows of the index a text has. */
#include "lib/book/private.h"

/* Two hashes: with one, grams that nearly all entries have would make each row that they
 * share useless for the others. */
static inline struct gram_rows
gram_hash(uint32_t gram)
{
	uint32_t first = gram * UINT32_C(0x9e3779b1), second = (first ^ first >> 15) * UINT32_C(0x85ebca6b);

	_Static_assert(GRAM_ROWS == 1 << 10, "a row is 10 bits");
	return (struct gram_rows){{(uint16_t)(first >> 22), (uint16_t)(second >> 22)}};
}

struct gram_rows
gram_rows_of(const char *gram)
{
	const unsigned char *p = (const unsigned char *)gram;

	return gram_hash((uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2]);
}

void
gram_set_of(struct str text, struct gram_set *out)
{
	uint32_t gram = 0;

	*out = (struct gram_set){{0}};
	for (size_t i = 0; i < text.len; i++) {
		gram = (gram << 8 | (unsigned char)text.p[i]) & 0xffffff;
		if (i + 1 < GRAM_LEN)
			continue;
		struct gram_rows r = gram_hash(gram);
		out->words[r.rows[0] / 64] |= UINT64_C(1) << r.rows[0] % 64;
		out->words[r.rows[1] / 64] |= UINT64_C(1) << r.rows[1] % 64;
	}
}

void
gram_mark(struct str text, struct index_seat *seat, uint32_t column)
{
	uint64_t bit = UINT64_C(1) << column % 64;
	uint32_t gram = 0, word = column / 64;

	for (size_t i = 0; i < text.len; i++) {
		gram = (gram << 8 | (unsigned char)text.p[i]) & 0xffffff;
		if (i + 1 < GRAM_LEN)
			continue;
		struct gram_rows r = gram_hash(gram);
		seat->bits[r.rows[0]][word] |= bit;
		seat->bits[r.rows[1]][word] |= bit;
	}
}
