/* Ranges of UIDs that are recent. */
#include "frontend/imap/recent.h"

#include "lib/base/mem.h"

void
imap_recent_add(struct imap_recent *r, uint32_t first, uint32_t last)
{
	struct imap_range *end = r->set.count != 0 ? &r->set.ranges[r->set.count - 1] : NULL;

	if (first > last)
		return;
	/* A session that goes on taking has one range for all of it. */
	if (end != NULL && first - 1 <= end->last) {
		end->first = first < end->first ? first : end->first;
		end->last = last > end->last ? last : end->last;
		return;
	}
	if (r->set.count == r->capacity) {
		r->capacity = r->capacity == 0 ? 1 : r->capacity * 2;
		r->set.ranges = mem_realloc(r->set.ranges, sizeof(*r->set.ranges) * r->capacity);
	}
	r->set.ranges[r->set.count++] = (struct imap_range){first, last};
}

void
imap_recent_move(struct imap_recent *from, struct imap_recent *to)
{
	for (uint32_t i = 0; i < from->set.count; i++)
		imap_recent_add(to, from->set.ranges[i].first, from->set.ranges[i].last);
	imap_recent_fini(from);
}

bool
imap_recent_has(const struct imap_recent *r, uint32_t uid)
{
	return r->set.count != 0 && imap_set_has(&r->set, uid);
}

void
imap_recent_fini(struct imap_recent *r)
{
	mem_free(r->set.ranges);
	*r = (struct imap_recent){0};
}
