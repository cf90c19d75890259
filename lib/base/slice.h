/* How much of the loop's time one piece of long work may use before it gives the
 * turn back (op_later()). Everything else waits while a slice lasts, so none may
 * last over 2 ms.
 *
 * The code counts its work in units of about 10 ns, so a slice ends after the
 * same amount of work on every machine, and a test can count slices. The clock is
 * checked now and then, for slower machines and for work whose cost was
 * underestimated. Work that cannot be divided is counted before or after it; a
 * slice can exceed SLICE_US by that much. */
#ifndef SP_BASE_SLICE_H
#define SP_BASE_SLICE_H

#include <stdbool.h>
#include <stdint.h>

enum {
	SLICE_US = 1000,
	SLICE_WORK = 100000, /* units: about SLICE_US of work */
	SLICE_LOOK = 2000,   /* units between two checks of the clock */
};

/* All zero: no slice has begun. */
struct slice {
	int64_t began_us; /* monotonic; 0: not yet */
	uint32_t spent;	  /* units used in this slice */
	uint32_t looked;  /* spent, at the last check of the clock */
	bool over;
};

/* Called when the work returns from the loop: a slice begins with the next work. */
static inline void
slice_begin(struct slice *s)
{
	*s = (struct slice){0};
}

bool slice_look(struct slice *s);

/* Counts work. True: the slice is over, and stays over until slice_begin(). */
static inline bool
slice_spend(struct slice *s, uint32_t work)
{
	s->spent += work;
	if (s->began_us != 0 && s->spent - s->looked < SLICE_LOOK)
		return s->over;
	return slice_look(s);
}

#endif
