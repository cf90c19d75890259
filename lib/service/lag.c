/* How late the event loop is. */
#include "lib/service/lag.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* Twenty checks per second have no measurable cost, and anything that blocks
 * the loop for longer than an interval is certain to be seen. */
enum { LOOK_MS = 50, HALF_MS = 30000, BOUNDS = 11 };

static const int lag_bounds_ms[BOUNDS] = {1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000};

struct lag {
	struct event *look; /* owner */
	int64_t due_us;	    /* monotonic: when the timer is due */
	uint64_t counts[BOUNDS + 1];
	uint64_t count, sum_us;
	int64_t half_began_ms;	       /* monotonic */
	int64_t longest_us, before_us; /* in this half minute, and in the previous one */
};

static void
lag_note(struct lag *l, int64_t late_us)
{
	int64_t now_ms = clock_monotonic_ms();
	unsigned i = 0;

	if (now_ms - l->half_began_ms > HALF_MS) {
		l->before_us = now_ms - l->half_began_ms > 2 * HALF_MS ? 0 : l->longest_us;
		l->longest_us = 0;
		l->half_began_ms = now_ms;
	}
	while (i < BOUNDS && late_us > (int64_t)lag_bounds_ms[i] * 1000)
		i++;
	l->counts[i]++;
	l->count++;
	l->sum_us += (uint64_t)late_us;
	if (late_us > l->longest_us)
		l->longest_us = late_us;
}

static void
lag_wait(struct lag *l)
{
	struct timeval wait = clock_timeval(LOOK_MS);

	l->due_us = clock_monotonic_us() + LOOK_MS * 1000;
	event_add(l->look, &wait);
}

static void
lag_on_look(evutil_socket_t fd, short what, void *arg)
{
	struct lag *l = arg;
	int64_t late_us = clock_monotonic_us() - l->due_us;

	(void)fd, (void)what;
	lag_note(l, late_us > 0 ? late_us : 0);
	lag_wait(l);
}

struct lag *
lag_new(struct event_base *base)
{
	struct lag *l = mem_new(struct lag);

	l->look = evtimer_new(base, lag_on_look, l);
	l->half_began_ms = clock_monotonic_ms();
	lag_wait(l);
	return l;
}

void
lag_free(struct lag **l)
{
	if (*l == NULL)
		return;
	event_free((*l)->look);
	mem_free(*l);
	*l = NULL;
}

int64_t
lag_longest_ms(const struct lag *l)
{
	return (l->longest_us > l->before_us ? l->longest_us : l->before_us) / 1000;
}

void
lag_render(const struct lag *l, struct buf *out)
{
	uint64_t below = 0;

	buf_printf(out, "# HELP stagepost_loop_lag_ms Delay of the event loop behind its timers\n"
			"# TYPE stagepost_loop_lag_ms histogram\n");
	for (unsigned i = 0; i < BOUNDS; i++) {
		below += l->counts[i];
		buf_printf(out, "stagepost_loop_lag_ms_bucket{le=\"%d\"} %llu\n", lag_bounds_ms[i],
			   (unsigned long long)below);
	}
	buf_printf(out,
		   "stagepost_loop_lag_ms_bucket{le=\"+Inf\"} %llu\nstagepost_loop_lag_ms_sum %.3f\n"
		   "stagepost_loop_lag_ms_count %llu\n"
		   "# HELP stagepost_loop_lag_longest_ms Longest delay of the last minute\n"
		   "# TYPE stagepost_loop_lag_longest_ms gauge\nstagepost_loop_lag_longest_ms %lld\n",
		   (unsigned long long)l->count, (double)l->sum_us / 1000, (unsigned long long)l->count,
		   (long long)lag_longest_ms(l));
}
