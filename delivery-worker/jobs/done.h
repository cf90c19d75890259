/* The results of a job, told. */
#ifndef SP_WORKER_JOBS_DONE_H
#define SP_WORKER_JOBS_DONE_H

#include "delivery-worker/jobs/ended.h"
#include "delivery-worker/jobs/givers.h"
#include "delivery-worker/jobs/job.h"

/* To its broker, if that is there, and to the log; kept where it must not be
 * done twice. All recipients have a result. */
void done_tell(const struct givers *g, struct ended_list *ended, const struct job *job);

#endif
