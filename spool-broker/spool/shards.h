/* The shards of the spool: which are this broker's, by leases in Redis.
 *
 * A lease lives 3 s and is renewed every second, so that two renewals in a row may
 * be lost or late; it is what a death costs, before another may begin. It counts
 * here from when it was asked for, in Redis from when the script ran, which is
 * later: so it ends here first, however long the answer took, and clocks need not
 * agree, only run at about the same speed.
 *
 * That alone would not be safe. A process may sleep between its look at the clock
 * and what it does then, and a write may lie in the network for longer than the
 * lease. So each lease bears a number, the fence, which goes up whenever somebody
 * takes the shard; every write is a script that compares the lease first, in the
 * same step. A broker that slept can write nothing any more, whatever it believes:
 * the fence protects what is stored. The clock (shard_may_work) only keeps it from
 * giving out jobs in vain, and what it gave out nevertheless is caught behind it:
 * a mailbox refuses a second filing, and the next owner takes over what workers
 * have in hand (awaits_jobs). Mail to other servers can be sent twice only when
 * both fail, a lease that was slept through and a worker that was lost with it.
 *
 * The fence also lets a lease that ran out be taken up again, as long as it has
 * not gone up: then nobody had the shard in between, and nothing that is known
 * here is wrong.
 *
 * While this broker cannot be
 * sure of it (no renewal came through in time), the shard is SUSPENDED: no job
 * is given out, and what is written meanwhile waits or is refused. When Redis
 * says that it is gone, all that belongs to the shard is dropped at once:
 * whoever holds it now has read it from the spool. */
#ifndef SP_BROKER_SHARDS_H
#define SP_BROKER_SHARDS_H

#include "lib/spool/spool.h"
#include "spool-broker/broker.h"
#include "spool-broker/spool/writer.h"

#define LEASE_TTL_MS   3000
#define LEASE_RENEW_MS 1000

enum shard_state {
	SHARD_FREE,	 /* another's, or nobody's */
	SHARD_ACQUIRING, /* asked for */
	SHARD_OWNED,
	SHARD_SUSPENDED, /* the lease ran out as far as is known here */
	SHARD_LEAVING,	 /* being given up: no new jobs, those under way may end */
	SHARD_CLOSING,	 /* nor any new messages; writes under way end */
	SHARD_RELEASING	 /* given up, Redis has not answered yet */
};

/* From when a shard is asked for until it is dropped. Answers that come later are
 * not for the next stay: whatever asks about a shard holds the op. */
struct stay {
	struct op op;
	struct shard *shard; /* borrowed; gone once the op is cancelled */
};

struct shard {
	struct broker *broker; /* borrowed */
	unsigned number;
	enum shard_state state;
	struct stay *stay; /* this one: it frees itself behind the last answer */
	struct spool_lease lease;
	int64_t valid_until_ms; /* monotonic */
	int64_t renewed_ms;	/* monotonic: when the last renewal was sent */
	int64_t leave_by_ms;	/* monotonic: jobs are waited for no longer */
	bool renewing;
	bool took_own;			 /* an own old lease was asked for, once after the start */
	bool reading;			 /* pages of the spool are being read */
	bool read_again;		 /* something may have been written that is not known here */
	int64_t taken_ms;		 /* unix */
	bool awaits_jobs;		 /* workers may still name jobs that the former owner gave */
	int64_t awaits_until_ms;	 /* monotonic; 0: they are asked once the spool is read */
	unsigned asked;			 /* workers that have not answered yet */
	struct message *messages;	 /* owner: hash by id */
	unsigned looks;			 /* at bodies of unconfirmed entries, under way */
	struct unconfirmed *unconfirmed; /* owner: hash by id, unconfirmed.h */
	unsigned active;		 /* parts in workers' hands */
	struct writer writer;
};

/* All of them, and what is known of the other brokers. */
struct shards {
	struct shard *list; /* owner: array; NULL until their number is known */
	unsigned count;
	bool counting;			 /* asked for the number */
	unsigned rank;			 /* so many brokers come before this one, by their ids */
	unsigned leaving;		 /* shards LEAVING or CLOSING */
	unsigned round_left, round_next; /* of asking for free shards */
	bool looking;			 /* for the other brokers */
	bool announced;
	int64_t hints_due_ms; /* monotonic */
	uint64_t taken_over;  /* entries read at take-overs, since the start */
};

/* Why a hand-over is answered otherwise than by OK. */
struct refusal {
	Stagepost__HandOverReply__Status status;
	bool untaken; /* certain: it is not in the store and will not be; else it may be */
	const char *text;
};

/* What the rooms above are told of; run.c has the table. */
struct spool_events {
	/* Read at a take-over. */
	void (*on_entry)(struct shard *s, const struct spool_entry *entry);
	/* The shard is another's: its messages are to go, and the jobs with them. */
	void (*on_forgotten)(struct shard *s);
	/* Redis has answered: a hand-over is durable, or known already. */
	void (*on_added)(struct shard *s, struct str id, struct str envelope, enum spool_result result, struct str peer,
			 uint64_t request);
	/* It is, and waits for its body. */
	void (*on_added_unsynced)(struct shard *s, struct str id, struct str envelope, struct str peer,
				  uint64_t request);
	/* The body is whole. known: somebody may have had it in hand before. */
	void (*on_confirmed)(struct shard *s, struct str id, struct str envelope, bool known);
	/* It is not, or not known to be. */
	void (*on_refused)(struct broker *b, struct str peer, uint64_t request, const char *id,
			   const struct refusal *why);
	void (*on_saved)(struct shard *s, struct str id);
	void (*on_finished)(struct shard *s, struct str id);
	/* Of a write: the shard is another's; something was lost on the way. */
	void (*on_fenced)(struct shard *s, const char *why);
	void (*on_doubt)(struct shard *s);
};

struct shards *shards_new(void);
/* Their number is known. */
void shards_init(struct broker *b, unsigned count);
/* Forgets all messages and answers that are due; shards_free() comes behind it. */
void shards_forget(struct broker *b);
void shards_free(struct shards **shards);

/* Announces, renews, gives up; every 500 ms, and when others change, with
 * peers_look() behind it. */
void shards_tick(struct broker *b);
/* NULL: not this broker's now. */
struct shard *shards_owned(struct broker *b, unsigned number);
/* May jobs of its messages be given out? */
bool shard_may_work(const struct shard *s);
/* The lease is gone: forgets all. */
void shard_drop(struct shard *s, const char *why);
/* A write was lost on the way: what is in the spool may be more than is known. */
void shard_read_again(struct shard *s);

unsigned shards_count(const struct broker *b, enum shard_state state);
/* Starts to give all up; broker_drain(). */
void shards_leave_all(struct broker *b, int64_t by_ms);
bool shards_all_left(const struct broker *b);
/* Goes on with those that are being given up. */
void shards_look_at_leaving(struct broker *b);

/* An even spread, after a look at the other brokers (peers.h): asks for shards, as
 * many at once as there is need of, each at most once a round. */
void shards_acquire(struct broker *b);
/* Gives up what is more than its share, the idlest first. */
void shards_give_surplus_up(struct broker *b);

/* Another one must not take it without its lease. */
static inline bool
shard_is_held(const struct shard *s)
{
	return s->state != SHARD_FREE && s->state != SHARD_ACQUIRING;
}

#endif
