/* The broker: what its rooms share.
 *
 *   schedule/  what is tried when; knows neither messages nor the store
 *   queue/     messages, their parts, their work and their deadlines
 *   spool/     shards and their leases, what is written and read
 *   jobs/      workers, jobs, and what results change
 *   admin/     questions and orders of operators, events, status, watchdog */
#ifndef SP_BROKER_BROKER_H
#define SP_BROKER_BROKER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/blob/blob.h"
#include "lib/bus/server.h"
#include "lib/dns/dns.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"
#include "lib/settings/settings.h"
#include "lib/spool/spool.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/admin/watchdog.h"

struct spool_events;

enum { BROKER_KINDS = 5 }; /* the JobKinds; of RETRIEVE nothing is ever queued */

struct broker_config {
	struct event_base *base; /* all pointers borrowed */
	struct redis *redis;
	struct tracking *tracking;	/* NULL: no wake-ups, only the tick */
	struct settings_live *settings; /* NULL: the defaults */
	struct blob_store *blobs;	/* NULL: no body is ever released */
	struct dns *dns;		/* NULL: every destination is a site of its own */
	const char *id;			/* of this process in the cluster; no spaces */
	const char *listen;		/* "tcp://127.0.0.1:*" */
	const char *announce_host;	/* in place of a wildcard; may be NULL */
	unsigned shards;		/* for a cluster that has no number yet */
};

/* Settings on which deadlines of messages depend. */
struct deadline_terms {
	int64_t expire_ms, bounce_expire_ms, delay_ms;
	int64_t check_ms; /* -1: a check is waited for without end */
	bool check_off;
};

struct broker {
	struct broker_config config;
	/* What lower rooms tell higher ones; run.c has the table. */
	const struct spool_events *spool_events;
	void (*on_message_news)(struct broker *b, const struct message *m, enum message_news news);
	struct bus_server *bus; /* owner */
	const struct schedule_ops *ops;
	struct schedule *schedules[BROKER_KINDS]; /* owner */
	struct routing *routing;		  /* owner */
	unsigned routed_brokers;		  /* their number when limits were last dealt out */
	char boot[40];				  /* names this run */
	int64_t started_ms;			  /* monotonic */

	struct shard *shards; /* owner: array; NULL until the number is known */
	unsigned shard_count;
	bool counting;			 /* asked for the number */
	unsigned brokers;		 /* live ones in the cluster, this one too */
	unsigned rank;			 /* so many of them come before this one, by their ids */
	unsigned leaving;		 /* shards LEAVING or CLOSING */
	unsigned round_left, round_next; /* of asking for free shards */
	bool looking;			 /* for the other brokers */
	bool announced;
	int64_t hints_due_ms; /* monotonic */

	struct worker *workers;	       /* owner: hash by peer */
	struct job *jobs;	       /* owner: hash by number */
	struct departed_job *departed; /* owner: hash by number, the oldest first */
	uint64_t next_job;
	struct heap deadlines;		      /* of messages */
	struct deadline_terms deadline_terms; /* by which they were set */
	bool deadlines_walked;		      /* a walk sets them anew */
	struct orders *orders;		      /* owner; NULL: none yet */
	struct query *queries;		      /* owner: list */
	struct scans *scans;		      /* owner; NULL: none yet */
	struct interned_table answers;

	size_t messages;
	unsigned held;	       /* messages */
	uint64_t taken_over;   /* entries read at take-overs, since the start */
	size_t packed_bytes;   /* kept envelopes */
	struct write *adds;    /* borrowed: hash by id of the hand-overs that Redis has not answered, */
	size_t writes_waiting; /* which are so many */
	size_t writes_waiting_bytes;
	int64_t writes_due_ms; /* monotonic: writes that may wait, at most so long; 0: none */

	struct event *pump;			    /* owner: active when there is something to flush or to give out */
	struct event *pump_timer;		    /* owner: when time alone makes something ready */
	struct event *tick;			    /* owner: leases, announcements, lost workers */
	struct tracking_subscription *subscription; /* owner */

	struct watch queue_watches[BROKER_KINDS], store_watch;

	uint32_t served[BROKER_KINDS]; /* jobs that were not postponed */
	bool checks_fail;	       /* the spam check that ended last gave no verdict */

	bool draining;
	int64_t drain_until_ms;	   /* monotonic: jobs may end until then */
	int64_t next_full_tick_ms; /* monotonic: while draining the tick is quick */
	void (*on_drained)(void *arg);
	void *on_drained_arg;
	bool closing;	      /* freed once no answer of Redis is due */
	unsigned replies_due; /* by callbacks that hold the broker alone */
};

/* Flushes writes and gives out jobs before the loop sleeps again. */
void broker_wake(struct broker *b);
const struct settings *broker_settings(const struct broker *b);
/* A callback that will come back with the broker as its argument; false on
 * return: the broker is gone, touch nothing. */
void broker_expect(struct broker *b);
bool broker_returned(struct broker *b);

#endif
