/* The fair schedule's own structs. schedule.c has the queues and decides whose
 * turn it is, lanes.c where a part waits, sites.c how much a site may take,
 * shares.c how many of the workers' slots one sender or site may have. */
#ifndef SP_BROKER_SCHEDULE_PRIVATE_H
#define SP_BROKER_SCHEDULE_PRIVATE_H

#include "spool-broker/schedule/schedule.h"

enum lane_state { LANE_EMPTY, LANE_READY, LANE_PARKED };

struct lane_key {
	struct destination *destination; /* borrowed */
	struct sender *sender;		 /* borrowed: whose turn it takes */
	struct sender *from;		 /* borrowed: usually the same */
	uint64_t priority;
};

struct lane {
	UT_hash_handle hh;
	struct lane_key key;
	struct site *site;			  /* borrowed; NULL: not known yet */
	uint8_t state;				  /* enum lane_state */
	bool called;				  /* READY, for a place at its site that is kept for it */
	unsigned parts;				  /* that refer to it */
	unsigned queued, active;		  /* of them */
	struct part *queue;			  /* READY parts, oldest first */
	struct part *newest;			  /* borrowed: enlisted last; NULL once it is gone */
	struct lane *prev, *next;		  /* in the sender's turn, or among the parked */
	struct lane *sibling_prev, *sibling_next; /* of the destination */
};

/* A sender's place in the rotation of one priority. */
struct turn {
	struct sender *sender; /* borrowed */
	struct lane *lanes;    /* READY ones; in the rotation or set aside exactly when there are any */
	struct turn *prev, *next;
	struct heap_node aside; /* while its sender has used up its share of the slots; by what it has in flight */
};

struct sender {
	UT_hash_handle hh; /* by name */
	unsigned lanes;	   /* that name it, once or twice */
	unsigned active;   /* parts of the senders whose turn it takes */
	struct turn turns[PRIORITIES];
	char name[];
};

struct schedule {
	struct destination *destinations; /* owner: hash */
	struct site *sites;		  /* owner: hash */
	struct site *resting;		  /* list of those without lanes, the longest idle first */
	unsigned resting_count;
	struct sender *senders; /* owner: hash */
	struct lane *lanes;	/* owner: hash */
	struct turn *rotation[PRIORITIES];
	unsigned in_a_row[PRIORITIES];
	struct heap retries;	       /* parts that are deferred */
	struct heap wakes;	       /* sites that are dead, until their probe */
	struct heap asks;	       /* sites that will ask for permits */
	unsigned slots;		       /* of all workers; 0: not told */
	struct heap aside[PRIORITIES]; /* turns of senders that have used up their share */
	struct heap crowded;	       /* sites that have used up theirs and have more parked */
	struct schedule_limits limits;
	struct schedule_router router; /* find NULL: none */
	struct schedule_counts totals;
	int64_t now_ms; /* the last time passed in */
};

/* ---- lanes.c ---- */
struct lane *lane_get(struct schedule *s, struct str destination, struct str sender, struct str from,
		      unsigned priority);
void lane_drop(struct schedule *s, struct lane *l); /* empty, and no part refers to it */
/* Higher priority goes first, but after this many in a row a waiting lower one gets a turn. */
enum { LOWER_TURN = 8 };

/* Into its sender's turn; while its site is not known, to the lanes that wait to be routed. */
void lane_join(struct schedule *s, struct lane *l, bool at_front);
void lane_leave(struct schedule *s, struct lane *l); /* wherever it waits */
/* A lane that was called back in vain goes before the others. */
void lane_park(struct schedule *s, struct lane *l);
/* To the front of its sender's turn, for a place at its site, which is known. */
void lane_call(struct schedule *s, struct lane *l);
/* Asks the router for its site. */
void lane_route(struct schedule *s, struct lane *l);

/* ---- shares.c ---- */
/* Parts that a site with this many in flight may begin now. */
unsigned share_of_site(const struct schedule *s, unsigned active);
bool share_allows_sender(const struct schedule *s, const struct sender *sender);
/* Takes it out of the rotation until its share allows more. */
void share_set_aside(struct schedule *s, struct turn *turn, unsigned priority);
void share_sender_changed(struct schedule *s, struct sender *sender);
/* Does it wait only for its share? Then it is called back in time. */
void share_note_site(struct schedule *s, struct site *site, bool waits);
/* Puts back those that may go on. */
void shares_look(struct schedule *s);

/* ---- sites.c ---- */
struct site *site_get(struct schedule *s, struct str name);
/* A lane, with its parts in flight, is added or removed. */
void site_join(struct schedule *s, struct site *site, unsigned active);
void site_leave(struct schedule *s, struct site *site, unsigned active);
void site_set_limits(struct schedule *s, struct site *site, const struct site_limits *limits);
/* Is there a place for this lane, besides those that are kept for others? */
bool site_has_room_for(const struct schedule *s, const struct lane *l);
/* Calls back as many parked lanes as there is room for; for the others it asks
 * for permits, if permits are what is missing. */
void site_call_back(struct schedule *s, struct site *site);
/* A DEAD one gets its probe. */
void site_probe(struct schedule *s, struct site *site);
void site_begin(struct schedule *s, struct site *site);
void site_end(struct schedule *s, struct site *site, enum try_end end, const char *trouble, int64_t retry_after_ms);
/* Frees those that were idle long enough, or all. */
void sites_forget(struct schedule *s, bool all);
bool sites_next_wish(struct schedule *s, int64_t now_ms, struct permit_wish *wish_out);
void sites_permit(struct schedule *s, struct str name, const struct permit *permit, int64_t now_ms);

#endif
