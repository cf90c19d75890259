#include "delivery-worker/jobs/leases.h"

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"

#define RENEW_MIN_MS 100
#define RENEW_MAX_MS 10000

static int64_t
leases_interval(const struct leases *l)
{
	int64_t shortest = RENEW_MAX_MS;
	struct job *job;

	DL_FOREACH (*l->running, job) {
		if (job->msg->lease_ms / 3 < shortest)
			shortest = job->msg->lease_ms / 3;
	}
	return shortest > RENEW_MIN_MS ? shortest : RENEW_MIN_MS;
}

static void
leases_renew_for(struct leases *l, struct bus_peer *peer)
{
	Stagepost__JobRenew renew = STAGEPOST__JOB_RENEW__INIT;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	unsigned count = 0;
	struct job *job;

	DL_COUNT(*l->running, job, count);
	renew.jobs = mem_alloc(sizeof(*renew.jobs) * (count + 1));
	DL_FOREACH (*l->running, job) {
		if (job->peer == peer)
			renew.jobs[renew.n_jobs++] = job->msg->job;
	}
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_RENEW;
	frame.job_renew = &renew;
	if (renew.n_jobs > 0)
		givers_send(l->givers, peer, &frame);
	mem_free(renew.jobs);
}

static void
leases_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct leases *l = arg;
	struct timeval interval;

	(void)fd;
	(void)what;
	for (const struct giver *g = l->givers->first; g != NULL; g = g->next)
		leases_renew_for(l, g->peer);
	if (*l->running == NULL)
		return;
	interval = clock_timeval(leases_interval(l));
	event_add(l->timer, &interval);
}

void
leases_add(struct leases *l, const struct job *job)
{
	int64_t third = job->msg->lease_ms / 3;
	struct timeval interval = clock_timeval(third > RENEW_MIN_MS ? third : RENEW_MIN_MS);
	struct timeval due, now;

	if (event_pending(l->timer, EV_TIMEOUT, &due)) {
		evutil_gettimeofday(&now, NULL);
		evutil_timeradd(&now, &interval, &now);
		if (!evutil_timercmp(&now, &due, <))
			return;
	}
	event_add(l->timer, &interval);
}

void
leases_init(struct leases *l, struct event_base *base, const struct givers *givers, struct job *const *running)
{
	*l = (struct leases){.givers = givers, .running = running};
	l->timer = evtimer_new(base, leases_on_timer, l);
}

void
leases_fini(struct leases *l)
{
	event_free(l->timer);
}
