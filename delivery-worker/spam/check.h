/* CHECK jobs: a message is passed to a spam engine, and the engine's verdict is
 * returned to the broker. */
#ifndef SP_WORKER_SPAM_CHECK_H
#define SP_WORKER_SPAM_CHECK_H

#include "delivery-worker/jobs/job.h"

void check_start(struct job *job);
void check_stop(struct job *job);

#endif
