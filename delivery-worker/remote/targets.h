/* The addresses that a message may go to, in the order in which they are
 * tried: those of one host after those of the one before it; last those that
 * were not reached a moment ago, and those of a host that has put it off. */
#ifndef SP_WORKER_REMOTE_TARGETS_H
#define SP_WORKER_REMOTE_TARGETS_H

#include "delivery-worker/remote/route.h"
#include "delivery-worker/remote/shared.h"

#define TARGETS_MAX 24 /* addresses of all hosts; more are passed over */

struct candidate {
	struct smtp_target target;
	const struct route_host *host; /* borrowed from the route */
};

/* Zeroed: none. */
struct targets {
	struct candidate list[TARGETS_MAX];
	unsigned count, at;
	struct candidate last[TARGETS_MAX];
	unsigned last_count;
};

void targets_add(struct targets *t, const struct remote *r, const struct route_host *h, uint16_t port,
		 const struct ip *ips, unsigned count);
/* False: no more, but for the last ones. */
bool targets_next(struct targets *t, struct candidate *next_out);
/* Those that have been added and not tried come last. */
void targets_put_last(struct targets *t);
/* Only when targets_next() has no more: now it has them. */
void targets_begin_last(struct targets *t);

#endif
