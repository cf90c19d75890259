/* Reading and formatting time. */
#include "lib/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int64_t
clock_unix_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

int64_t
clock_monotonic_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t
clock_monotonic_ms(void)
{
	return clock_monotonic_us() / 1000;
}

/* The seconds, rounded down, and the remaining 0 to 999 ms. */
static time_t
clock_split(int64_t unix_ms, int *rest_ms_out)
{
	const int64_t year_1900 = INT64_C(-2208988800000), year_10000 = INT64_C(253402300800000);
	int64_t seconds;

	if (unix_ms < year_1900)
		unix_ms = year_1900;
	if (unix_ms >= year_10000)
		unix_ms = year_10000 - 1;
	seconds = (unix_ms - year_1900) / 1000 + year_1900 / 1000;
	*rest_ms_out = (int)(unix_ms - seconds * 1000);
	return (time_t)seconds;
}

void
clock_rfc5322(int64_t unix_ms, char *out, unsigned size)
{
	/* Names are fixed by the RFC, whatever the locale. */
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
					 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	int rest_ms;
	time_t seconds = clock_split(unix_ms, &rest_ms);
	struct tm tm;
	long zone;

	localtime_r(&seconds, &tm);
	zone = labs(tm.tm_gmtoff) / 60;
	snprintf(out, size, "%s, %d %s %d %02d:%02d:%02d %c%02ld%02ld", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
		 tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_gmtoff < 0 ? '-' : '+', zone / 60,
		 zone % 60);
}

void
clock_iso8601(int64_t unix_ms, char *out, unsigned size)
{
	int rest_ms;
	time_t seconds = clock_split(unix_ms, &rest_ms);
	struct tm tm;

	gmtime_r(&seconds, &tm);
	snprintf(out, size, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
		 tm.tm_hour, tm.tm_min, tm.tm_sec, rest_ms);
}
