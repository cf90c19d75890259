/* Results of jobs that were sent to a broker which may have died before saving
 * them: kept for the shard's next owner. Only for jobs that must not be done
 * twice: filing itself refuses a repeat. */
#ifndef SP_WORKER_JOBS_ENDED_H
#define SP_WORKER_JOBS_ENDED_H

#include "lib/base/buf.h"
#include "proto/stagepost.pb-c.h"

struct ended {
	Stagepost__RunningJob job; /* strings: owner */
	struct buf frame;	   /* owner: the packed JobDone */
	int64_t until_ms;	   /* monotonic */
	struct ended *prev, *next;
};

struct ended_list {
	struct ended *first; /* owner; the oldest first */
	unsigned count;
};

/* Also drops those that are too old or too many. */
void ended_keep(struct ended_list *l, const Stagepost__Job *job, const Stagepost__Frame *done);
void ended_free(struct ended_list *l);

#endif
