/* Which domains' reports are due, who makes them, and how far each is; in the
 * store, so that each is made by one process, and by another when that dies.
 * The keys: tally.h. A claim is a lease: the time at which the report is due
 * again, unless it is renewed, put off or finished. */
#ifndef SP_TLSPOLICY_PENDING_H
#define SP_TLSPOLICY_PENDING_H

#include "lib/redis/redis.h"
#include "lib/spool/id.h"

#define PENDING_LEASE_MS 60000

/* Names are borrowed for the call. */
typedef void pending_on_claimed(void *arg, const struct str *domains, unsigned count, const struct err *err);
/* At most `most` domains whose report of the day is due, for PENDING_LEASE_MS. */
void pending_claim(struct redis *r, const char *day, unsigned most, pending_on_claimed *cb, void *arg);
/* Due again in so long. */
void pending_put_off(struct redis *r, const char *day, struct str domain, int64_t ms);

/* What is known of a report under way. */
struct pending_plan {
	char id[SPOOL_ID_MAX]; /* the report's; those of its mails are derived from it */
	int64_t first_ms;      /* unix: the first try */
	unsigned tries;	       /* with this one */
};
/* fields: of the plan's hash: "uri <uri>" -> what became of it. Borrowed for the call. */
typedef void pending_on_plan(void *arg, const struct pending_plan *plan, const redisReply *fields,
			     const struct err *err);
/* Begins a try. id: for the report that has none yet. */
void pending_begin(struct redis *r, const char *day, struct str domain, const char *id, pending_on_plan *cb, void *arg);

typedef void pending_on_done(void *arg, const struct err *err);
/* Notes what became of one URI. */
void pending_mark(struct redis *r, const char *day, struct str domain, struct str uri, struct str what,
		  pending_on_done *cb, void *arg);
/* The report is over and done with. */
void pending_finish(struct redis *r, const char *day, struct str domain, struct str outcome, pending_on_done *cb,
		    void *arg);

#endif
