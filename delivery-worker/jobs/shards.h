/* Shards that changed their owner: the new one asks what is under way of them. */
#ifndef SP_WORKER_JOBS_SHARDS_H
#define SP_WORKER_JOBS_SHARDS_H

#include "delivery-worker/jobs/ended.h"
#include "delivery-worker/jobs/givers.h"
#include "delivery-worker/jobs/job.h"

/* Names the jobs of the shards, which are the asker's from now on, and tells
 * once more what has just ended of them. */
void shards_answer(const struct givers *g, struct job *running, const struct ended_list *ended, struct bus_peer *asker,
		   const Stagepost__ShardsTaken *taken);

#endif
