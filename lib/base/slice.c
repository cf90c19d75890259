#include "lib/base/slice.h"

#include "lib/base/clock.h"

bool
slice_look(struct slice *s)
{
	int64_t now_us = clock_monotonic_us();

	if (s->began_us == 0)
		s->began_us = now_us;
	s->looked = s->spent;
	s->over = s->over || s->spent >= SLICE_WORK || now_us - s->began_us >= SLICE_US;
	return s->over;
}
