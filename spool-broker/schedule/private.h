/* The fair schedule's own structs. schedule.c holds the queues and whose turn it
 * is, lanes.c where a part waits, sites.c who may take how
 * much, shares.c how many of the workers' slots anyone may have. */
#ifndef SP_BROKER_SCHEDULE_PRIVATE_H
#define SP_BROKER_SCHEDULE_PRIVATE_H

#include "spool-broker/schedule/schedule.h"

enum lane_state { LANE_EMPTY, LANE_READY, LANE_PARKED };

struct lane_key {
	struct destination *destination; /* borrowed */
	struct sender *sender;		 /* borrowed: whose turn it takes */
	struct sender *from;		 /* borrowed: mostly the same */
	uint64_t priority;
};

struct lane {
	UT_hash_handle hh;
	struct lane_key key;
	struct site *site;			  /* borrowed; NULL: not known yet */
	uint8_t state;				  /* enum lane_state */
	bool called;				  /* READY, for a place of its site that is kept for it */
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
	struct lane *lanes;    /* READY ones; in the rotation, or aside, exactly when there are any */
	struct turn *prev, *next;
	struct heap_node aside; /* while its sender has his share of the slots; by what he has in flight */
};

struct sender {
	UT_hash_handle hh; /* by name */
	unsigned lanes;	   /* that name it, once or twice */
	unsigned active;   /* parts of those whose turn it takes */
	struct turn turns[PRIORITIES];
	char name[];
};

struct schedule {
	struct destination *destinations; /* owner: hash */
	struct site *sites;		  /* owner: hash */
	struct site *resting;		  /* list of those without lanes, the longest first */
	unsigned resting_count;
	struct sender *senders; /* owner: hash */
	struct lane *lanes;	/* owner: hash */
	struct turn *rotation[PRIORITIES];
	unsigned in_a_row[PRIORITIES];
	struct heap retries;	       /* parts that are deferred */
	struct heap wakes;	       /* sites that are dead, until their probe */
	struct heap asks;	       /* sites that will ask for permits */
	unsigned slots;		       /* of all workers; 0: not told */
	struct heap aside[PRIORITIES]; /* turns of senders who have their share */
	struct heap crowded;	       /* sites that have theirs, and more parked */
	struct schedule_limits limits;
	struct schedule_router router; /* find NULL: none */
	struct schedule_counts totals;
	int64_t now_ms; /* the last time that was told */
};

/* ---- lanes.c ---- */
struct lane *lane_get(struct schedule *s, struct str destination, struct str sender, struct str from,
		      unsigned priority);
void lane_drop(struct schedule *s, struct lane *l); /* empty, and no part refers to it */
/* Higher priority goes first, but after so many in a row a lower one that waits. */
enum { LOWER_TURN = 8 };

/* Into its sender's turn; while its site is not known, to those that wait for that. */
void lane_join(struct schedule *s, struct lane *l, bool at_front);
void lane_leave(struct schedule *s, struct lane *l); /* wherever it waits */
/* One that was called back in vain goes before the others. */
void lane_park(struct schedule *s, struct lane *l);
/* To the front of its sender's turn, for a place of its site, which is known. */
void lane_call(struct schedule *s, struct lane *l);
/* Asks the router whose it is. */
void lane_route(struct schedule *s, struct lane *l);

/* ---- shares.c ---- */
/* Parts that a site with so many in flight may begin now. */
unsigned share_of_site(const struct schedule *s, unsigned active);
bool share_allows_sender(const struct schedule *s, const struct sender *sender);
/* Out of the rotation, until his share allows more. */
void share_set_aside(struct schedule *s, struct turn *turn, unsigned priority);
void share_sender_changed(struct schedule *s, struct sender *sender);
/* Does it wait for nothing but its share? Then it is called back in time. */
void share_note_site(struct schedule *s, struct site *site, bool waits);
/* Puts back who may go on. */
void shares_look(struct schedule *s);

/* ---- sites.c ---- */
struct site *site_get(struct schedule *s, struct str name);
/* A lane, with its parts in flight, comes and goes. */
void site_join(struct schedule *s, struct site *site, unsigned active);
void site_leave(struct schedule *s, struct site *site, unsigned active);
void site_set_limits(struct schedule *s, struct site *site, const struct site_limits *limits);
/* Is there a place for this lane, beside those that are kept for others? */
bool site_has_room_for(const struct schedule *s, const struct lane *l);
/* Calls parked lanes back, as many as there is room for; for the others it asks
 * for permits, where those are what is missing. */
void site_call_back(struct schedule *s, struct site *site);
/* A DEAD one gets its probe. */
void site_probe(struct schedule *s, struct site *site);
void site_begin(struct schedule *s, struct site *site);
void site_end(struct schedule *s, struct site *site, enum try_end end, const char *trouble, int64_t retry_after_ms);
/* Those that rested long enough, or all. */
void sites_forget(struct schedule *s, bool all);
bool sites_next_wish(struct schedule *s, int64_t now_ms, struct permit_wish *wish_out);
void sites_permit(struct schedule *s, struct str name, const struct permit *permit, int64_t now_ms);

#endif
