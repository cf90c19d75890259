/* The content of a book. A change makes one chunk anew, so that text stays in one
 * piece and in order. */
#include "lib/book/private.h"

#include "lib/base/log.h"

void
content_fini(struct content *c)
{
	for (uint32_t i = 0; i < c->count; i++)
		mem_free(c->chunks[i]);
	mem_free(c->chunks);
	*c = (struct content){.generation = c->generation + 1};
}

static void
content_insert(struct content *c, uint32_t at, struct chunk *chunk)
{
	if (c->count == c->capacity) {
		c->capacity = c->capacity != 0 ? c->capacity * 2 : 16;
		c->chunks = mem_realloc(c->chunks, c->capacity * sizeof(*c->chunks));
	}
	memmove(c->chunks + at + 1, c->chunks + at, (c->count - at) * sizeof(*c->chunks));
	c->chunks[at] = chunk;
	c->count++;
	c->entries += chunk->count;
	c->bytes += chunk->bytes;
	c->generation++;
}

static void
content_take_out(struct content *c, uint32_t at)
{
	struct chunk *chunk = c->chunks[at];

	c->entries -= chunk->count;
	c->bytes -= chunk->bytes;
	c->count--;
	memmove(c->chunks + at, c->chunks + at + 1, (c->count - at) * sizeof(*c->chunks));
	c->generation++;
	mem_free(chunk);
}

void
content_append(struct content *c, struct chunk_draft *d)
{
	if (d->count != 0)
		content_insert(c, c->count, chunk_seal(d));
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

/* A chunk that has become too large is cut in two. */
static void
content_split(struct content *c, uint32_t at, struct chunk_draft *d)
{
	const struct chunk *large = c->chunks[at];
	uint32_t half = large->count / 2;

	if (large->count < CHUNK_MAX && (half == 0 || large->bytes < (size_t)4 * CHUNK_BYTES))
		return;
	chunk_draft_copy(d, large, half, large->count);
	struct chunk *second = chunk_seal(d);
	chunk_draft_copy(d, large, 0, half);
	struct chunk *first = chunk_seal(d);
	content_take_out(c, at);
	content_insert(c, at, first);
	content_insert(c, at + 1, second);
}

size_t
content_put(struct content *c, struct str address, struct str stored)
{
	struct chunk_draft d;
	uint32_t at = content_chunk_of(c, address), i = 0, behind = 0;
	size_t bytes = 0;

	chunk_draft_init(&d);
	if (at < c->count) {
		const struct chunk *old = c->chunks[at];
		i = chunk_lower_bound(old, address);
		behind = i < old->count && str_eq(chunk_address(old, i), address) ? i + 1 : i;
		chunk_draft_copy(&d, old, 0, i);
	}
	if (stored.len != 0)
		content_add_stored(&d, address, stored);
	if (at < c->count) {
		chunk_draft_copy(&d, c->chunks[at], behind, c->chunks[at]->count);
		content_take_out(c, at);
	}
	if (d.count != 0) {
		content_insert(c, at, chunk_seal(&d));
		bytes = c->chunks[at]->bytes;
		content_split(c, at, &d);
	}
	chunk_draft_fini(&d);
	return bytes;
}
