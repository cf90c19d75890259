/* CHECK jobs: a message is passed to a spam engine, and the engine's verdict is
 * returned to the broker. Engines are asked one after another until one
 * answers. */
#ifndef SP_WORKER_SPAM_CHECK_H
#define SP_WORKER_SPAM_CHECK_H

#include "delivery-worker/jobs/job.h"

/* Remembers which engines could not be reached. */
struct checker *checker_new(void);
void checker_free(struct checker **c);

void check_start(struct job *job);
void check_stop(struct job *job);

#endif
