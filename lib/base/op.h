/* An operation that waits for answers from the store, or for a turn of the
 * loop.
 *
 * Anything that starts work with callbacks embeds one: a session for the
 * current command, a maildrop, a call of the mailbox store. Its arena lives
 * until no callback can come any more, so whatever a callback finds there is
 * valid.
 *
 *	op_hold(op);                         for each answer that is due
 *	store_ask(store, ..., on_answer, op);
 *
 *	on_answer(...)
 *		if (!op_back(op))
 *			return;              nobody waits for it any more
 *
 * The owner ends it with op_cancel(). Answers may still come; op_back() then
 * returns false, and after the last one on_end is called. */
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
	op_run *on_end; /* may be NULL: the owner manages the memory */
	/* Work done since the last return from the loop. */
	struct slice slice;
};

/* on_end is called when the operation was cancelled and no answer is due any
 * more. The arena is empty then. It may free op. */
void op_init(struct op *op, op_run *on_end);
/* An answer is due. */
void op_hold(struct op *op);
/* The answer has come, and a slice begins. False: the operation was cancelled; do
 * nothing more, op may be gone. */
bool op_back(struct op *op);
/* Nobody waits for the operation any more. May call on_end from within. Call it once only. */
void op_cancel(struct op *op);
/* Calls run at the loop's next turn, unless the operation is cancelled before: for
 * slices of long work (lib/base/slice.h). Events that have arrived meanwhile are
 * handled first. */
void op_later(struct op *op, struct event_base *base, op_run *run);

/* The structure that contains op. */
#define OP_OWNER(op, type, member) ((type *)(void *)((char *)(op)-offsetof(type, member)))

/* True if answers are due. */
static inline bool
op_waits(const struct op *op)
{
	return op->holds != 0;
}

#endif
