/* The content of a book. A change makes one chunk anew, so that text stays in one
 * piece and in order. */
#include "lib/book/private.h"

#include "lib/base/log.h"

enum {
	/* A seat of the index costs as much as half of the chunk, and a bank of seats 256 KiB: small
	 * books and chunks have none. */
	CONTENT_CHUNKS_LEAST = 4,
	CONTENT_ENTRIES_LEAST = 16,
	/* Units of lib/base/slice.h: for a change; and for one entry, in the index. */
	CONTENT_WORK = 200,
	CONTENT_ENTRY_WORK = 400,
	/* Bytes for a unit: that are copied; that are folded and go into the index. */
	CONTENT_COPIED_BYTES = 50,
	CONTENT_FOLDED_BYTES = 1,
};

void
content_fini(struct content *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		mem_free(c->chunks[i]);
	mem_free(c->chunks);
	mem_free(c->seats);
	index_fini(&c->index);
	*c = (struct content){.generation = c->generation + 1};
}

static void
content_insert(struct content *c, uint32_t at, struct chunk *chunk)
{
	if (c->count == c->capacity) {
		c->capacity = c->capacity != 0 ? c->capacity * 2 : 16;
		c->chunks = mem_realloc(c->chunks, c->capacity * sizeof(*c->chunks));
		c->seats = mem_realloc(c->seats, c->capacity * sizeof(*c->seats));
	}
	memmove(c->chunks + at + 1, c->chunks + at, (c->count - at) * sizeof(*c->chunks));
	memmove(c->seats + at + 1, c->seats + at, (c->count - at) * sizeof(*c->seats));
	c->chunks[at] = chunk;
	c->seats[at] = chunk->seat;
	c->count++;
	c->entries += chunk->count;
	c->bytes += chunk->bytes;
	c->generation++;
}

/* Its seat is another's by now, or free. */
static void
content_take_out(struct content *c, uint32_t at)
{
	struct chunk *chunk = c->chunks[at];

	c->entries -= chunk->count;
	c->bytes -= chunk->bytes;
	c->count--;
	memmove(c->chunks + at, c->chunks + at + 1, (c->count - at) * sizeof(*c->chunks));
	memmove(c->seats + at, c->seats + at + 1, (c->count - at) * sizeof(*c->seats));
	c->generation++;
	mem_free(chunk);
}

/* Gives a chunk a seat if it has become worth one, and takes the seat of one that is much
 * too small. */
static uint32_t
content_judge_seat(struct content *c, struct chunk *chunk)
{
	uint32_t entries = 0;

	if (chunk->seat == INDEX_NO_SEAT && chunk->count >= CONTENT_ENTRIES_LEAST && c->count >= CONTENT_CHUNKS_LEAST) {
		entries = chunk->count;
		index_add_chunk(&c->index, chunk);
	} else if (chunk->seat != INDEX_NO_SEAT && chunk->count < CONTENT_ENTRIES_LEAST / 2) {
		entries = chunk->count;
		index_drop_entries(&c->index, chunk, 0);
	}
	return entries * CONTENT_ENTRY_WORK;
}

void
content_append(struct content *c, struct chunk_draft *d)
{
	struct chunk *chunk;

	if (d->count == 0)
		return;
	chunk = chunk_seal(d);
	content_judge_seat(c, chunk);
	content_insert(c, c->count, chunk);
}

/* The chunk in which the address is, or belongs; count: there are no chunks. */
static uint32_t
content_chunk_of(const struct content *c, struct str address)
{
	uint32_t low = 0, high = c->count;

	/* The last one that does not begin after the address. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (str_cmp(chunk_address(c->chunks[middle], 0), address) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low > 0 ? low - 1 : 0;
}

bool
content_seek(const struct content *c, struct str address, uint32_t *chunk_out, uint32_t *entry_out)
{
	if (c->count == 0)
		return false;
	*chunk_out = content_chunk_of(c, address);
	*entry_out = chunk_lower_bound(c->chunks[*chunk_out], address);
	if (*entry_out == c->chunks[*chunk_out]->count) {
		*entry_out = 0;
		++*chunk_out;
	}
	return *chunk_out < c->count;
}

static void
content_add_stored(struct chunk_draft *d, struct str address, struct str stored)
{
	if (!chunk_draft_add(d, address, stored))
		log_warning(NULL, "an entry of an address book is damaged", F_STR("address", address));
}

/* A chunk that has become too large is cut in two. The first half keeps the seat. */
static uint32_t
content_split(struct content *c, uint32_t at, struct chunk_draft *d)
{
	struct chunk *large = c->chunks[at];
	uint32_t half = large->count / 2;

	if (large->count < CHUNK_MAX && (half == 0 || large->bytes < (size_t)3 * CHUNK_BYTES))
		return 0;
	index_drop_entries(&c->index, large, half);
	chunk_draft_copy(d, large, half, large->count);
	struct chunk *second = chunk_seal(d);
	chunk_draft_copy(d, large, 0, half);
	struct chunk *first = chunk_seal(d);
	first->seat = large->seat;
	memcpy(first->columns, large->columns, half);
	content_take_out(c, at);
	uint32_t work = half * CONTENT_ENTRY_WORK + content_judge_seat(c, second);
	content_insert(c, at, first);
	content_insert(c, at + 1, second);
	return work;
}

/* Entries of `old` (NULL: there was none) before i and from `behind` on, and those that the draft has
 * more. */
static uint32_t
content_put_chunk(struct content *c, uint32_t at, struct chunk_draft *d, uint32_t i, uint32_t behind)
{
	struct chunk *old = at < c->count ? c->chunks[at] : NULL, *chunk;
	uint32_t added = d->count - i, work;

	if (old != NULL)
		chunk_draft_copy(d, old, behind, old->count);
	if (d->count == 0) {
		if (old != NULL) {
			index_drop_entries(&c->index, old, 0);
			content_take_out(c, at);
		}
		return 0;
	}
	chunk = chunk_seal(d);
	if (old != NULL) {
		index_replace_chunk(&c->index, old, chunk, i, behind - i, added);
		content_take_out(c, at);
	}
	work = content_judge_seat(c, chunk);
	content_insert(c, at, chunk);
	return work + (uint32_t)(chunk->bytes / CONTENT_COPIED_BYTES) + content_split(c, at, d);
}

uint32_t
content_put(struct content *c, struct str address, struct str stored)
{
	struct chunk_draft d;
	uint32_t at = content_chunk_of(c, address), i = 0, behind = 0, work;

	chunk_draft_init(&d);
	if (at < c->count) {
		const struct chunk *old = c->chunks[at];
		i = chunk_lower_bound(old, address);
		behind = i < old->count && str_eq(chunk_address(old, i), address) ? i + 1 : i;
		chunk_draft_copy(&d, old, 0, i);
	}
	if (stored.len != 0)
		content_add_stored(&d, address, stored);
	work = content_put_chunk(c, at, &d, i, behind);
	chunk_draft_fini(&d);
	return CONTENT_WORK + 2 * CONTENT_ENTRY_WORK + (uint32_t)(stored.len / CONTENT_FOLDED_BYTES) + work;
}
