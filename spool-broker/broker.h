/* The broker: what all its parts share.
 *
 *   schedule/  what is tried when; knows neither messages nor the store
 *   queue/     messages, their parts, their work and their deadlines
 *   spool/     shards and their leases, what is written and read
 *   jobs/      workers, jobs, and what results change
 *   admin/     questions and orders of operators, events, status, watchdog, history */
#ifndef SP_BROKER_BROKER_H
#define SP_BROKER_BROKER_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/op.h"
#include "lib/blob/blob.h"
#include "lib/bus/server.h"
#include "lib/dns/dns.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"
#include "lib/settings/settings.h"
#include "lib/spool/spool.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/schedule/schedule.h"

struct spool_events;

enum { BROKER_KINDS = 5 }; /* the JobKinds; nothing is ever queued for RETRIEVE */

struct broker_config {
	struct event_base *base; /* all pointers borrowed */
	struct redis *redis;
	struct tracking *tracking;	/* NULL: no wake-ups, only the tick */
	struct settings_live *settings; /* NULL: the defaults */
	struct blob_store *blobs;	/* NULL: no body is ever released */
	struct dns *dns;		/* NULL: every destination is its own site */
	const char *id;			/* of this process in the cluster; without spaces */
	const char *listen;		/* "tcp://127.0.0.1:*" */
	const char *announce_host;	/* in place of a wildcard; may be NULL */
	unsigned shards;		/* for a cluster that has no number yet */
};

struct broker {
	struct op op; /* answers that refer to the broker alone; it is freed with the last one */
	struct broker_config config;
	/* What lower layers report to higher ones; run.c has the table. */
	const struct spool_events *spool_events;
	void (*on_message_news)(struct broker *b, const struct message *m, enum message_news news);
	struct bus_server *bus; /* owner */
	const struct schedule_ops *ops;
	struct schedule *schedules[BROKER_KINDS]; /* owner */
	struct routing *routing;		  /* owner */
	char boot[40];				  /* names this run */
	int64_t started_ms;			  /* monotonic */

	unsigned brokers; /* live ones in the cluster, including this one */

	/* Each belongs to the module of its name, which makes and frees it. */
	struct run *run;	     /* owner */
	struct shards *shards;	     /* owner */
	struct writes *writes;	     /* owner */
	struct messages *messages;   /* owner */
	struct deadlines *deadlines; /* owner */
	struct jobs *jobs;	     /* owner */
	struct scans *scans;	     /* owner; NULL: none yet */
	struct orders *orders;	     /* owner; NULL: none yet */
	struct query *queries;	     /* owner: list */
	struct watchdog *watchdog;   /* owner */
	struct history *history;     /* owner */

	struct event *pump; /* owner: active when there is something to flush or to hand out */
	bool draining;
	int64_t drain_until_ms; /* monotonic: jobs may end until then */
};

/* Flushes writes and hands out jobs before the loop sleeps again. */
void broker_wake(struct broker *b);
const struct settings *broker_settings(const struct broker *b);

#endif
