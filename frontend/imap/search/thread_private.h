/* The internals of threads, for the files thread*.c only:
 *
 *   thread.c             steps, the order of dates, the answer
 *   thread_table.c       nodes and subjects by name
 *   thread_references.c  REFERENCES
 *   thread_subject.c     ORDEREDSUBJECT
 */
#ifndef SP_FRONTEND_IMAP_SEARCH_THREAD_PRIVATE_H
#define SP_FRONTEND_IMAP_SEARCH_THREAD_PRIVATE_H

#include "frontend/imap/search/thread.h"

enum { THREAD_STEP = 256 }; /* nodes that one call of a step examines */

/* Anything found by a name: first member of its structure. */
struct thread_named {
	struct str name;
};

/* Open addressing; large enough from the start, so that it never has to grow and hold
 * up the loop. */
struct thread_table {
	struct thread_named **slots; /* owner; zeroed pages, allocated as they are touched */
	uint64_t mask, seed;
};
/* Room for this many names. */
void thread_table_init(struct thread_table *t, uint64_t names);
void thread_table_fini(struct thread_table *t);
/* Where the name is, or where it belongs (NULL there). */
struct thread_named **thread_table_find(struct thread_table *t, struct str name);

/* A message, or the placeholder of one that is only referred to. */
struct imap_thread {
	struct thread_named named;
	const struct thread_message *message; /* borrowed; NULL: not in the search result */
	struct imap_thread *parent;
	struct imap_thread *child, *next; /* the first child; the next of the same parent, in order */
	struct imap_thread *older;	  /* list of all nodes */
	uint32_t children;		  /* how many have this node as their parent */
	uint32_t first;			  /* position of its first message in date order + 1; 0: not known */
};

/* Does part of the work; adds the amount, in units of lib/base/slice.h, to *work.
 * True: all of it is done. */
typedef bool thread_step(struct imap_threads *t, uint32_t *work);

struct imap_threads {
	struct arena *arena;
	const struct thread_message *messages;
	uint32_t count;
	thread_step *const *steps; /* terminated by NULL */

	/* State of the current step; zeroed for each step. */
	uint32_t at;
	struct imap_thread *cursor, *last;

	struct sort_order *order;   /* messages by date */
	struct imap_thread **nodes; /* arena; by message */
	struct imap_thread *all;    /* list, by older */
	struct imap_thread *roots;  /* list, in order */
	uint64_t names;		    /* the most there can be */
	struct thread_table ids, subjects;
	union sort_value *dates; /* arena; by message */
	struct sort_column column;

	/* The answer. */
	struct imap_thread *printing; /* the next node */
	struct imap_thread **open;    /* arena; for each open parenthesis, its first node */
	uint32_t opened;
	bool print_begun;
};

struct imap_thread *thread_node_new(struct imap_threads *t);
void thread_link(struct imap_thread *parent, struct imap_thread *n);

/* The step that orders messages by date, and a message's position in that order. */
thread_step thread_order_by_date;
static inline struct imap_thread *
thread_at(const struct imap_threads *t, uint32_t place)
{
	return t->nodes[sort_order_row(t->order, place)];
}

extern thread_step *const thread_references_steps[];
extern thread_step *const thread_subject_steps[];

#endif
