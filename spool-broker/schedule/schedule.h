/* What is tried when: the queues of one kind of job.
 *
 * A part (the recipients of one message that go to one destination: what one
 * job serves) waits in the lane of its destination, sender domain and
 * priority. Fairness is decided in three places:
 *
 *  - Sender domains take turns; at its turn a sender gives one part, and its own
 *    lanes take turns too. So a sender that queues a million messages, to one
 *    destination or to ten thousand, does not wait for others and makes nobody
 *    else wait for more than a turn.
 *  - A site that has no room (its window of messages in flight is used up) parks
 *    the lanes whose turn comes, and calls them back in that order, one for each
 *    place that becomes free; a lane called back goes before its sender's other
 *    lanes, and its place is kept for it from all but higher priority. So the
 *    senders share a busy site evenly too.
 *
 *  - Nobody gets all of the workers' slots: a sender domain, or a site, waits
 *    when it has its share of them in flight (shares.c).
 *
 * Destinations that one mail system serves share one site, and with it all that
 * follows. Its window starts small, grows with each success, shrinks with each
 * deferral and is halved by trouble; a dead site is left alone for longer and
 * longer and is probed with one message. Limits that hold for all brokers
 * together and cannot be divided among them (few in flight, so many a minute)
 * are kept by permits, which the store gives out.
 *
 * Higher priority goes first, but every so often something below it gets a turn.
 *
 * All times are unix ms, given by the caller; nothing here reads a clock. */
#ifndef SP_BROKER_SCHEDULE_H
#define SP_BROKER_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>
#include <uthash.h>

#include "lib/base/str.h"
#include "spool-broker/schedule/heap.h"

enum { PRIORITY_LOW, PRIORITY_NORMAL, PRIORITY_HIGH, PRIORITIES };

struct message;
struct job;
struct schedule;
struct lane;
struct site;

enum part_state {
	PART_IDLE,     /* in no queue: new, held, or waiting for the store */
	PART_READY,    /* in its lane */
	PART_DEFERRED, /* in the heap by time */
	PART_ACTIVE    /* held by a worker, or being read for one */
};

struct part {
	struct message *message;	      /* borrowed: it owns the part */
	struct part *next;		      /* owner: of the message's parts */
	struct lane *lane;		      /* borrowed; it lives as long as a part refers to it */
	struct part *queue_prev, *queue_next; /* in the lane */
	struct job *job;		      /* borrowed; while ACTIVE */
	struct heap_node retry;		      /* while DEFERRED; its time otherwise: not tried before this */
	uint8_t state;			      /* enum part_state */
	uint8_t kind;			      /* Stagepost__JobKind: which schedule it is in */
	uint8_t report;			      /* of a REPORT part: Stagepost__Job__Report */
	bool recheck : 1;		      /* may have been filed or sent before: its last job was lost */
	bool unsaved : 1;		      /* not tried before the message's state is saved */
	bool unanswered : 1;		      /* of a CHECK part: engines failed at it */
	uint16_t tries;			      /* that failed, for the back-off */
	uint8_t postponed;		      /* how often in a row it was not tried: postponed.c */
	uint8_t served;			      /* the broker's count of ended jobs when it was last postponed */
};

struct destination {
	UT_hash_handle hh;		  /* by name */
	struct lane *lanes;		  /* owner of the list; it exists as long as there are any */
	struct lane *waiting;		  /* owner of the list: those with mail to send whose site is not known yet */
	unsigned ready, deferred, active; /* parts */
	char *answer;			  /* owner; the last answer that deferred a recipient, NULL: none */
	char name[];
};

/* The limits of a site. 0: no limit. */
struct site_limits {
	unsigned at_once;     /* parts in flight, of this broker; 0: no window either */
	unsigned at_once_all; /* for all brokers: each part needs a place in the quota */
	unsigned per_minute;  /* parts begun, for all brokers: each needs a token */
};

/* The state of a site; sites.c changes it.
 *
 *      NEW ──────────── trouble ──────────────▶ DEAD ◀── trouble ──┐
 *       │                                        ▲ │               │
 *    success    three troubles in a row ─────────┘ └── its time ──▶ PROBED
 *       ▼          │                                               │
 *     WORKS ───────┘ ◀───────────────── success ───────────────────┘ */
enum site_state {
	SITE_NEW,   /* nothing has succeeded yet */
	SITE_WORKS, /* something has */
	SITE_DEAD,  /* left alone, until `wake` */
	SITE_PROBED /* one part may be in flight: its result decides */
};

/* The mail system that serves one destination or several: what can be busy, in
 * trouble or limited as a whole. It outlives its lanes a little, so that a
 * queue that runs empty now and then does not start slowly each time. */
struct site {
	UT_hash_handle hh; /* by name */
	unsigned lanes;	   /* that there are */
	unsigned active;   /* parts */
	struct site_limits limits;
	double window;			 /* parts in flight that are allowed now */
	double threshold;		 /* below it the window grows fast */
	unsigned troubles;		 /* in a row */
	unsigned deaths;		 /* in a row: 0 exactly when it is NEW or WORKS */
	struct heap_node wake;		 /* while it is DEAD */
	struct lane *parked[PRIORITIES]; /* owner of the lists: lanes that wait for room */
	uint8_t in_a_row[PRIORITIES];	 /* called back, while lower ones waited */
	enum site_state state;
	bool asked;		     /* has asked for more quota and tokens, without an answer yet */
	bool rests;		     /* it has no lanes */
	unsigned called[PRIORITIES]; /* lanes called back that have not had their turn */
	unsigned quota;		     /* of at_once_all: parts that may be in flight */
	unsigned tokens;	     /* of per_minute: parts that may begin */
	char *trouble;		     /* owner; the text of the last trouble, NULL: none */
	int64_t quota_until_ms;	     /* then the grant is void */
	int64_t ask_after_ms;	     /* asking before this is useless */
	struct heap_node crowd;	     /* while it has used up its share of the slots; by parts in flight or called */
	struct heap_node ask;	     /* when it asks next; at least to return what it does not need */
	int64_t rests_since_ms;
	struct site *prev, *next; /* among the idle ones */
	char name[];
};

