#include "lib/base/op.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct owner {
	struct op op;
	unsigned ended, turns;
};

static void
on_end(struct op *op)
{
	OP_OWNER(op, struct owner, op)->ended++;
}

static void
on_turn(struct op *op)
{
	OP_OWNER(op, struct owner, op)->turns++;
}

static struct event_base *loop;

static void
on_turn_again(struct op *op)
{
	if (++OP_OWNER(op, struct owner, op)->turns < 5)
		op_later(op, loop, on_turn_again);
}

static void
test_answers_before_the_end(void **state)
{
	struct owner o = {0};

	(void)state;
	op_init(&o.op, on_end);
	op_hold(&o.op);
	op_hold(&o.op);
	assert_true(op_waits(&o.op));
	assert_true(op_back(&o.op));
	assert_true(op_back(&o.op));
	assert_false(op_waits(&o.op));
	assert_int_equal(o.ended, 0);
	op_cancel(&o.op);
	assert_int_equal(o.ended, 1);
}

/* The memory stays until the last answer has come, and nothing acts on a cancelled operation. */
static void
test_answers_behind_the_end(void **state)
{
	struct owner o = {0};
	char *text;

	(void)state;
	op_init(&o.op, on_end);
	text = arena_strdup(&o.op.arena, "stays");
	op_hold(&o.op);
	op_hold(&o.op);
	op_cancel(&o.op);
	assert_int_equal(o.ended, 0);
	assert_string_equal(text, "stays");
	assert_false(op_back(&o.op));
	assert_int_equal(o.ended, 0);
	assert_false(op_back(&o.op));
	assert_int_equal(o.ended, 1);
}

static void
test_turns_of_the_loop(void **state)
{
	struct event_base *base = event_base_new();
	struct owner o = {0};

	(void)state;
	op_init(&o.op, on_end);
	op_later(&o.op, base, on_turn);
	assert_int_equal(o.turns, 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(o.turns, 1);

	op_later(&o.op, base, on_turn);
	op_cancel(&o.op);
	assert_int_equal(o.ended, 0);
	event_base_loop(base, EVLOOP_NONBLOCK);
	assert_int_equal(o.turns, 1);
	assert_int_equal(o.ended, 1);
	event_base_free(base);
}

/* Long work comes back once each time that the loop has looked for input. */
static void
test_a_turn_is_given(void **state)
{
	struct owner first = {0}, second = {0};

	(void)state;
	loop = event_base_new();
	op_init(&first.op, on_end);
	op_init(&second.op, on_end);
	op_later(&first.op, loop, on_turn_again);
	op_later(&second.op, loop, on_turn_again);
	for (unsigned looks = 1; looks <= 5; looks++) {
		event_base_loop(loop, EVLOOP_ONCE);
		assert_int_equal(first.turns, looks);
		assert_int_equal(second.turns, looks);
	}
	assert_int_equal(event_base_loop(loop, EVLOOP_ONCE), 1); /* nothing is left */
	event_base_free(loop);
}

/* The same work makes the same slices, on a machine that is quick enough. */
static void
test_slices(void **state)
{
	struct owner o = {0};
	struct slice *s = &o.op.slice;
	unsigned steps = 0;

	(void)state;
	op_init(&o.op, on_end);
	assert_false(slice_spend(s, 1));
	while (!slice_spend(s, SLICE_LOOK / 2))
		steps++;
	assert_true(steps < SLICE_WORK / (SLICE_LOOK / 2));
	assert_true(slice_spend(s, 1));
	op_hold(&o.op);
	assert_true(op_back(&o.op));
	assert_false(slice_spend(s, 1));
	assert_true(slice_spend(s, SLICE_WORK));
	op_cancel(&o.op);
}

/* What was counted as too little ends by the clock. */
static void
test_slow_work(void **state)
{
	struct slice s = {0};
	unsigned steps = 0;

	(void)state;
	slice_spend(&s, 1);
	s.began_us -= SLICE_US;
	while (!slice_spend(&s, 1))
		steps++;
	assert_int_equal(steps, SLICE_LOOK - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_before_the_end),
		cmocka_unit_test(test_answers_behind_the_end),
		cmocka_unit_test(test_turns_of_the_loop),
		cmocka_unit_test(test_a_turn_is_given),
		cmocka_unit_test(test_slices),
		cmocka_unit_test(test_slow_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
