/* The sweep: finds bodies that are no longer referenced, and releases them.
 *
 * First all references are read into a set: spool entries, then the records of
 * every account. Messages move from the spool to the mailboxes, never back, and
 * mailbox_read_some_bodies() takes care of those that move within an account.
 * Bodies that arrive meanwhile are younger than the limit.
 *
 * A body that is not in the set is a suspect. A worker that got the message before
 * it left the spool may still file it, but only for MAILBOX_TRY_LIFE_MS. So a
 * suspect is released by the next sweep that finds it unreferenced after that time.
 * From then on nothing can refer to it again, so it may be released at any later
 * time. Suspects are kept in the hash sweep:suspects.
 *
 * An automatic sweep trusts its result only if it is small: if very many bodies
 * have no reference, the store may have lost its records. Then the sweep fails, and
 * releases nothing.
 *
 * It works on the loop, in steps, and pauses after each one, so that Redis and the
 * disk work for it at most `share` percent of the time. */
#ifndef SP_SWEEP_SWEEP_H
#define SP_SWEEP_SWEEP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/blob/blob.h"
#include "lib/mailbox/mailbox.h"
#include "lib/redis/redis.h"

/* Clocks may differ by an hour. */
#define SWEEP_SUSPECT_MS (MAILBOX_TRY_LIFE_MS + INT64_C(3600) * 1000)

struct sweep_options {
	struct event_base *base; /* borrowed, like the next three */
	struct redis *redis;
	struct mailbox_store *mailboxes;
	struct blob_store *blobs;
	const char *name; /* of the sweeping process; copied */
	bool is_manual;	  /* takes the lease from a sweep that is not manual; releases any amount */
	bool dry_run;	  /* changes nothing, needs no lease */
	/* A sweep is due this long after the last one ended, or after one failed. */
	int64_t interval_ms, after_failure_ms;
	int64_t age_ms;		     /* younger bodies are left alone */
	int64_t suspect_ms;	     /* how long a body stays a suspect */
	unsigned share;		     /* percent; 1 to 100 */
	void (*on_begun)(void *arg); /* it has the lease; may be NULL */
};

struct sweep_figures {
	uint64_t examined; /* bodies and digests that are old enough */
	uint64_t referred; /* everything that is referenced, old or not */
	uint64_t released, released_bytes;
	uint64_t in_doubt; /* suspects, left for a later sweep */
};

struct sweep;

/* Called once. err NULL: done; ERR_EXISTS: another process sweeps (the text names it); ERR_DENIED: no sweep is
 * due, or it would release too much; ERR_FENCED: another has taken over. Any other error: it failed, and whatever
 * was done by then stays done. */
typedef void sweep_on_end(void *arg, const struct sweep_figures *figures, const struct err *err);
struct sweep *sweep_start(const struct sweep_options *options, sweep_on_end *cb, void *arg);
/* Abandons the sweep, unless it has ended; on_end will not be called any more. Sets
 * *s to NULL, which is also allowed as input. Must also be called in on_end, or
 * after it. */
void sweep_free(struct sweep **s);

#endif
