/* Workers, and the jobs in their hands: given by credit, held under leases. */
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
/* Gives out what may be tried, as far as there is credit. */
void jobs_give(struct broker *b);
/* Leases that ran out, workers that fell silent. */
void jobs_tick(struct broker *b);
/* The shard is another's, or will be: forgets its messages and their jobs, but for
 * the jobs' numbers. Workers go on with them, for the shard's next owner. */
void jobs_on_forgotten(struct shard *s);
void jobs_free(struct broker *b);
bool jobs_are_none(const struct broker *b);

/* Frames of workers; each also tells that the peer lives. */
void jobs_on_hello(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void jobs_on_renew(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void jobs_on_done(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void jobs_on_heard(struct broker *b, struct str peer);

#endif
