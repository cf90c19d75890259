/* What is tried when: the queues of one kind of job.
 *
 * A part (the recipients of one message that go to one destination: what one
 * job serves) waits in the lane of its destination, sender domain and
 * priority. Fairness is decided in two places:
 *
 *  - Sender domains take turns; at its turn a sender gives one part, and its
 *    own lanes take turns too. So one who queues a million messages, to one
 *    destination or to ten thousand, waits for nobody else's and lets nobody
 *    else wait for more than a turn.
 *  - A destination that has no room (its window of messages in flight is
 *    used up) parks the lanes that come to their turn, and calls them back in
 *    that order, one for each place that gets free; a lane called back goes
 *    before its sender's other lanes. So the senders share a busy destination
 *    evenly too.
 *
 * A destination's window starts small, grows with what succeeds and is halved
 * by trouble; a dead one waits longer and longer and is probed by one message.
 *
 * All times are unix ms, given by the caller; nothing here reads a clock. */
#ifndef SP_BROKER_SCHEDULE_H
#define SP_BROKER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "lib/base/str.h"
#include "spool-broker/heap.h"

enum { PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITIES };

struct message;
struct job;
struct schedule;
struct lane;

enum part_state {
	PART_IDLE,     /* in no queue: new, held, or waiting for the store */
	PART_READY,    /* in its lane */
	PART_DEFERRED, /* in the heap of times */
	PART_ACTIVE    /* in a worker's hands, or being read for it */
};

struct part {
	struct message *message;	      /* borrowed: it owns the part */
	struct part *next;		      /* owner: of the message's parts */
	struct lane *lane;		      /* borrowed; it lives as long as a part refers to it */
	struct part *queue_prev, *queue_next; /* in the lane */
	struct job *job;		      /* borrowed; while ACTIVE */
	struct heap_node retry;		      /* while DEFERRED; its time else: not to be tried before */
	uint8_t state;			      /* enum part_state */
	uint8_t kind;			      /* Stagepost__JobKind: which schedule it is in */
	uint8_t report;			      /* of a REPORT part: Stagepost__Job__Report */
	bool recheck;			      /* may have been filed or sent before: its last job was lost */
	bool unsaved;			      /* not to be tried before the message's state is saved */
	uint16_t tries;			      /* that failed, for the back-off */
};

struct destination {
	UT_hash_handle hh;		  /* by name */
	unsigned lanes;			  /* that there are; it lives as long */
	unsigned ready, deferred, active; /* parts */
	double window;			  /* parts in flight that are allowed now */
	double threshold;		  /* below it the window grows fast */
	bool proven;			  /* something succeeded since it was new or dead */
	unsigned troubles;		  /* in a row */
	unsigned deaths;		  /* in a row; not 0: dead, to be probed by one */
	struct heap_node wake;		  /* while dead and not yet to be probed */
	struct lane *parked;		  /* owner of the list: lanes that wait for room */
	char *trouble;			  /* owner; the last one's words, NULL: none */
	char *answer;			  /* owner; the last that put a recipient off, NULL: none */
	char name[];
};

/* How a try went, for the destination. */
enum try_end {
	TRY_ANSWERED, /* the destination did its work, whatever it said of the message */
	TRY_TROUBLE,  /* it is ill as a whole */
	TRY_UNKNOWN   /* the worker was lost, or never began */
};

struct schedule_limits {
	unsigned per_destination; /* in flight at once; 0: no limit and no window */
	int64_t dead_first_ms;	  /* wait before the first probe; doubled for each that fails */
	int64_t dead_longest_ms;
};

struct schedule_counts {
	unsigned ready, deferred, active, destinations;
};

struct schedule_ops {
	struct schedule *(*create)(void);
	void (*destroy)(struct schedule **s); /* all parts must be gone */
	void (*set_limits)(struct schedule *s, const struct schedule_limits *limits);

	/* Gives a new part its lane; it is IDLE. Returns the part that the
	 * message has in that lane already, and leaves the new one alone. */
	struct part *(*enlist)(struct schedule *s, struct part *p, struct str destination, struct str sender,
			       unsigned priority);
	/* Not ACTIVE any more, not in any queue, no lane. */
	void (*dismiss)(struct schedule *s, struct part *p);

	/* From IDLE, READY or DEFERRED to one of them. */
	void (*ready)(struct schedule *s, struct part *p);
	void (*defer)(struct schedule *s, struct part *p, int64_t until_ms);
	void (*withdraw)(struct schedule *s, struct part *p);

	/* The part to be tried next, now ACTIVE; NULL when none may be. */
	struct part *(*take)(struct schedule *s, int64_t now_ms);
	/* Makes a part ACTIVE that is in a worker's hands already. */
	void (*adopt)(struct schedule *s, struct part *p);
	/* From ACTIVE to IDLE. trouble: words for TRY_TROUBLE; retry_after_ms 0:
	 * by the back-off. */
	void (*end)(struct schedule *s, struct part *p, enum try_end end, const char *trouble, int64_t retry_after_ms,
		    int64_t now_ms);

	/* What a recipient was put off with, for those who ask. */
	void (*note_answer)(struct schedule *s, struct part *p, const char *answer);
	/* When take() may have something new; INT64_MAX: not by time alone. */
	int64_t (*next_ms)(const struct schedule *s);
	struct schedule_counts (*counts)(const struct schedule *s);
	/* Destinations, in no order. */
	void (*each)(struct schedule *s, void (*visit)(void *arg, const struct destination *d), void *arg);
	/* An operator's word: the part, READY, goes before the others of its
	 * sender, and a dead destination is probed by it at once. */
	void (*hasten)(struct schedule *s, struct part *p);
};

/* The one that there is: fair between sender domains and destinations. */
extern const struct schedule_ops schedule_fair;

const char *part_destination(const struct part *p);
const struct destination *part_destination_of(const struct part *p);

#endif
