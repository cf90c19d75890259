/* The jobs that brokers sent to this worker: taken within its credit, held
 * under a lease that is renewed, ended by a report to the broker that sent
 * them.
 *
 * Every kind of job is a row of the table in kinds.c; a new kind is a new row.
 * When a broker is lost its jobs go on: the shard's next owner asks for them
 * (ShardsTaken) and gets their results, including those that were just reported
 * to the lost broker, so that nothing is sent twice. */
#ifndef SP_WORKER_JOBS_H
#define SP_WORKER_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "delivery-worker/jobs/job.h"
#include "proto/stagepost.pb-c.h"

struct jobs *jobs_new(struct worker *w);
/* No job may be in progress. */
void jobs_free(struct jobs **j);

/* Takes no more jobs; on_empty is called once the last has ended. */
void jobs_drain(struct jobs *j, void (*on_empty)(void *arg), void *arg);

bool jobs_are_none(const struct jobs *j);

struct jobs_count {
	unsigned running;
	int64_t slots;
	bool rests;    /* the store could not be used */
	uint64_t done; /* since the start */
};
void jobs_count(const struct jobs *j, Stagepost__JobKind kind, struct jobs_count *count_out);

#endif
