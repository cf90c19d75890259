/* Replies come in the order in which they were asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "delivery-worker/remote/awaited.h"

static void
test_order(void **state)
{
	struct awaited a = {0};

	(void)state;
	assert_null(awaited_name(&a));
	/* Taken now and then, so that the list begins anew, and grows. */
	for (unsigned round = 1, given = 0, taken = 0; round < 60; round++) {
		for (unsigned i = 0; i < round; i++)
			awaited_add(&a, STEP_RCPT, given++);
		assert_int_equal(awaited_count(&a), given - taken);
		assert_string_equal(awaited_name(&a), "RCPT");
		while (awaited_count(&a) > round % 7)
			assert_int_equal(awaited_take(&a).rcpt, taken++);
	}
	awaited_fini(&a);
	assert_int_equal(awaited_count(&a), 0);
}

/* A server that has the message is given ten minutes, unless others have more. */
static void
test_timeout(void **state)
{
	struct awaited a = {0};

	(void)state;
	awaited_add(&a, STEP_DATA, 0);
	awaited_add(&a, STEP_END, 0);
	assert_int_equal(awaited_timeout(&a, 1000), 1000);
	assert_int_equal(awaited_take(&a).step, STEP_DATA);
	assert_string_equal(awaited_name(&a), "end of data");
	assert_int_equal(awaited_timeout(&a, 1000), 600000);
	assert_int_equal(awaited_timeout(&a, 700000), 700000);
	assert_int_equal(awaited_take(&a).step, STEP_END);
	assert_int_equal(awaited_timeout(&a, 1000), 1000);
	awaited_fini(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_timeout),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
