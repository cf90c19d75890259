/* The lease that allows one process of the cluster to sweep.
 *
 * It is needed only for the pace and the figures: two sweeps at once would also be
 * correct, since an unreferenced body is never referred to again. So a holder that
 * slept past the end of its lease does no harm until it learns that another has it. */
#ifndef SP_SWEEP_LEASE_H
#define SP_SWEEP_LEASE_H

#include "lib/sweep/sweep.h"

enum { SWEEP_HOLDER_MAX = 160 };

struct sweep_lease {
	struct redis *redis;	       /* borrowed */
	char holder[SWEEP_HOLDER_MAX]; /* a process, and a number unique to each sweep */
};

/* cb gets ERR_EXISTS (another has it; the text names the holder), ERR_DENIED (no
 * sweep is due), ERR_FENCED (another has taken it), or ERR_UNAVAILABLE. */
void sweep_lease_take(struct sweep_lease *l, const struct sweep_options *o, redis_on_reply *cb, void *arg);
/* Renews the lease and stores the figures. */
void sweep_lease_keep(struct sweep_lease *l, const struct sweep_figures *figures, redis_on_reply *cb, void *arg);
/* failure NULL: the sweep is complete, and these are its figures. */
void sweep_lease_end(struct sweep_lease *l, const struct sweep_figures *figures, const char *failure,
		     redis_on_reply *cb, void *arg);
/* The sweep was abandoned; another may begin. */
void sweep_lease_drop(struct sweep_lease *l);

#endif
