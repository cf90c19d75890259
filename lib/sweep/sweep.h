/* The sweep: finds bodies that nothing refers to any more, and releases them.
 *
 * First everything that refers is read into a set: spool entries, then the
 * records of every account. Messages go from the spool to the mailboxes, never
 * back, and mailbox_read_some_bodies() sees to those that move within an account.
 * What comes in meanwhile is younger than the limit.
 *
 * A body that is not in the set is a suspect. A worker that got the message
 * before it left the spool may still file it, for MAILBOX_TRY_LIFE_MS and no
 * longer: so a suspect is released by the next sweep that finds it unreferred
 * after that time. From then on nothing can refer to it again: it may be released
 * at any later time. Suspects are kept in the hash sweep:suspects.
 *
 * What an automatic sweep finds is believed if it is little: where very many bodies
 * are without a reference, the store may have lost its records. Then it fails, and
 * releases nothing.
 *
 * Works on the loop, in steps, and rests after each one, so that Redis and the disk
 * work for it no more than `share` percent of the time. */
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
	struct event_base *base; /* borrowed, as the next three */
	struct redis *redis;
	struct mailbox_store *mailboxes;
	struct blob_store *blobs;
	const char *name; /* of who sweeps; copied */
	bool is_manual;	  /* takes the lease from a sweep that is not; releases as much as it finds */
	bool dry_run;	  /* changes nothing, needs no lease */
	/* A sweep is due so long after the last one ended, and after one failed. */
	int64_t interval_ms, after_failure_ms;
	int64_t age_ms;		     /* bodies younger than that are left alone */
	int64_t suspect_ms;	     /* how long a body is a suspect */
	unsigned share;		     /* percent; 1 to 100 */
	void (*on_begun)(void *arg); /* it has the lease; may be NULL */
};

struct sweep_figures {
	uint64_t examined; /* bodies and digests that are old enough */
	uint64_t referred; /* all that is referred to, old or not */
	uint64_t released, released_bytes;
	uint64_t in_doubt; /* suspects: for a later sweep */
};

struct sweep;

/* Comes once. err NULL: done; ERR_EXISTS: another sweeps, its words say who;
 * ERR_DENIED: none is due, or it would release very much; ERR_FENCED: another has taken over; else it failed, and
 * what was done by then stays done. */
typedef void sweep_on_end(void *arg, const struct sweep_figures *figures, const struct err *err);
struct sweep *sweep_start(const struct sweep_options *options, sweep_on_end *cb, void *arg);
/* Gives it up, unless it has ended; on_end does not come any more. NULLs *s, and may
 * be given NULL. To be called in on_end too, or after it. */
void sweep_free(struct sweep **s);

#endif
