#include "lib/base/op.h"

#include "lib/base/check.h"
#include "lib/base/mem.h"
#include "lib/base/turn.h"

void
op_init(struct op *op, op_run *on_end)
{
	*op = (struct op){.on_end = on_end};
	arena_init(&op->arena);
}

void
op_hold(struct op *op)
{
	CHECK(!op->cancelled);
	op->holds++;
}

static void
op_end_if_idle(struct op *op)
{
	if (!op->cancelled || op->holds != 0)
		return;
	arena_fini(&op->arena);
	if (op->on_end != NULL)
		op->on_end(op);
}

bool
op_back(struct op *op)
{
	bool wanted = !op->cancelled;

	CHECK(op->holds != 0);
	op->holds--;
	slice_begin(&op->slice);
	op_end_if_idle(op);
	return wanted;
}

void
op_cancel(struct op *op)
{
	CHECK(!op->cancelled);
	op->cancelled = true;
	op_end_if_idle(op);
}

/* ---- A turn of the loop ---- */

struct op_turn {
	struct op *op;
	op_run *run;
};

static void
op_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct op_turn turn = *(struct op_turn *)arg;

	(void)fd, (void)what;
	mem_free(arg);
	if (op_back(turn.op))
		turn.run(turn.op);
}

void
op_later(struct op *op, struct event_base *base, op_run *run)
{
	struct op_turn *turn = mem_new(struct op_turn);

	*turn = (struct op_turn){op, run};
	op_hold(op);
	CHECK(event_base_once(base, turn_descriptor(), EV_WRITE, op_on_turn, turn, NULL) == 0);
}
