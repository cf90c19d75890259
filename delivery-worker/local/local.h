/* LOCAL jobs: from recipients to local mailboxes. */
#ifndef SP_WORKER_LOCAL_H
#define SP_WORKER_LOCAL_H

#include "delivery-worker/jobs/job.h"

void local_start(struct job *job);

#endif
