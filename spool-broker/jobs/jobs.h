/* The jobs that workers hold: handed out by credit (give.h), held under leases
 * (workers.h). */
#ifndef SP_BROKER_JOBS_H
#define SP_BROKER_JOBS_H

#include "spool-broker/broker.h"
#include "spool-broker/spool/shards.h"

struct worker {
	UT_hash_handle hh; /* by peer */
	char name[128];
	unsigned slots[BROKER_KINDS];
	unsigned active[BROKER_KINDS];
	int64_t heard_ms; /* monotonic */
	bool takes_own;	  /* jobs whose envelope has their own recipients alone */
	bool lost;	  /* silent: gets no job until it speaks again */
	int64_t full_ms;  /* monotonic: its queue was full, no new job before this */
	struct job *jobs; /* borrowed: list by worker_prev, worker_next */
	size_t peer_len;
	char peer[];
};

struct job {
	UT_hash_handle hh; /* by number */
	uint64_t number;
	Stagepost__JobKind kind;
	struct part *part;     /* borrowed: ACTIVE */
	struct worker *worker; /* borrowed */
	struct job *worker_prev, *worker_next;
	int64_t lease_until_ms; /* monotonic */
	int64_t started_ms;	/* unix */
	bool sent;		/* else: the envelope is being read */
	bool recheck;		/* as stated in the job */
	bool told;		/* the log has reported that it takes long */
	unsigned known;		/* recipients of the message when it was sent: it serves no later ones */
	struct buf done;	/* owner: packed JobDone that waits for the message; usually empty */
};

/* A job that was dropped with its shard. For a while its worker may still renew
 * it here, and must not be told that the job is not wanted. */
struct departed_job {
	UT_hash_handle hh; /* by number */
	uint64_t number;
	int64_t until_ms; /* monotonic */
};

struct jobs {
	struct worker *workers;	       /* owner: hash by peer */
	struct job *list;	       /* owner: hash by number */
	struct departed_job *departed; /* owner: hash by number, the oldest first */
	uint64_t next_number;
	uint32_t served[BROKER_KINDS]; /* jobs that were not postponed */
	bool checks_fail;	       /* the last spam check gave no verdict */
};

/* Numbers go up from `first`, which is random. */
struct jobs *jobs_new(uint64_t first);
/* How long a worker keeps a job without saying anything about it. */
int64_t jobs_lease_ms(const struct broker *b);
struct job *job_find(struct broker *b, uint64_t number);
/* The job of an ACTIVE part. */
struct job *job_new(struct broker *b, struct part *p, struct worker *w, uint64_t number);
/* The part stays ACTIVE in its schedule. */
void job_free(struct broker *b, struct job *job);
enum { UNREADABLE_MS = 1000 }; /* how long a part waits if its message could not be read */
/* The job is lost and nobody knows how far it got: its part goes back to the
 * queue. was_given: a worker had it. */
void job_return(struct broker *b, struct job *job, bool was_given, int64_t wait_ms);
/* The shard belongs to another broker, or soon will: drops its messages and their
 * jobs, but keeps the jobs' numbers. Workers carry on with the jobs for the
 * shard's next owner. */
void jobs_on_forgotten(struct shard *s);
/* Drops those numbers once they have been kept for this long. */
void jobs_forget_departed(struct broker *b, int64_t until_ms);
void jobs_free(struct broker *b);

#endif
