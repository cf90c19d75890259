/* Formatted time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "lib/base/clock.h"

static void
test_iso8601(void **state)
{
	static const struct {
		int64_t unix_ms;
		const char *text;
	} cases[] = {
		{0, "1970-01-01T00:00:00.000Z"},
		{1795450201123, "2026-11-23T16:10:01.123Z"},
		{951782399999, "2000-02-28T23:59:59.999Z"},
		{-1, "1969-12-31T23:59:59.999Z"},
		{-1000, "1969-12-31T23:59:59.000Z"},
		{253402300799999, "9999-12-31T23:59:59.999Z"},
		/* Beyond four digits of a year: the last instant that has them. */
		{253402300800000, "9999-12-31T23:59:59.999Z"},
		{INT64_MAX, "9999-12-31T23:59:59.999Z"},
		{-2208988800000, "1900-01-01T00:00:00.000Z"},
		{-2208988800001, "1900-01-01T00:00:00.000Z"},
		{INT64_MIN, "1900-01-01T00:00:00.000Z"},
	};
	(void)state;
	setenv("TZ", "Asia/Kathmandu", 1); /* plays no part */
	tzset();
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[CLOCK_ISO8601_MAX];
		clock_iso8601(cases[i].unix_ms, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

static void
test_rfc5322(void **state)
{
	static const struct {
		const char *zone; /* POSIX: hours west of Greenwich */
		int64_t unix_ms;
		const char *text;
	} cases[] = {
		{"UTC0", 1795450201123, "Mon, 23 Nov 2026 16:10:01 +0000"},
		{"XXX-5:45", 1795450201123, "Mon, 23 Nov 2026 21:55:01 +0545"},
		{"XXX3:30", 1795450201123, "Mon, 23 Nov 2026 12:40:01 -0330"},
		{"UTC0", 1772323200000, "Sun, 1 Mar 2026 00:00:00 +0000"},
		{"UTC0", 0, "Thu, 1 Jan 1970 00:00:00 +0000"},
		{"UTC0", -1, "Wed, 31 Dec 1969 23:59:59 +0000"},
		{"UTC0", INT64_MAX, "Fri, 31 Dec 9999 23:59:59 +0000"},
		{"UTC0", INT64_MIN, "Mon, 1 Jan 1900 00:00:00 +0000"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[CLOCK_RFC5322_MAX];
		setenv("TZ", cases[i].zone, 1);
		tzset();
		clock_rfc5322(cases[i].unix_ms, text, sizeof(text));
		assert_string_equal(text, cases[i].text);
	}
}

static void
test_now(void **state)
{
	int64_t before = clock_monotonic_us(), wall = clock_unix_ms();

	(void)state;
	usleep(2000);
	assert_true(clock_monotonic_us() >= before + 2000);
	assert_true(clock_monotonic_ms() >= before / 1000);
	assert_true(wall / 1000 - time(NULL) <= 1 && time(NULL) - wall / 1000 <= 1);
}

static void
test_timeval(void **state)
{
	static const struct {
		int64_t ms;
		long seconds, microseconds;
	} cases[] = {{0, 0, 0}, {1, 0, 1000}, {999, 0, 999000}, {1000, 1, 0}, {61001, 61, 1000}};

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct timeval tv = clock_timeval(cases[i].ms);
		assert_int_equal(tv.tv_sec, cases[i].seconds);
		assert_int_equal(tv.tv_usec, cases[i].microseconds);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_iso8601),
		cmocka_unit_test(test_rfc5322),
		cmocka_unit_test(test_now),
		cmocka_unit_test(test_timeval),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
