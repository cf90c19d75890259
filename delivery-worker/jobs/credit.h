/* Credit: how many jobs of each kind the brokers may send, and how many run.
 *
 * Each broker gets its share of the slots, so that all of them together keep to
 * the limits. The shares are sent again whenever a broker comes or goes, or the
 * number of slots changes: by settings, by the health of a kind, or because the
 * store is away. */
#ifndef SP_WORKER_JOBS_CREDIT_H
#define SP_WORKER_JOBS_CREDIT_H

#include "delivery-worker/jobs/givers.h"
#include "delivery-worker/jobs/health.h"
#include "delivery-worker/jobs/job.h"

struct credit_kind {
	unsigned running; /* those begun */
	uint64_t done;
	int64_t slots; /* in total, as last announced */
	struct health health;
	struct log_trouble trouble; /* its health, reported once */
};

struct credit {
	struct worker *worker;	     /* borrowed */
	const struct givers *givers; /* borrowed */
	struct credit_kind kinds[JOB_KINDS_MAX];
	bool is_draining, is_cut_off; /* no slots at all */
	struct event *rested;	      /* owner: fires when a resting kind has rested long enough */
	void (*on_rested)(void *arg);
	void *arg;
};

/* on_rested: there may be slots again; never called from within. */
void credit_init(struct credit *c, struct worker *w, const struct givers *givers, void (*on_rested)(void *arg),
		 void *arg);
void credit_fini(struct credit *c);

/* Tells all brokers. */
void credit_tell(struct credit *c);
/* The same, if anything has changed. */
void credit_update(struct credit *c);
/* From now on, or until it is set again. The caller then updates the credit. */
void credit_set_draining(struct credit *c);
void credit_set_cut_off(struct credit *c, bool cut_off);

/* Brokers that share few slots, or have just been told a new share, may together
 * send more jobs than there are slots: the surplus waits, under its lease. */
bool credit_has_slot(const struct credit *c, const struct job_kind *k);
void credit_begin(struct credit *c, const struct job_kind *k);
/* For a job that had begun. May send new credit to the brokers. */
void credit_end(struct credit *c, const struct job *job);

#endif
