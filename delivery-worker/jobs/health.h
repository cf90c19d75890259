/* Whether a kind of job can be done here at all. A worker whose disk, mount or
 * store connection is broken fails each job at once, is therefore always free,
 * and would attract all mail. So after several failures of that sort in a row it
 * takes no jobs for a while, longer each time, and then one on trial. */
#ifndef SP_WORKER_JOBS_HEALTH_H
#define SP_WORKER_JOBS_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/spool/id.h"

struct health {
	unsigned failures; /* in a row, for different messages: one message may be damaged itself */
	char last[SPOOL_ID_MAX];
	unsigned rests;	       /* in a row; not 0: unhealthy */
	int64_t rest_until_ms; /* monotonic */
};

/* A job of the message has ended; failed: because something of our own was
 * missing. True: the number of slots has changed. */
bool health_note(struct health *h, struct str id, bool failed, int64_t now_ms);
/* What was broken may work again: earlier failures are forgotten. */
void health_forget(struct health *h);
/* How many of these slots it gets: none while it rests, then one, until it is healthy. */
int64_t health_slots(const struct health *h, int64_t slots, int64_t now_ms);

#endif
