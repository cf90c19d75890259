/* The shards of the spool: which ones belong to this broker, by leases in Redis.
 *
 * A lease lives 3 s and is renewed every second, so that two renewals in a row may
 * be lost or late; this is what the death of a broker costs before another one may
 * begin. Here the lease counts from when it was requested, in Redis from when the
 * script ran, which is later. So it ends here first, however long the answer took,
 * and clocks need not agree, only run at about the same speed.
 *
 * That alone would not be safe. A process may sleep between its look at the clock
 * and its next action, and a write may be in the network for longer than the
 * lease. So each lease has a number, the fence, which increases whenever a broker
 * takes the shard; every write is a script that first compares the lease, in the
 * same step. A broker that slept cannot write anything any more, whatever it
 * believes: the fence protects what is stored. The clock (shard_may_work) only
 * keeps it from handing out jobs in vain, and a job that it hands out nevertheless
 * is caught later: a mailbox refuses a second filing, and the next owner takes
 * over the jobs that workers hold (awaits_jobs). Mail to other servers can be sent
 * twice only when both fail: the broker slept through its lease, and the worker
 * was lost with it.
 *
 * The fence also allows a broker to resume a lease that ran out, as long as the
 * fence has not increased: then nobody owned the shard in between, and what is
 * known here is still right.
 *
 * While this broker cannot be sure of it (no renewal came through in time), the
 * shard is SUSPENDED: no job is handed out, and writes wait or are refused. When
 * Redis says that the lease is lost, everything that belongs to the shard is
 * dropped at once: its new owner has read it from the spool. */
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
	SHARD_SUSPENDED, /* the lease ran out, as far as this broker knows */
	SHARD_LEAVING,	 /* being given up: no new jobs, those in progress may end */
	SHARD_CLOSING,	 /* nor any new messages; writes in progress end */
	SHARD_RELEASING	 /* given up, Redis has not answered yet */
};

/* From the request for a shard until it is dropped. Later answers must not reach
 * the next period of ownership, so everything that asks about a shard holds the
 * op. */
struct stay {
	struct op op;
	struct shard *shard; /* borrowed; gone once the op is cancelled */
};

struct shard {
	struct broker *broker; /* borrowed */
	unsigned number;
	enum shard_state state;
	struct stay *stay; /* this one: it frees itself after the last answer */
	struct spool_lease lease;
	int64_t valid_until_ms; /* monotonic */
	int64_t renewed_ms;	/* monotonic: when the last renewal was sent */
	int64_t leave_by_ms;	/* monotonic: the wait for jobs ends */
	bool renewing;
	bool took_own;		  /* an old lease of its own was requested, once after the start */
	bool reading;		  /* pages of the spool are being read */
	bool read_again;	  /* something unknown here may have been written */
	int64_t taken_ms;	  /* unix */
	bool awaits_jobs;	  /* workers may still name jobs that the former owner gave */
	int64_t awaits_until_ms;  /* monotonic; 0: workers are asked once the spool is read */
	unsigned asked;		  /* workers that have not answered yet */
	struct message *messages; /* owner: hash by id */
	unsigned active;	  /* parts that workers hold */
	struct writer writer;
};

/* All shards, and what is known about the other brokers. */
struct shards {
	struct shard *list; /* owner: array; NULL until their number is known */
	unsigned count;
	bool counting;			 /* has asked for the number */
	unsigned rank;			 /* this many brokers come before this one, by their ids */
	unsigned leaving;		 /* shards LEAVING or CLOSING */
	unsigned round_left, round_next; /* of requests for free shards */
	bool looking;			 /* for the other brokers */
	bool announced;
	int64_t hints_due_ms; /* monotonic */
	uint64_t taken_over;  /* entries read at take-overs, since the start */
};

/* Why a hand-over is not answered with OK. */
struct refusal {
	Stagepost__HandOverReply__Status status;
	bool untaken; /* certain: it is not in the store and will not be; otherwise it may be */
	const char *text;
};

/* What higher layers are told; run.c has the table. */
struct spool_events {
	/* Read at a take-over. */
	void (*on_entry)(struct shard *s, const struct spool_entry *entry);
	/* The shard belongs to another broker: its messages must be dropped, together with their jobs. */
	void (*on_forgotten)(struct shard *s);
	/* Redis has answered: a hand-over is durable, or known already. */
	void (*on_added)(struct shard *s, struct str id, struct str envelope, enum spool_result result, struct str peer,
			 uint64_t request);
	/* The message is not durable, or not known to be. */
	void (*on_refused)(struct broker *b, struct str peer, uint64_t request, const char *id,
			   const struct refusal *why);
	void (*on_saved)(struct shard *s, struct str id);
	void (*on_finished)(struct shard *s, struct str id);
	/* The outcome of a write: the shard belongs to another broker; or a write was lost on the way. */
	void (*on_fenced)(struct shard *s, const char *why);
	void (*on_doubt)(struct shard *s);
};

struct shards *shards_new(void);
/* Their number is known. */
void shards_init(struct broker *b, unsigned count);
/* Drops all messages and outstanding answers; shards_free() follows. */
void shards_forget(struct broker *b);
void shards_free(struct shards **shards);

/* Announces, renews, gives up; every 500 ms, and when other brokers change; followed by peers_look(). */
void shards_tick(struct broker *b);
/* NULL: it does not belong to this broker now. */
struct shard *shards_owned(struct broker *b, unsigned number);
/* May jobs of its messages be handed out? */
bool shard_may_work(const struct shard *s);
/* The lease is lost: drops everything. */
void shard_drop(struct shard *s, const char *why);
/* A write was lost on the way: the spool may contain more than is known here. */
void shard_read_again(struct shard *s);

unsigned shards_count(const struct broker *b, enum shard_state state);
/* Starts to give up all shards; broker_drain(). */
void shards_leave_all(struct broker *b, int64_t by_ms);
bool shards_all_left(const struct broker *b);
/* Continues with those that are being given up. */
void shards_look_at_leaving(struct broker *b);

/* An even spread, after a look at the other brokers (peers.h): asks for as many
 * shards at once as needed, each at most once a round. */
void shards_acquire(struct broker *b);
/* Gives up the shards beyond its share, the idlest first. */
void shards_give_surplus_up(struct broker *b);

/* Another broker must not take it without its lease. */
static inline bool
shard_is_held(const struct shard *s)
{
	return s->state != SHARD_FREE && s->state != SHARD_ACQUIRING;
}

#endif
