/* How late a loop is: an idle one hardly, a blocked one by as long as it was blocked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "lib/base/clock.h"
#include "lib/service/lag.h"

static long
value_of(const struct lag *l, const char *line)
{
	struct buf text = BUF_EMPTY;
	const char *at;
	long value;

	lag_render(l, &text);
	at = strstr(text.data, line);
	assert_non_null(at);
	value = strtol(at + strlen(line), NULL, 10);
	buf_fini(&text);
	return value;
}

static void
turn_ms(struct event_base *base, int64_t ms)
{
	struct timeval wait = clock_timeval(ms);

	event_base_loopexit(base, &wait);
	event_base_dispatch(base);
}

static void
test_lag(void **state)
{
	struct event_base *base = event_base_new();
	struct lag *l = lag_new(base);
	long late;

	(void)state;
	turn_ms(base, 500);
	assert_in_range(value_of(l, "\nstagepost_loop_lag_ms_count "), 2, 10);
	late = value_of(l, "_bucket{le=\"+Inf\"} ") - value_of(l, "_bucket{le=\"200\"} ");
	usleep(400000);
	turn_ms(base, 100);
	/* It was due within 50 ms of the beginning. */
	assert_int_equal(value_of(l, "_bucket{le=\"+Inf\"} ") - value_of(l, "_bucket{le=\"200\"} "), late + 1);
	assert_true(lag_longest_ms(l) >= 340);
	assert_int_equal(value_of(l, "\nstagepost_loop_lag_longest_ms "), lag_longest_ms(l));
	lag_free(&l);
	assert_null(l);
	event_base_free(base);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_lag)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
