/* What an operator may ask of the cluster and order it to do: for the tool, and
 * for whatever serves him otherwise. Nothing here prints, and nothing waits: each
 * function starts its work and calls back once, later, on the loop.
 *
 * Results are cJSON, as scripts get them. Plain orders about domains, users and
 * aliases are lib/directory's. */
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

/* What the functions work on: all borrowed, and there longer than any call. Who
 * needs more than the first two says so. */
struct admin {
	struct event_base *base;
	struct redis *redis;
	struct tracking *tracking;	 /* brokers */
	struct directory *directory;	 /* status, settings check, accounts */
	struct settings_live *settings;	 /* settings check */
	struct mailbox_store *mailboxes; /* accounts */
	struct dkim_keys *dkim;		 /* accounts: keys of domains */
	struct dns *dns;		 /* records of domains, checked */
	const char *hostname;		 /* records of domains: of the server */
	const char *redis_url;		 /* status, which shows it without its password */
	const char *blobs_url;		 /* status */
	unsigned works;			 /* lib/admin's own: threads at work; 0 at first, and before base goes */
};

/* result is the callee's from now on; NULL exactly when err is not. */
typedef void admin_on_result(void *arg, cJSON *result, const struct err *err);
/* Of orders that have no result. */
typedef void admin_on_done(void *arg, const struct err *err);

/* Work under way. Gone once it has called back, which it never does from within
 * the function that started it. */
struct admin_call;
/* It will not call back. What the store was told already is done all the same. NULLs
 * *call, which may be NULL. */
void admin_cancel(struct admin_call **call);

#endif
