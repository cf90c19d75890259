#include "spool-broker/admin/watchdog.h"

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/spool/writer.h"

static const char *const queue_names[BROKER_KINDS] = {
	[STAGEPOST__JOB_KIND__LOCAL] = "local",
	[STAGEPOST__JOB_KIND__REMOTE] = "remote",
	[STAGEPOST__JOB_KIND__REPORT] = "report",
	[STAGEPOST__JOB_KIND__CHECK] = "check",
};
static const enum metric queue_metrics[BROKER_KINDS] = {
	[STAGEPOST__JOB_KIND__LOCAL] = M_STALLED_LOCAL,
	[STAGEPOST__JOB_KIND__REMOTE] = M_STALLED_REMOTE,
	[STAGEPOST__JOB_KIND__REPORT] = M_STALLED_REPORT,
	[STAGEPOST__JOB_KIND__CHECK] = M_STALLED_CHECK,
};

/* No delivery that makes progress takes longer, except over the slowest of lines. */
enum { LONG_JOB_MS = 30 * 60000 };

struct watchdog *
watchdog_new(void)
{
	return mem_new(struct watchdog);
}

void
watchdog_free(struct watchdog **w)
{
	mem_free(*w);
	*w = NULL;
}

/* True at every check once it has stalled for that long. */
static bool
watchdog_look(struct watch *w, bool still, int64_t limit_ms)
{
	int64_t now_ms = clock_monotonic_ms();

	if (!still)
		w->since_ms = 0;
	else if (w->since_ms == 0)
		w->since_ms = now_ms;
	return still && now_ms - w->since_ms >= limit_ms;
}

/* ---- Queues: something is ready, but nothing is in progress ---- */
static const char *
watchdog_why_not_given(const struct broker *b, unsigned kind)
{
	unsigned live = 0, willing = 0;

	for (const struct worker *w = b->jobs->workers; w != NULL; w = w->hh.next) {
		if (w->lost || w->slots[kind] == 0)
			continue;
		live++;
		willing += w->full_ms <= clock_monotonic_ms() && w->active[kind] < w->slots[kind];
	}
	return live == 0 ? "no worker" : willing == 0 ? "no worker accepts more" : "not assigned";
}

static void
watchdog_look_at_queue(struct broker *b, unsigned kind, int64_t limit_ms)
{
	struct schedule_counts counts = b->ops->counts(b->schedules[kind]);
	struct watch *w = &b->watchdog->queues[kind];
	/* Mail that waits for the next probe of a dead destination is not a stall. */
	bool stalled = watchdog_look(w, counts.ready != 0 && counts.active == 0 && !counts.waits, limit_ms);

	metrics_set(queue_metrics[kind], stalled ? counts.ready : 0);
	if (stalled && !w->told)
		log_warning(NULL, "queue stalled", F_C("queue", queue_names[kind]), F_I64("ready", counts.ready),
			    F_C("reason", watchdog_why_not_given(b, kind)));
	else if (!stalled && w->told)
		log_info(NULL, "queue moves again", F_C("queue", queue_names[kind]));
	w->told = stalled;
}

/* ---- The store: writes that are not answered ---- */
static void
watchdog_look_at_store(struct broker *b, int64_t limit_ms)
{
	struct watch *w = &b->watchdog->store;
	int64_t oldest_ms = 0, now_ms = clock_monotonic_ms();
	unsigned shards = 0;
	bool stalled;

	for (unsigned i = 0; i < b->shards->count; i++) {
		int64_t since_ms = b->shards->list[i].writer.since_ms;

		if (since_ms == 0 || now_ms - since_ms < limit_ms)
			continue;
		shards++;
		if (oldest_ms == 0 || since_ms < oldest_ms)
			oldest_ms = since_ms;
	}
	stalled = shards != 0;
	metrics_set(M_STALLED_SHARDS, shards);
	if (stalled && !w->told)
		log_warning(NULL, "spool writes stalled: the store does not accept them", F_I64("shards", shards),
			    F_I64("ms", now_ms - oldest_ms));
	else if (!stalled && w->told)
		log_info(NULL, "spool writes succeed again");
	w->told = stalled;
}

/* ---- Jobs: the lease is renewed, but the job does not end ---- */
static void
watchdog_look_at_jobs(struct broker *b)
{
	int64_t now_ms = clock_unix_ms(), oldest_ms = 0;

	for (struct job *job = b->jobs->list; job != NULL; job = job->hh.next) {
		int64_t age_ms = now_ms - job->started_ms;
		if (age_ms > oldest_ms)
			oldest_ms = age_ms;
		if (age_ms < LONG_JOB_MS || job->told)
			continue;
		job->told = true;
		log_warning(NULL, "job in progress for a long time", F_C("id", job->part->message->id),
			    F_C("worker", job->worker->name), F_C("destination", part_destination(job->part)),
			    F_I64("ms", age_ms));
	}
	metrics_set(M_JOBS_OLDEST, oldest_ms / 1000);
}

void
watchdog_tick(struct broker *b)
{
	int64_t limit_ms = settings_spool(broker_settings(b), STR_NONE)->stall_after;

	for (unsigned i = 0; i < BROKER_KINDS; i++)
		if (queue_names[i] != NULL)
			watchdog_look_at_queue(b, i, limit_ms);
	watchdog_look_at_store(b, limit_ms);
	watchdog_look_at_jobs(b);
}
