/* Leases of the jobs in progress, renewed in time with the brokers that sent them. */
#ifndef SP_WORKER_JOBS_LEASES_H
#define SP_WORKER_JOBS_LEASES_H

#include "delivery-worker/jobs/givers.h"
#include "delivery-worker/jobs/job.h"

struct leases {
	const struct givers *givers; /* borrowed */
	struct job *const *running;  /* borrowed: the list of jobs */
	struct event *timer;	     /* owner */
};

void leases_init(struct leases *l, struct event_base *base, const struct givers *givers, struct job *const *running);
void leases_fini(struct leases *l);
/* The first renewal comes within a third of the lease, even if the timer was set for jobs with a longer one. */
void leases_add(struct leases *l, const struct job *job);

#endif
