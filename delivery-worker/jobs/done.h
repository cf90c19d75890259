/* Reports the results of a job. */
#ifndef SP_WORKER_JOBS_DONE_H
#define SP_WORKER_JOBS_DONE_H

#include "delivery-worker/jobs/ended.h"
#include "delivery-worker/jobs/givers.h"
#include "delivery-worker/jobs/job.h"

/* Sends them to its broker, if that is connected, and to the log; keeps them if
 * the job must not be done twice. All recipients have a result. */
void done_tell(const struct givers *g, struct ended_list *ended, const struct job *job);

#endif
