/* Ranges of UIDs that are recent. */
#include "frontend/folder/recent.h"

#include <string.h>

#include "lib/base/mem.h"

/* The first range that does not end before the number preceding uid. */
static uint32_t
recent_place(const struct folder_recent *r, uint32_t uid)
{
	uint32_t at = r->count;

	while (at != 0 && (uint64_t)r->ranges[at - 1].last + 1 >= uid)
		at--;
	return at;
}

static void
recent_insert(struct folder_recent *r, uint32_t at, uint32_t first, uint32_t last)
{
	if (r->count == r->capacity) {
		r->capacity = r->capacity == 0 ? 1 : r->capacity * 2;
		r->ranges = mem_realloc(r->ranges, sizeof(*r->ranges) * r->capacity);
	}
	memmove(&r->ranges[at + 1], &r->ranges[at], sizeof(*r->ranges) * (r->count - at));
	r->ranges[at] = (struct range){first, last};
	r->count++;
}

void
folder_recent_add(struct folder_recent *r, uint32_t first, uint32_t last)
{
	uint32_t at, end;

	if (first > last)
		return;
	/* Ranges that overlap or touch the new one are merged with it: a session that keeps
	 * taking messages has one range for all of them. */
	at = recent_place(r, first);
	for (end = at; end < r->count && r->ranges[end].first <= (uint64_t)last + 1; end++) {
		first = r->ranges[end].first < first ? r->ranges[end].first : first;
		last = r->ranges[end].last > last ? r->ranges[end].last : last;
	}
	if (end == at) {
		recent_insert(r, at, first, last);
		return;
	}
	r->ranges[at] = (struct range){first, last};
	memmove(&r->ranges[at + 1], &r->ranges[end], sizeof(*r->ranges) * (r->count - end));
	r->count -= end - at - 1;
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
	return ranges_have(r->ranges, r->count, uid);
}

void
folder_recent_fini(struct folder_recent *r)
{
	mem_free(r->ranges);
	*r = (struct folder_recent){0};
}
