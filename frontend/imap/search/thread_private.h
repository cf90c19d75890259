/* The insides of threads, for the files thread*.c alone:
 *
 *   thread.c             steps, the order of dates, the answer
 *   thread_table.c       nodes and subjects by name
 *   thread_references.c  REFERENCES
 *   thread_subject.c     ORDEREDSUBJECT
 */
#ifndef SP_FRONTEND_IMAP_SEARCH_THREAD_PRIVATE_H
#define SP_FRONTEND_IMAP_SEARCH_THREAD_PRIVATE_H

#include "frontend/imap/search/thread.h"

enum { THREAD_STEP = 256 }; /* nodes that one call of a step looks at */

/* Whatever is found by a name: first in its structure. */
struct thread_named {
	struct str name;
};

/* Open addressing; large enough from the beginning, so that no growth holds the
 * loop. */
struct thread_table {
	struct thread_named **slots; /* owner; zeroed pages, as they are touched */
	uint64_t mask, seed;
};
/* Room for so many names. */
void thread_table_init(struct thread_table *t, uint64_t names);
void thread_table_fini(struct thread_table *t);
/* Where the name is, or where it is to be put (NULL there). */
struct thread_named **thread_table_find(struct thread_table *t, struct str name);

/* A message, or the place of one that is only referred to. */
struct imap_thread {
	struct thread_named named;
	const struct thread_message *message; /* borrowed; NULL: not among what was found */
	struct imap_thread *parent;
	struct imap_thread *child, *next; /* the first child; of one parent, in order */
	struct imap_thread *older;	  /* of all there are */
	uint32_t children;		  /* how many have it as their parent */
	uint32_t first;			  /* place of its first message in the order of dates + 1; 0: not known */
};

/* Does some of the work; adds what it did, in units of lib/base/slice.h, to *work.
 * True: all of it is done. */
typedef bool thread_step(struct imap_threads *t, uint32_t *work);

struct imap_threads {
	struct arena *arena;
	const struct thread_message *messages;
	uint32_t count;
	thread_step *const *steps; /* ended by NULL */

	/* Of the step in hand; zeroed for each. */
	uint32_t at;
	struct imap_thread *cursor, *last;

	struct sort_order *order;   /* messages by date */
	struct imap_thread **nodes; /* arena; by message */
	struct imap_thread *all;    /* list, by older */
	struct imap_thread *roots;  /* list, in order */
	uint64_t names;		    /* how many there may be */
	struct thread_table ids, subjects;
	union sort_value *dates; /* arena; by message */
	struct sort_column column;

	/* The answer. */
	struct imap_thread *printing; /* the next node */
	struct imap_thread **open;    /* arena; of each parenthesis that is open, its first node */
	uint32_t opened;
	bool print_begun;
};

struct imap_thread *thread_node_new(struct imap_threads *t);
void thread_link(struct imap_thread *parent, struct imap_thread *n);

/* The step that puts messages in order, and where one stands then. */
thread_step thread_order_by_date;
static inline struct imap_thread *
thread_at(const struct imap_threads *t, uint32_t place)
{
	return t->nodes[sort_order_row(t->order, place)];
}

extern thread_step *const thread_references_steps[];
extern thread_step *const thread_subject_steps[];

#endif
