/* How much of the loop's time one piece of long work takes before it gives the
 * turn back (op_later()): others wait as long as a slice lasts, so none may last
 * over 2 ms.
 *
 * Whoever works counts what it does, in units of about 10 ns: so a slice is over
 * after the same work wherever it runs, and a test can count slices. The clock is
 * looked at now and then, for machines that are slower and work that was
 * counted as too little. Work that cannot be cut is to be counted before or
 * after; it is what a slice may last longer than SLICE_US. */
#ifndef SP_BASE_SLICE_H
#define SP_BASE_SLICE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SLICE_US = 1000,
	SLICE_WORK = 100000, /* units: what SLICE_US is meant to be */
	SLICE_LOOK = 2000,   /* units between two looks at the clock */
};

/* Zeroed: none has begun. */
struct slice {
	int64_t began_us; /* monotonic; 0: not yet */
	uint32_t spent;	  /* units of this slice */
	uint32_t looked;  /* spent, at the last look at the clock */
	bool over;
};

/* The work comes back from the loop: a slice begins with what is done next. */
static inline void
slice_begin(struct slice *s)
{
	*s = (struct slice){0};
}

bool slice_look(struct slice *s);

/* So much was done. True: the slice is over, and stays so until slice_begin(). */
static inline bool
slice_spend(struct slice *s, uint32_t work)
{
	s->spent += work;
	if (s->began_us != 0 && s->spent - s->looked < SLICE_LOOK)
		return s->over;
	return slice_look(s);
}

#endif
