/* The lease under which one process of the cluster sweeps.
 *
 * It is the pace that needs it, and the figures: what two sweeps would do at once is
 * right too, since a body that nothing refers to is never referred to again. So a
 * holder that slept through its lease does no harm with what it does until it hears
 * that another has it. */
#ifndef SP_SWEEP_LEASE_H
#define SP_SWEEP_LEASE_H

#include "lib/sweep/sweep.h"

enum { SWEEP_HOLDER_MAX = 160 };

struct sweep_lease {
	struct redis *redis;	       /* borrowed */
	char holder[SWEEP_HOLDER_MAX]; /* a process, and a number of its own for each sweep */
};

/* cb: ERR_EXISTS (another has it; its words name the holder), ERR_DENIED (none is
 * due), ERR_FENCED (another has it by now), ERR_UNAVAILABLE. */
void sweep_lease_take(struct sweep_lease *l, const struct sweep_options *o, redis_on_reply *cb, void *arg);
/* Tells the figures, too. */
void sweep_lease_keep(struct sweep_lease *l, const struct sweep_figures *figures, redis_on_reply *cb, void *arg);
/* failure NULL: the sweep is done, these are its figures. */
void sweep_lease_end(struct sweep_lease *l, const struct sweep_figures *figures, const char *failure,
		     redis_on_reply *cb, void *arg);
/* The sweep was given up; another may begin. */
void sweep_lease_drop(struct sweep_lease *l);

#endif
