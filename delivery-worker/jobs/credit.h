/* Credit: how many jobs of each kind the brokers may give, and how many run.
 *
 * Each broker gets its share of the slots, so that all of them together keep
 * to the limits; told anew whenever a broker comes or goes, or the slots
 * change: by settings, by the health of a kind, without the store. */
#ifndef SP_WORKER_JOBS_CREDIT_H
#define SP_WORKER_JOBS_CREDIT_H

#include "delivery-worker/jobs/givers.h"
#include "delivery-worker/jobs/health.h"
#include "delivery-worker/jobs/job.h"

struct credit_kind {
	unsigned running; /* those begun */
	uint64_t done;
	int64_t slots; /* in all, as told last */
	struct health health;
	struct log_trouble trouble; /* its health, told once */
};

struct credit {
	struct worker *worker;	     /* borrowed */
	const struct givers *givers; /* borrowed */
	struct credit_kind kinds[JOB_KINDS_MAX];
	bool is_draining, is_cut_off; /* no slots at all */
	struct event *rested;	      /* owner: when a kind that rests has rested */
	void (*on_rested)(void *arg);
	void *arg;
};

/* on_rested: there may be slots again; not from within. */
void credit_init(struct credit *c, struct worker *w, const struct givers *givers, void (*on_rested)(void *arg),
		 void *arg);
void credit_fini(struct credit *c);

/* Tells all brokers. */
void credit_tell(struct credit *c);
/* The same, if anything has changed. */
void credit_update(struct credit *c);
/* From now on, or until told otherwise. Whoever sets it updates the credit. */
void credit_set_draining(struct credit *c);
void credit_set_cut_off(struct credit *c, bool cut_off);

/* Brokers that each have a share of few slots, or have just been told a new one,
 * may together give more than there are: the rest waits, under its lease. */
bool credit_has_slot(const struct credit *c, const struct job_kind *k);
void credit_begin(struct credit *c, const struct job_kind *k);
/* Of a job that had begun. May tell the brokers. */
void credit_end(struct credit *c, const struct job *job);

#endif
