/* An operation that waits: for answers of the store, for a turn of the loop.
 *
 * Whoever starts work that calls back embeds one: a session for the command in
 * hand, a maildrop, a call of the mailbox store. Its arena lives until nothing
 * can come back any more, so what a callback finds there is always valid.
 *
 *	op_hold(op);                         for each answer that is due
 *	store_ask(store, ..., on_answer, op);
 *
 *	on_answer(...)
 *		if (!op_back(op))
 *			return;              nobody waits for it any more
 *
 * Its owner ends it by op_cancel(): answers may still come, op_back() then
 * says false, and after the last one on_end is called. */
#ifndef SP_BASE_OP_H
#define SP_BASE_OP_H

#include <event2/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "lib/base/arena.h"
#include "lib/base/slice.h"

struct op;
typedef void op_run(struct op *op);

struct op {
	struct arena arena;
	unsigned holds; /* answers due */
	bool cancelled;
	op_run *on_end; /* may be NULL: the memory is the owner's */
	/* Of its work since it came back from the loop. */
	struct slice slice;
};

/* on_end: cancelled, and no answer is due any more; the arena is empty then.
 * It may free op. */
void op_init(struct op *op, op_run *on_end);
/* An answer is due. */
void op_hold(struct op *op);
/* It has come, and a slice begins. False: the operation was cancelled; do nothing
 * more, op may be gone. */
bool op_back(struct op *op);
/* Nobody waits any more. May call on_end from within. Not twice. */
void op_cancel(struct op *op);
/* Runs at the loop's next turn, unless it was cancelled before: for slices of
 * long work (lib/base/slice.h). Whatever has come meanwhile has its turn first. */
void op_later(struct op *op, struct event_base *base, op_run *run);

/* What op is a member of. */
#define OP_OWNER(op, type, member) ((type *)(void *)((char *)(op)-offsetof(type, member)))

/* Answers are due. */
static inline bool
op_waits(const struct op *op)
{
	return op->holds != 0;
}

#endif
