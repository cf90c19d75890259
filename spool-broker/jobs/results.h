/* How the results of a job change its message. */
#ifndef SP_BROKER_RESULTS_H
#define SP_BROKER_RESULTS_H

#include "spool-broker/jobs/jobs.h"

/* The job itself has been freed by then: this is a copy of it. */
void results_apply(struct broker *b, struct part *p, const struct job *job, const Stagepost__JobDone *done);

#endif
