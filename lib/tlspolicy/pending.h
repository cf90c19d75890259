/* Which reports are due, which process makes them, and their state. This is
 * kept in the store, so that each report is made by one process, or by another
 * if that dies. For the keys see tally.h. A claim is a lease: the time at which
 * the report is due again, unless it is renewed, postponed or finished. */
#ifndef SP_TLSPOLICY_PENDING_H
#define SP_TLSPOLICY_PENDING_H

#include "lib/redis/redis.h"
#include "lib/spool/id.h"

#define PENDING_LEASE_MS 60000

/* Names are borrowed for the call. */
typedef void pending_on_claimed(void *arg, const struct str *domains, unsigned count, const struct err *err);
/* Claims up to `most` domains whose report for the day is due, for PENDING_LEASE_MS. */
void pending_claim(struct redis *r, const char *day, unsigned most, pending_on_claimed *cb, void *arg);
/* Makes the report due again after this delay. */
void pending_put_off(struct redis *r, const char *day, struct str domain, int64_t ms);

/* What is known about a report in progress. */
struct pending_plan {
	char id[SPOOL_ID_MAX]; /* the report's; the ids of its mails are derived from it */
	int64_t first_ms;      /* unix: the first attempt */
	unsigned tries;	       /* including this one */
};
/* fields: of the plan's hash: "uri <uri>" -> result for it. Borrowed for the call. */
typedef void pending_on_plan(void *arg, const struct pending_plan *plan, const redisReply *fields,
			     const struct err *err);
/* Begins an attempt. id: for a report that has none yet. */
void pending_begin(struct redis *r, const char *day, struct str domain, const char *id, pending_on_plan *cb, void *arg);

typedef void pending_on_done(void *arg, const struct err *err);
/* Records the result for one URI. */
void pending_mark(struct redis *r, const char *day, struct str domain, struct str uri, struct str what,
		  pending_on_done *cb, void *arg);
/* The report is done. */
void pending_finish(struct redis *r, const char *day, struct str domain, struct str outcome, pending_on_done *cb,
		    void *arg);

#endif
