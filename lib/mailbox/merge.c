/* Puts together what several passes have read (read.c). */
#include <stdlib.h>
#include <string.h>

#include "lib/base/mem.h"
#include "lib/mailbox/private.h"

enum { HALF = 65536, SORT_FEW = 4096 };

/* ---- UIDs ---- */

static int
merge_by_uid(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* By two halves of 16 bits, because comparing 100,000 of them takes many milliseconds. */
static void
merge_sort_many(uint32_t *uids, uint32_t count)
{
	uint32_t *other = mem_alloc(sizeof(*other) * (count + 1)), *from = uids, *to = other;
	uint32_t *starts = mem_alloc(sizeof(*starts) * HALF);

	for (unsigned shift = 0; shift < 32; shift += 16) {
		uint32_t *swapped = from, at = 0;
		memset(starts, 0, sizeof(*starts) * HALF);
		for (uint32_t i = 0; i < count; i++)
			starts[from[i] >> shift & 0xffff]++;
		for (uint32_t k = 0; k < HALF; k++) {
			uint32_t its = starts[k];
			starts[k] = at;
			at += its;
		}
		for (uint32_t i = 0; i < count; i++)
			to[starts[from[i] >> shift & 0xffff]++] = from[i];
		from = to;
		to = swapped;
	}
	mem_free(starts);
	mem_free(other);
}

void
mailbox_sort_uids(uint32_t *uids, uint32_t count)
{
	if (count <= SORT_FEW)
		qsort(uids, count, sizeof(*uids), merge_by_uid);
	else
		merge_sort_many(uids, count);
}

/* ---- Records ---- */

struct merge_place {
	uint32_t uid;
	uint32_t at; /* index of the record, among all that were read */
};

/* By UID; for the same UID the record read last comes first. */
static int
merge_by_place(const void *a, const void *b)
{
	const struct merge_place *x = a, *y = b;

	if (x->uid != y->uid)
		return x->uid < y->uid ? -1 : 1;
	return x->at > y->at ? -1 : x->at < y->at;
}

static void
merge_copy(struct buf *out, const struct buf *in, uint32_t at, size_t bytes)
{
	if (in->len != 0)
		buf_add(out, in->data + (size_t)at * bytes, bytes);
}

static uint32_t
merge_uid_at(const struct buf *hot, uint32_t at)
{
	return mailbox_hot_uid(hot->data + (size_t)at * MAILBOX_HOT_BYTES);
}

/* Those of the later passes, sorted, the last one of each message; places: room for all. */
static uint32_t
merge_sort_later(const struct buf *hot, uint32_t first, uint32_t count, struct merge_place *places)
{
	uint32_t kept = 0;

	for (uint32_t i = first; i < count; i++)
		places[i - first] = (struct merge_place){merge_uid_at(hot, i), i};
	qsort(places, count - first, sizeof(*places), merge_by_place);
	for (uint32_t i = 0; i < count - first; i++)
		if (i == 0 || places[i].uid != places[kept - 1].uid)
			places[kept++] = places[i];
	return kept;
}

void
mailbox_merge_passes(struct buf *hots, struct buf *colds, uint32_t first, const uint32_t *gone_uids,
		     uint32_t gone_count)
{
	uint32_t count = (uint32_t)(hots->len / MAILBOX_HOT_BYTES), gone = 0;
	struct merge_place *places = mem_alloc((count - first + 1) * sizeof(*places));
	uint32_t later = merge_sort_later(hots, first, count, places);
	struct buf hot = BUF_EMPTY, cold = BUF_EMPTY;

	for (uint32_t i = 0, p = 0; i < first || p < later;) {
		uint32_t uid = i < first ? merge_uid_at(hots, i) : UINT32_MAX, at = i;
		if (p < later && places[p].uid <= uid) {
			i += i < first && uid == places[p].uid;
			uid = places[p].uid;
			at = places[p++].at;
		} else {
			i++;
		}
		while (gone < gone_count && gone_uids[gone] < uid)
			gone++;
		if (gone < gone_count && gone_uids[gone] == uid)
			continue;
		merge_copy(&hot, hots, at, MAILBOX_HOT_BYTES);
		merge_copy(&cold, colds, at, MAILBOX_COLD_BYTES);
	}
	mem_free(places);
	buf_fini(hots);
	buf_fini(colds);
	*hots = hot;
	*colds = cold;
}
