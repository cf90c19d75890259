/* The addresses that a message may be sent to, in the order in which they are
 * tried: host by host; last come those that could not be reached a moment ago,
 * and those of a host that has deferred it. */
#ifndef SP_WORKER_REMOTE_TARGETS_H
#define SP_WORKER_REMOTE_TARGETS_H

#include "delivery-worker/remote/route.h"
#include "delivery-worker/remote/shared.h"

#define TARGETS_MAX 24 /* addresses of all hosts; further ones are skipped */

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
/* False: no more, except the last ones. */
bool targets_next(struct targets *t, struct candidate *next_out);
/* Addresses that were added and not tried yet move to the end. */
void targets_put_last(struct targets *t);
/* Only when targets_next() has no more: now it returns these. */
void targets_begin_last(struct targets *t);

#endif
