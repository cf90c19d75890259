/* Shards that changed their owner: the new owner asks which of their jobs are in progress. */
#ifndef SP_WORKER_JOBS_SHARDS_H
#define SP_WORKER_JOBS_SHARDS_H

#include "delivery-worker/jobs/ended.h"
#include "delivery-worker/jobs/givers.h"
#include "delivery-worker/jobs/job.h"

/* Reports the jobs of the shards, which belong to the asker from now on, and
 * repeats the results of those that have just ended. */
void shards_answer(const struct givers *g, struct job *running, const struct ended_list *ended, struct bus_peer *asker,
		   const Stagepost__ShardsTaken *taken);

#endif
