/* Sequence sets. */
#include "frontend/imap/parse/set.h"

#include <stdlib.h>

#include "lib/base/check.h"

static bool
set_read_number(struct str text, size_t *at, uint32_t *number_out)
{
	uint64_t value = 0;
	size_t from = *at;

	if (from < text.len && text.p[from] == '*') {
		*number_out = IMAP_STAR;
		*at = from + 1;
		return true;
	}
	while (*at < text.len && text.p[*at] >= '0' && text.p[*at] <= '9') {
		value = value * 10 + (uint64_t)(text.p[*at] - '0');
		if (value > UINT32_MAX)
			return false;
		(*at)++;
	}
	*number_out = (uint32_t)value;
	return *at > from && value != 0;
}

static bool
set_read_range(struct str text, size_t *at, struct range *range_out)
{
	if (!set_read_number(text, at, &range_out->first))
		return false;
	range_out->last = range_out->first;
	if (*at < text.len && text.p[*at] == ':') {
		(*at)++;
		return set_read_number(text, at, &range_out->last);
	}
	return true;
}

static uint32_t
set_count_ranges(struct str text, size_t at)
{
	uint32_t count = 1;

	for (; at < text.len && text.p[at] != ' ' && text.p[at] != '\r' && text.p[at] != ')'; at++)
		count += text.p[at] == ',';
	return count;
}

bool
imap_set_read(struct str text, size_t *at, struct arena *arena, struct imap_set *set_out)
{
	*set_out = (struct imap_set){NULL, 0, false};
	if (*at < text.len && text.p[*at] == '$') {
		set_out->saved = true;
		(*at)++;
		return true;
	}
	set_out->ranges = arena_array(arena, struct range, set_count_ranges(text, *at));
	for (;;) {
		if (!set_read_range(text, at, &set_out->ranges[set_out->count]))
			return false;
		set_out->count++;
		if (*at >= text.len || text.p[*at] != ',')
			return true;
		(*at)++;
	}
}

struct imap_set
imap_set_copy(const struct imap_set *set, struct arena *arena)
{
	struct imap_set copy = *set;

	copy.ranges = arena_array(arena, struct range, set->count + 1);
	for (uint32_t i = 0; i < set->count; i++)
		copy.ranges[i] = set->ranges[i];
	return copy;
}

static int
set_by_first(const void *a, const void *b)
{
	const struct range *x = a, *y = b;

	return x->first < y->first ? -1 : x->first > y->first;
}

void
imap_set_resolve(struct imap_set *set, uint32_t star)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < set->count; i++) {
		struct range r = set->ranges[i];
		if (star == 0 && r.first == IMAP_STAR && r.last == IMAP_STAR)
			continue;
		if (r.first == IMAP_STAR)
			r.first = star != 0 ? star : r.last;
		if (r.last == IMAP_STAR)
			r.last = star != 0 ? star : r.first;
		if (r.first > r.last)
			r = (struct range){r.last, r.first};
		set->ranges[kept++] = r;
	}
	set->count = kept;
	if (kept < 2)
		return;
	qsort(set->ranges, kept, sizeof(*set->ranges), set_by_first);
	kept = 0;
	for (uint32_t i = 1; i < set->count; i++) {
		struct range *last = &set->ranges[kept], r = set->ranges[i];
		if (last->last == UINT32_MAX || r.first <= last->last + 1)
			last->last = r.last > last->last ? r.last : last->last;
		else
			set->ranges[++kept] = r;
	}
	set->count = kept + 1;
}

bool
imap_set_has(const struct imap_set *set, uint32_t number)
{
	return ranges_have(set->ranges, set->count, number);
}

uint64_t
imap_set_size(const struct imap_set *set)
{
	uint64_t size = 0;

	for (uint32_t i = 0; i < set->count; i++)
		size += (uint64_t)set->ranges[i].last - set->ranges[i].first + 1;
	return size;
}

uint32_t
imap_set_max(const struct imap_set *set)
{
	return set->count != 0 ? set->ranges[set->count - 1].last : 0;
}

struct imap_set
imap_set_of(struct arena *arena, const uint32_t *numbers, uint32_t count)
{
	struct imap_set set = {NULL, 0, false};
	uint32_t ranges = 0;

	for (uint32_t i = 0; i < count; i++)
		ranges += i == 0 || numbers[i] != numbers[i - 1] + 1;
	set.ranges = arena_array(arena, struct range, ranges + 1);
	for (uint32_t i = 0; i < count; i++) {
		CHECK(i == 0 || numbers[i - 1] < numbers[i]);
		if (i != 0 && numbers[i] == numbers[i - 1] + 1)
			set.ranges[set.count - 1].last = numbers[i];
		else
			set.ranges[set.count++] = (struct range){numbers[i], numbers[i]};
	}
	return set;
}

static void
set_print_range(uint32_t first, uint32_t last, bool is_first, struct buf *out)
{
	if (!is_first)
		buf_add_byte(out, ',');
	buf_add_decimal(out, first);
	if (first == last)
		return;
	buf_add_byte(out, ':');
	buf_add_decimal(out, last);
}

void
imap_set_print_numbers(const uint32_t *numbers, uint32_t count, struct buf *out)
{
	for (uint32_t i = 0; i < count;) {
		uint32_t from = i++;
		while (i < count && numbers[i] == numbers[i - 1] + 1)
			i++;
		set_print_range(numbers[from], numbers[i - 1], from == 0, out);
	}
}
