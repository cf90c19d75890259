/* Time. Wall-clock time is for records and people, monotonic time for
 * deadlines. The two are never mixed. */
#ifndef SP_BASE_CLOCK_H
#define SP_BASE_CLOCK_H

#include <stdint.h>
#include <sys/time.h>

int64_t clock_unix_ms(void);	  /* wall clock, since 1970 UTC */
int64_t clock_monotonic_ms(void); /* since some start; never goes back */
int64_t clock_monotonic_us(void);

/* For libevent's timers. */
static inline struct timeval
clock_timeval(int64_t ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

/* Both replace an instant outside the years 1900 to 9999 (UTC) with the nearest
 * one inside: other years do not have four digits, or are not allowed.
 *
 * RFC 5322 date-time in local time, e.g. "Mon, 23 Nov 2026 16:10:01 +0000".
 * size at least 40. */
#define CLOCK_RFC5322_MAX 40
void clock_rfc5322(int64_t unix_ms, char *out, unsigned size);
/* "2026-11-23T16:10:01.123Z". size at least 30. */
#define CLOCK_ISO8601_MAX 30
void clock_iso8601(int64_t unix_ms, char *out, unsigned size);

#endif
