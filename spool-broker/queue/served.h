/* The recipients of one message by destination, so that a job and its result cost as
 * much as the job's own recipients: a message may have as many destinations as
 * recipients, and each is a job.
 *
 *	for (i = served_first(w, p); i != SERVED_END; i = served_next(w, p, i))
 *
 * visits, in ascending order, at least those that part_serves() may be true for; the
 * caller asks it. With few recipients, and for checks and reports, it visits all. */
#ifndef SP_BROKER_SERVED_H
#define SP_BROKER_SERVED_H

#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"

#define SERVED_END UINT32_MAX

uint32_t served_first(struct work *w, const struct part *p);
/* Recipients may have been added since. */
uint32_t served_next(struct work *w, const struct part *p, uint32_t index);

#endif
