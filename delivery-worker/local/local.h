/* LOCAL jobs: from recipients to mailboxes here. */
#ifndef SP_WORKER_LOCAL_H
#define SP_WORKER_LOCAL_H

#include "delivery-worker/jobs/job.h"

void local_start(struct job *job);

#endif
