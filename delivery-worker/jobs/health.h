/* Whether a kind of job can be done here at all. A worker whose disk, mount or
 * store connection is ill fails each job at once, is therefore always free, and
 * would be given all mail there is. So after some failures of that sort in a row
 * it takes no more, longer each time, then one on trial. */
#ifndef SP_WORKER_JOBS_HEALTH_H
#define SP_WORKER_JOBS_HEALTH_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"
#include "lib/spool/id.h"

struct health {
	unsigned failures; /* in a row, of different messages: one may be damaged itself */
	char last[SPOOL_ID_MAX];
	unsigned rests;	       /* in a row; not 0: ill */
	int64_t rest_until_ms; /* monotonic */
};

/* A job of the message has ended; failed: for want of the store. True: the slots
 * are others now. */
bool health_note(struct health *h, struct str id, bool failed, int64_t now_ms);
/* What was ill may be well: nothing is held against it any more. */
void health_forget(struct health *h);
/* Of those that it would have: none while it rests, then one, until it is well. */
int64_t health_slots(const struct health *h, int64_t slots, int64_t now_ms);

#endif
