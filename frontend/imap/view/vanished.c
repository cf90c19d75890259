#include "frontend/imap/view/vanished.h"

static void
vanished_add(struct imap_set *set, uint32_t first, uint32_t last)
{
	struct range *before = set->count != 0 ? &set->ranges[set->count - 1] : NULL;

	if (before != NULL && before->last + 1 == first)
		before->last = last;
	else
		set->ranges[set->count++] = (struct range){first, last};
}

/* All lists are in UID order and are traversed in parallel. */
static void
vanished_add_gone(const struct imap_view *v, const struct mailbox_changes *changes, const struct imap_set *asked,
		  uint32_t end, struct imap_set *out)
{
	uint32_t seq = 1, range = 0;

	for (uint32_t i = 0; i < changes->gone_count && changes->gone_uids[i] < end; i++) {
		uint32_t uid = changes->gone_uids[i];
		while (range < asked->count && asked->ranges[range].last < uid)
			range++;
		while (seq <= v->count && imap_view_uid(v, seq) < uid)
			seq++;
		if (range < asked->count && asked->ranges[range].first <= uid &&
		    (seq > v->count || imap_view_uid(v, seq) != uid))
			vanished_add(out, uid, uid);
	}
}

static void
vanished_add_missing(const struct imap_view *v, const struct imap_set *asked, uint32_t end, struct imap_set *out)
{
	uint32_t seq = 1;

	for (uint32_t i = 0; i < asked->count; i++) {
		uint64_t uid = asked->ranges[i].first, last = asked->ranges[i].last;
		last = last < end ? last : (uint64_t)end - 1;
		while (seq <= v->count && imap_view_uid(v, seq) < uid)
			seq++;
		while (uid <= last) {
			uint64_t there = seq <= v->count ? imap_view_uid(v, seq) : UINT64_MAX;
			uint64_t stop = there <= last ? there : last + 1;
			if (uid < stop)
				vanished_add(out, (uint32_t)uid, (uint32_t)(stop - 1));
			uid = stop + 1;
			seq += there == stop;
		}
	}
}

struct imap_set
imap_vanished(const struct imap_view *v, const struct mailbox_changes *changes, const struct imap_set *asked,
	      uint32_t end, struct arena *arena)
{
	struct range all = {1, UINT32_MAX};
	struct imap_set every = {&all, 1, false}, out = {NULL, 0, false};

	if (asked == NULL)
		asked = &every;
	out.ranges =
		arena_array(arena, struct range,
			    changes->complete ? (size_t)changes->gone_count + 1 : (size_t)asked->count + v->count + 1);
	if (changes->complete)
		vanished_add_gone(v, changes, asked, end, &out);
	else if (end > 1)
		vanished_add_missing(v, asked, end, &out);
	return out;
}

void
imap_vanished_print(const struct range *range, bool is_first, struct buf *out)
{
	if (!is_first)
		buf_add_byte(out, ',');
	buf_add_decimal(out, range->first);
	if (range->first == range->last)
		return;
	buf_add_byte(out, ':');
	buf_add_decimal(out, range->last);
}
