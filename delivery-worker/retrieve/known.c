#include "delivery-worker/retrieve/known.h"

#include <string.h>

#include "lib/base/mem.h"

void
known_fini(struct known *k)
{
	mem_free(k->rows);
	mem_free(k->by_id);
	mem_free(k->by_print);
	*k = (struct known){0};
}

static void
known_put(uint32_t *slots, size_t count, uint64_t hash, size_t row)
{
	size_t at = hash & (count - 1);

	while (slots[at] != 0)
		at = (at + 1) & (count - 1);
	slots[at] = (uint32_t)row + 1;
}

static void
known_index(struct known *k)
{
	size_t slots = 64;

	if (k->is_indexed && k->count * 2 < k->slots)
		return;
	while (slots < k->count * 4)
		slots *= 2;
	mem_free(k->by_id);
	mem_free(k->by_print);
	k->by_id = mem_zalloc(slots * sizeof(*k->by_id));
	k->by_print = mem_zalloc(slots * sizeof(*k->by_print));
	k->slots = slots;
	for (size_t i = 0; i < k->count; i++) {
		if (k->rows[i].record.id != 0)
			known_put(k->by_id, slots, k->rows[i].record.id, i);
		known_put(k->by_print, slots, k->rows[i].record.fingerprint, i);
	}
	k->is_indexed = true;
}

static void
known_append(struct known *k, const struct ledger_record *r)
{
	if (k->count == k->capacity) {
		k->capacity = k->capacity == 0 ? 64 : k->capacity * 2;
		k->rows = mem_realloc(k->rows, k->capacity * sizeof(*k->rows));
	}
	k->has_forgotten |= r->id == 0;
	k->rows[k->count++] = (struct known_row){.record = *r};
}

void
known_feed(struct known *k, struct str piece)
{
	k->bytes += piece.len;
	k->is_indexed = false;
	while (piece.len > 0) {
		size_t n = LEDGER_RECORD - k->part_len;
		struct ledger_record r;

		if (n > piece.len)
			n = piece.len;
		memcpy(k->part + k->part_len, piece.p, n);
		k->part_len += n;
		piece = str_from(piece, n);
		if (k->part_len < LEDGER_RECORD)
			return;
		r = ledger_record_unpack(k->part);
		known_append(k, &r);
		k->part_len = 0;
	}
}

void
known_add(struct known *k, const struct ledger_record *r)
{
	known_index(k);
	known_append(k, r);
	k->rows[k->count - 1].is_listed = true;
	if (k->count * 2 >= k->slots) {
		k->is_indexed = false;
		return;
	}
	known_put(k->by_id, k->slots, r->id, k->count - 1);
	known_put(k->by_print, k->slots, r->fingerprint, k->count - 1);
}

struct known_row *
known_find(struct known *k, uint64_t id)
{
	known_index(k);
	for (size_t at = id & (k->slots - 1); k->by_id[at] != 0; at = (at + 1) & (k->slots - 1)) {
		struct known_row *row = &k->rows[k->by_id[at] - 1];

		if (row->record.id == id)
			return row;
	}
	return NULL;
}

struct known_row *
known_find_print(struct known *k, uint64_t fingerprint, bool any)
{
	known_index(k);
	for (size_t at = fingerprint & (k->slots - 1); k->by_print[at] != 0; at = (at + 1) & (k->slots - 1)) {
		struct known_row *row = &k->rows[k->by_print[at] - 1];

		if (row->record.fingerprint == fingerprint && (any || (!row->is_listed && !row->is_replaced)))
			return row;
	}
	return NULL;
}

bool
known_shrink(const struct known *k, uint32_t before_day, bool forget_ids, struct buf *out)
{
	size_t stale = 0;
	bool forgets = false;

	for (size_t i = 0; i < k->count; i++) {
		const struct known_row *row = &k->rows[i];

		stale += row->is_replaced || (!row->is_listed && row->record.day < before_day);
		forgets |= forget_ids && !row->is_listed && row->record.id != 0;
	}
	if (!forgets && (stale * 4 < k->count || stale == 0))
		return false;
	for (size_t i = 0; i < k->count; i++) {
		const struct known_row *row = &k->rows[i];
		struct ledger_record record = row->record;

		if (row->is_replaced || (!row->is_listed && row->record.day < before_day))
			continue;
		if (forget_ids && !row->is_listed)
			record.id = 0;
		ledger_record_pack(&record, buf_reserve(out, LEDGER_RECORD));
		out->len += LEDGER_RECORD;
	}
	return true;
}