/* How a try went, from the site's point of view. */
enum try_end {
	TRY_ANSWERED, /* it worked, whatever it said about the message */
	TRY_PUT_OFF,  /* it said "not now" to all of the message */
	TRY_TROUBLE,  /* the whole site is in trouble */
	TRY_UNKNOWN   /* the worker was lost, or never started */
};

#define SITE_NAME_MAX	1100
#define ANSWER_KEPT_MAX 400 /* bytes of an answer that are kept in memory */

/* Which site serves which destination. NULL: each destination is a site of its own. */
struct schedule_router {
	/* The site of mail from the domain `from` to a destination. False: not
	 * known yet; reroute() is called once it is. */
	bool (*find)(void *arg, struct str destination, struct str from, char name_out[SITE_NAME_MAX],
		     struct site_limits *limits_out);
	void *arg; /* borrowed */
};

struct schedule_limits {
	struct site_limits site; /* where there is no router */
	int64_t dead_first_ms;	 /* wait before the first probe; doubled for each that fails */
	int64_t dead_longest_ms;
};

/* A site that needs permits: what it has, and what it could use. */
struct permit_wish {
	const char *site; /* borrowed: until the schedule changes */
	unsigned active, wanted;
	unsigned returned; /* tokens that it has not used */
	struct site_limits limits;
};

struct permit {
	unsigned quota;
	unsigned tokens;
	int64_t valid_ms; /* the quota; 0: nothing is known, the request failed */
	int64_t wait_ms;  /* before asking again is useful */
};

struct schedule_counts {
	unsigned ready, deferred, active, destinations, sites;
	bool waits; /* nothing may be taken now, but a site will be probed or will get permits */
};

struct schedule_ops {
	struct schedule *(*create)(void);
	void (*destroy)(struct schedule **s); /* all parts must have been freed */
	/* router: copied; NULL: none. Both take effect on new lanes, and by reroute(). */
	void (*set_limits)(struct schedule *s, const struct schedule_limits *limits,
			   const struct schedule_router *router);
	/* Slots of all workers, including those in use; 0: not known, then there are no shares. */
	void (*set_slots)(struct schedule *s, unsigned slots);
	/* Is there mail for it? */
	bool (*has)(const struct schedule *s, struct str destination);
	/* Sites and limits of a destination (empty: of all) may have changed. */
	void (*reroute)(struct schedule *s, struct str destination);

	/* Gives a new part its lane; the part is IDLE. If the message has a
	 * part in that lane already, returns that one and leaves the new one
	 * alone. sender: whose share it counts against; from: the domain that
	 * it is sent for. */
	struct part *(*enlist)(struct schedule *s, struct part *p, struct str destination, struct str sender,
			       struct str from, unsigned priority);
	/* Not ACTIVE any more, not in any queue, no lane. */
	void (*dismiss)(struct schedule *s, struct part *p);

	/* From IDLE, READY or DEFERRED to one of them. */
	void (*ready)(struct schedule *s, struct part *p);
	void (*defer)(struct schedule *s, struct part *p, int64_t until_ms);
	void (*withdraw)(struct schedule *s, struct part *p);

	/* The part to be tried next, now ACTIVE; NULL when none may be. */
	struct part *(*take)(struct schedule *s, int64_t now_ms);
	/* Makes a part ACTIVE that a worker holds already. */
	void (*adopt)(struct schedule *s, struct part *p);
	/* From ACTIVE to IDLE. trouble: the text for TRY_TROUBLE; retry_after_ms
	 * 0: by the back-off. */
	void (*end)(struct schedule *s, struct part *p, enum try_end end, const char *trouble, int64_t retry_after_ms,
		    int64_t now_ms);

	/* The next site that should ask for permits; false: none now. Each request is answered with permit(). */
	bool (*next_wish)(struct schedule *s, int64_t now_ms, struct permit_wish *wish_out);
	void (*permit)(struct schedule *s, struct str site, const struct permit *permit, int64_t now_ms);

	/* The answer that deferred a recipient, for queries. */
	void (*note_answer)(struct schedule *s, struct part *p, const char *answer);
	/* When take() may have something new; INT64_MAX: not by time alone. */
	int64_t (*next_ms)(const struct schedule *s);
	struct schedule_counts (*counts)(const struct schedule *s);
	/* Destinations, in no order. */
	void (*each)(struct schedule *s, void (*visit)(void *arg, const struct destination *d), void *arg);
	/* Sites that have mail, in no order. */
	void (*each_site)(struct schedule *s, void (*visit)(void *arg, const struct site *site), void *arg);
	/* An operator's order: the part, which is READY, goes before the others
	 * of its sender, and a dead site is probed with it at once. */
	void (*hasten)(struct schedule *s, struct part *p);
};

/* The only implementation: fair between sender domains and destinations. */
extern const struct schedule_ops schedule_fair;

const char *part_destination(const struct part *p);
const struct destination *part_destination_of(const struct part *p);
/* NULL: not known yet. */
const struct site *part_site(const struct part *p);
/* Of the sites that serve the destination, the one that is in trouble or waits
 * for permits, or else any; NULL: none is known yet. */
const struct site *destination_site(const struct destination *d);
/* Do its limits keep mail waiting now? */
bool site_is_throttled(const struct site *site);

#endif
