/* The command-line tool: what all its commands share. */
#ifndef SP_CTL_CTL_H
#define SP_CTL_CTL_H

#include <event2/event.h>
#include <stdbool.h>

#include "ctl/layout.h"
#include "lib/admin/admin.h"
#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"

struct settings_live;
struct directory;
struct blob_store;
struct mailbox_store;
struct dkim_keys;
struct dns;
struct admin_brokers;
struct secret_keys;

struct ctl {
	const char *dir;      /* --dir, or ./data */
	bool json;	      /* --json */
	struct layout layout; /* of the cluster to work on */
	struct arena arena;   /* for the lifetime of the command */
	/* Filled by ctl_connect(): */
	struct event_base *base;
	struct redis *redis;
	struct tracking *tracking;
	/* Created at first use by ctl_settings(), ctl_directory(), ctl_mailboxes(): */
	struct settings_live *settings;
	struct directory *directory;
	struct blob_store *blobs;
	struct mailbox_store *mailboxes;
	struct dkim_keys *dkim;
	struct dns *dns;
	struct admin_brokers *brokers;
	struct secret_keys *seals;
	struct admin admin; /* uses those that have been created so far */
	bool is_partial;    /* brokers did not answer completely; this has been reported */
};

/* One command, or one verb of a command that has verbs. */
struct ctl_command {
	const char *name; /* "user add" */
	const char *args; /* for the usage line */
	const char *help; /* what it does, in one line or more */
	/* argv: the arguments after the name and the common options. Returns the exit status. */
	int (*run)(struct ctl *ctl, int argc, char **argv);
};

/* ctl/commands.c */
extern const struct ctl_command ctl_commands[]; /* terminated by a NULL name */

/* One line on standard error: "stagepost: ...". Returns 1. */
__attribute__((format(printf, 1, 2))) int ctl_fail(const char *format, ...);
/* "usage: stagepost <name> <args>" on standard error. Returns 1. */
int ctl_usage(const char *name);

/* Connects to the cluster's Redis, waiting at most 5 s. ERR_DENIED: this program
 * cannot work with the store's version. */
int ctl_connect(struct ctl *ctl, struct err *err);
int ctl_check_store(struct ctl *ctl, struct err *err); /* of ctl_connect() */
struct settings_live *ctl_settings(struct ctl *ctl);   /* read; after ctl_connect() */
struct directory *ctl_directory(struct ctl *ctl);
struct blob_store *ctl_blobs(struct ctl *ctl, struct err *err); /* NULL: err */
struct mailbox_store *ctl_mailboxes(struct ctl *ctl, struct err *err);
struct dkim_keys *ctl_dkim(struct ctl *ctl);
struct dns *ctl_dns(struct ctl *ctl, struct err *err); /* asks STAGEPOST_RESOLVER; NULL: err */
/* The keys for secrets: STAGEPOST_SECRET_KEY, or what `up` has made. */
int ctl_seals(struct ctl *ctl, struct err *err);
/* Runs the loop for a moment. */
void ctl_turn(struct ctl *ctl);
/* The server's name: STAGEPOST_HOSTNAME, or what `up` runs with. */
int ctl_hostname(struct ctl *ctl, struct err *err);
void ctl_disconnect(struct ctl *ctl);

/* ---- Waiting for asynchronous work ----
 * struct ctl_wait w = CTL_WAIT; start_something(..., ctl_on_done, &w);
 * if (ctl_wait(ctl, &w) != 0) return ctl_fail("%s", w.err.text); */
struct ctl_wait {
	bool done;
	struct err err; /* code ERR_NONE: success */
};
#define CTL_WAIT ((struct ctl_wait){.done = false})
/* Runs the loop until w is done; 0, or -1 with w->err. Ends the program with a
 * message after 30 s. */
int ctl_wait(struct ctl *ctl, struct ctl_wait *w);
void ctl_wait_end(struct ctl_wait *w, const struct err *err); /* err NULL: success */
void ctl_on_done(void *wait, const struct err *err);	      /* as a callback */

/* ---- Waiting for lib/admin, whose operations have their own time limits ----
 * struct ctl_result r = CTL_RESULT; admin_something(&ctl->admin, ..., ctl_on_result, &r);
 * if ((json = ctl_await(ctl, &r)) == NULL) return 1; */
struct ctl_result {
	struct ctl_wait wait;
	cJSON *json;
};
#define CTL_RESULT ((struct ctl_result){.json = NULL})
void ctl_on_result(void *result, cJSON *json, const struct err *err);
/* NULL after an error message. */
cJSON *ctl_await(struct ctl *ctl, struct ctl_result *r);
/* For orders, which end with ctl_on_done(). 0, or 1 after an error message. */
int ctl_await_done(struct ctl *ctl, struct ctl_wait *w);

/* Sends a Redis command, given as C strings and terminated by NULL, and waits.
 * Returns the reply (free it with freeReplyObject) or NULL. */
__attribute__((sentinel)) redisReply *ctl_redis(struct ctl *ctl, struct err *err, ...);

/* ---- Options ----
 * Takes "--name value" or "--name=value" out of argv, wherever it is;
 * *value_out stays as it is if the option is absent. -1: the value is missing. */
int ctl_take_option(int *argc, char **argv, const char *name, const char **value_out);
bool ctl_take_flag(int *argc, char **argv, const char *name);
/* A whole number as the value of an option. 1 after an error message. */
int ctl_number(const char *option, const char *text, uint64_t *number_out);
/* Is an option left over? Then prints an error message and returns true. */
bool ctl_has_unknown_option(int argc, char **argv);
/* "12h", "30s", "1d"; a bare number is seconds. 1 after an error message that names the option. */
int ctl_duration(const char *option, const char *text, int64_t *ms_out);

#endif
