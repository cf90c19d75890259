/* What an operator can query and change in the cluster: for the tool, and for
 * other administrative interfaces. Nothing here prints or blocks: each function
 * starts its work and calls back once, later, on the loop.
 *
 * Results are cJSON, in the form in which scripts get them. Simple operations on
 * domains, users and aliases are in lib/directory. */
#ifndef SP_ADMIN_ADMIN_H
#define SP_ADMIN_ADMIN_H

#include <cjson/cJSON.h>
#include <event2/event.h>

#include "lib/base/err.h"
#include "lib/redis/redis.h"
#include "lib/redis/tracking.h"

struct directory;
struct settings_live;
struct mailbox_store;
struct dkim_keys;
struct dns;
struct secret_keys;

/* What the functions work on: all borrowed, and valid longer than any call. A
 * function that needs more than the first two says so. */
struct admin {
	struct event_base *base;
	struct redis *redis;
	struct tracking *tracking;	 /* brokers */
	struct directory *directory;	 /* status, settings check, accounts */
	struct settings_live *settings;	 /* settings check */
	struct mailbox_store *mailboxes; /* accounts */
	struct dkim_keys *dkim;		 /* accounts: keys of domains */
	struct dns *dns;		 /* records of domains, checked */
	const struct secret_keys *seals; /* second factors; NULL: none can be set */
	const char *hostname;		 /* records of domains: of the server */
	const char *redis_url;		 /* status, which shows it without the password */
	const char *blobs_url;		 /* status */
	/* Private to lib/admin: threads at work; must be 0 at first, and before base is freed. */
	unsigned works;
};

/* The callee owns result from now on; it is NULL exactly when err is not. */
typedef void admin_on_result(void *arg, cJSON *result, const struct err *err);
/* For operations that have no result. */
typedef void admin_on_done(void *arg, const struct err *err);

/* Work in progress. The handle is invalid once it has called back, which it
 * never does from within the function that started it. */
struct admin_call;
/* It will not call back. Commands already sent to the store still take effect. Sets
 * *call to NULL; it may be NULL before. */
void admin_cancel(struct admin_call **call);

#endif
