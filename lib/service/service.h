/* The runtime shared by all programs: options, the store, settings, blobs,
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
 * environment). A NULL name ends the table. */
struct service_option {
	const char *name;	   /* "bus-listen" */
	const char *environment;   /* "STAGEPOST_BUS_LISTEN", or NULL */
	const char *argument;	   /* "ADDR" for --help; NULL: a flag, *value is "on" if given */
	const char *default_value; /* may be NULL */
	const char *help;
	const char **value; /* where to store it; borrowed from argv or the environment */
};

/* How a kind of process uses bodies. */
enum service_bodies {
	SERVICE_WRITES_NONE,
	SERVICE_WRITES_BODIES, /* the store is watched */
	SERVICE_TAKES_BODIES   /* and mail is refused when it gets full (settings:spool min_free_space) */
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
	int64_t trouble_since_ms; /* monotonic; 0: no trouble */
	struct lag *lag;	  /* owner */
	struct blob_health bodies;
	bool store_is_known, refused; /* versions.c: the version is one that we can work with; one that we cannot */
	unsigned drainers_left;
	struct service_hook *drain_hooks, *ready_hooks;
	void (*on_status)(void *arg, cJSON *status);
	void *on_status_arg;
	struct event *term, *interrupt, *heartbeat, *grace_timer;
	struct monitor *monitor; /* owner; NULL: no metrics port */
};

/* Parses options (on a bad one it exits with a message and status 1, after
 * --help with 0) and opens everything. A problem that may go away (Redis
 * unreachable) does not stop it; malformed input does. */
void service_init(struct service *s, const struct service_description *description, int argc, char **argv);

/* Runs the loop until the process is drained. Returns the exit status: 1 if the
 * store has a version that this program cannot work with. */
int service_run(struct service *s);
/* Frees what service_init() made; everything that uses it must be gone. */
void service_fini(struct service *s);

/* On SIGTERM or SIGINT every drainer is called once. Each calls
 * service_drained() when its work has ended (possibly from within). After the
 * last one, or after the grace period (--grace, 30 s), the loop ends. A second
 * signal ends it at once. */
void service_on_drain(struct service *s, void (*on_drain)(void *arg), void *arg);
void service_drained(struct service *s);

/* Adds this program's members to the object for its heartbeat and `stagepost
 * status`. Called every second. */
void service_on_status(struct service *s, void (*on_status)(void *arg, cJSON *status), void *arg);

/* /readyz answers 503 with the reason while any check returns one (a constant).
 * Redis, settings and draining are always checked. A process that was ready
 * stays ready until the trouble has lasted for --patience (60 s): a short loss
 * of the store affects all processes alike, and clients are better served with
 * a temporary error than with no answer. */
void service_on_ready_check(struct service *s, const char *(*why_not_ready)(void *arg), void *arg);

#endif
