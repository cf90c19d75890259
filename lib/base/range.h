/* Ranges of numbers, such as UIDs. */
#ifndef SP_BASE_RANGE_H
#define SP_BASE_RANGE_H

#include <stdbool.h>
#include <stdint.h>

struct range {
	uint32_t first, last; /* inclusive */
};

/* The ranges are in ascending order and do not overlap. */
static inline bool
ranges_have(const struct range *ranges, uint32_t count, uint32_t number)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (ranges[middle].last < number)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && ranges[low].first <= number;
}

#endif
