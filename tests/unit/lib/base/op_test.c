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

/* The memory stays until the last answer has come, and nobody acts on it. */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_answers_before_the_end),
		cmocka_unit_test(test_answers_behind_the_end),
		cmocka_unit_test(test_turns_of_the_loop),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
