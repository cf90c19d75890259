/* The jobs in workers' hands: given by credit (give.h), held under leases
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
	bool lost;	  /* silent: gets nothing until it speaks again */
	int64_t full_ms;  /* monotonic: its queue was full, nothing new before */
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
	bool recheck;		/* was said in the job */
	bool told;		/* that it takes long */
	unsigned known;		/* recipients of the message when it was sent: it serves none beyond */
	struct buf done;	/* owner: packed JobDone that waits for the message; mostly empty */
};

/* A job that went with its shard: for a while its worker may still renew it
 * here, and must not be told that nobody wants it. */
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
	bool checks_fail;	       /* the spam check that ended last gave no verdict */
};

/* Their numbers go up from `first`, a random one. */
struct jobs *jobs_new(uint64_t first);
/* How long a job is its worker's without a word of it. */
int64_t jobs_lease_ms(const struct broker *b);
struct job *job_find(struct broker *b, uint64_t number);
/* Of a part that is ACTIVE. */
struct job *job_new(struct broker *b, struct part *p, struct worker *w, uint64_t number);
/* The part is left ACTIVE in its schedule. */
void job_free(struct broker *b, struct job *job);
enum { UNREADABLE_MS = 1000 }; /* a part waits so long whose message could not be read */
/* The job is gone, nobody knows how far it came: its part goes back to the queue.
 * was_given: a worker had it. */
void job_return(struct broker *b, struct job *job, bool was_given, int64_t wait_ms);
/* The shard is another's, or will be: forgets its messages and their jobs, but for
 * the jobs' numbers. Workers go on with them, for the shard's next owner. */
void jobs_on_forgotten(struct shard *s);
/* The numbers of such jobs that are kept no longer than this. */
void jobs_forget_departed(struct broker *b, int64_t until_ms);
void jobs_free(struct broker *b);

#endif
