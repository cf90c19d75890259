/* Ranges of UIDs that are recent. */
#include "frontend/folder/recent.h"

#include "lib/base/mem.h"

void
folder_recent_add(struct folder_recent *r, uint32_t first, uint32_t last)
{
	struct folder_range *end = r->count != 0 ? &r->ranges[r->count - 1] : NULL;

	if (first > last)
		return;
	/* A session that goes on taking has one range for all of it. */
	if (end != NULL && first - 1 <= end->last) {
		end->first = first < end->first ? first : end->first;
		end->last = last > end->last ? last : end->last;
		return;
	}
	if (r->count == r->capacity) {
		r->capacity = r->capacity == 0 ? 1 : r->capacity * 2;
		r->ranges = mem_realloc(r->ranges, sizeof(*r->ranges) * r->capacity);
	}
	r->ranges[r->count++] = (struct folder_range){first, last};
}

void
folder_recent_move(struct folder_recent *from, struct folder_recent *to)
{
	for (uint32_t i = 0; i < from->count; i++)
		folder_recent_add(to, from->ranges[i].first, from->ranges[i].last);
	folder_recent_fini(from);
}

bool
folder_recent_has(const struct folder_recent *r, uint32_t uid)
{
	uint32_t low = 0, high = r->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (r->ranges[middle].last < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->count && r->ranges[low].first <= uid;
}

void
folder_recent_fini(struct folder_recent *r)
{
	mem_free(r->ranges);
	*r = (struct folder_recent){0};
}
