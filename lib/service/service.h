/* The runtime that every program shares: options, the store, settings, blobs,
 * signals, heartbeat, metrics.
 *
 *   int main(int argc, char **argv)
 *   {
 *           struct service s;
 *           service_init(&s, &description, argc, argv);   // exits on bad options
 *           ... watch, listen, service_on_drain(&s, ...) ...
 *           status = service_run(&s);
 *           ... free what uses the loop or the store ...
 *           service_fini(&s);
 *           return status;
 *   } */
#ifndef SP_SERVICE_SERVICE_H
#define SP_SERVICE_SERVICE_H

#include <cjson/cJSON.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/blob/blob.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"
#include "lib/service/metrics.h"
#include "lib/settings/settings.h"

/* One command-line option of a program: --name VALUE (or NAME from the
 * environment). Ended by a NULL name. */
struct service_option {
	const char *name;	   /* "bus-listen" */
	const char *environment;   /* "STAGEPOST_BUS_LISTEN", or NULL */
	const char *argument;	   /* "ADDR" for --help; NULL: a flag, *value is "on" when given */
	const char *default_value; /* may be NULL */
	const char *help;
	const char **value; /* where it is put; borrowed from argv or the environment */
};

/* What a kind of process has to do with bodies. */
enum service_bodies {
	SERVICE_WRITES_NONE,
	SERVICE_WRITES_BODIES, /* the store is watched */
	SERVICE_TAKES_BODIES   /* and mail refused when it gets full (settings:spool min_free_space) */
};

struct service_description {
	const char *kind;		      /* "frontend", "spool-broker", "delivery-worker" */
	const char *summary;		      /* one line for --help */
	const struct service_option *options; /* of this program; may be NULL */
	bool reports_settings_errors;	      /* writes settings:errors */
	enum service_bodies bodies;
};

#define SERVICE_ID_MAX 256

struct service_hook;
struct lag;
struct monitor;

struct service {
	const struct service_description *description;
	char id[SERVICE_ID_MAX]; /* --id, or <kind>-<host>-<pid> */
	char hostname[256];	 /* STAGEPOST_HOSTNAME or the machine's */
	const char *redis_url, *blobs_url;
	const char *listen; /* --listen; NULL: not given */
	int port_base;
	struct event_base *base;
	struct redis *redis;
	struct tracking *tracking;
	struct settings_live *settings;
	struct blob_store *blobs;
	int64_t started_ms; /* unix */
	bool draining;

	/* private */
	const char *metrics_port, *metrics_listen, *grace, *patience;
	int64_t grace_ms, patience_ms;
	bool was_ready;
	int64_t trouble_since_ms; /* monotonic; 0: there is none */
	struct lag *lag;	  /* owner */
	struct blob_health bodies;
	bool store_is_known, refused; /* versions.c: of a version that we can work with; of one that we cannot */
	unsigned drainers_left;
	struct service_hook *drain_hooks, *ready_hooks;
	void (*on_status)(void *arg, cJSON *status);
	void *on_status_arg;
	struct event *term, *interrupt, *heartbeat, *grace_timer;
	struct monitor *monitor; /* owner; NULL: no metrics port */
};

/* Parses options (ends the process with a message and status 1 on a bad one, 0
 * after --help), opens everything. Trouble that waiting may mend (Redis away)
 * does not stop it; what is malformed does. */
void service_init(struct service *s, const struct service_description *description, int argc, char **argv);

/* The loop, until drained. Returns the exit status: 1 if the store is of a version
 * that this program cannot work with. */
int service_run(struct service *s);
/* Frees what init made; whatever uses it must be gone. */
void service_fini(struct service *s);

/* SIGTERM or SIGINT: every drainer is called once; each says service_drained()
 * when its work has ended (may be from within). After the last, or after the
 * grace time (--grace, 30 s), the loop ends. A second signal ends it at once. */
void service_on_drain(struct service *s, void (*on_drain)(void *arg), void *arg);
void service_drained(struct service *s);

/* What the kind has to say in its heartbeat and in `stagepost status`: adds
 * members to the object. Called every second. */
void service_on_status(struct service *s, void (*on_status)(void *arg, cJSON *status), void *arg);

/* /readyz says 503 with the reason while any returns one (a constant). Redis,
 * settings and draining are looked at anyway. Whoever was ready once stays so
 * until the trouble has lasted for --patience (60 s): a short loss of the store
 * meets all alike, and clients are better told "later" than not answered. */
void service_on_ready_check(struct service *s, const char *(*why_not_ready)(void *arg), void *arg);

#endif
