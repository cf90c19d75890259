/* The parts of one message by destination, while many of its recipients are
 * processed: a message may have tens of thousands of both. */
#ifndef SP_BROKER_PART_INDEX_H
#define SP_BROKER_PART_INDEX_H

#include "spool-broker/queue/message.h"

struct indexed_part {
	UT_hash_handle hh; /* by destination */
	struct part *part; /* borrowed */
	bool left;	   /* for the caller */
};

struct part_index {
	struct indexed_part *by_kind[2]; /* owner: hashes; LOCAL, REMOTE */
	struct indexed_part check;	 /* part NULL: the message has no CHECK part */
};

void part_index_init(struct part_index *x, const struct message *m);
void part_index_fini(struct part_index *x);
void part_index_add(struct part_index *x, struct part *p);
/* The part that serves this recipient while it is queued; NULL: there is none. */
struct indexed_part *part_index_find(struct part_index *x, const Stagepost__Recipient *r);
/* Takes the part out of the index before it is freed; was `left` set? false: it is
 * not in the index, since it belongs to a report. */
bool part_index_take(struct part_index *x, const struct part *p);

#endif
