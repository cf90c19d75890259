/* Results that are kept for a while. */
#include "delivery-worker/jobs/ended.h"

#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"

enum {
	KEPT_MS = 60000, /* longer than a shard takes to get its next owner and to be read */
	COUNT_MAX = 20000,
};

static void
ended_drop(struct ended_list *l, struct ended *e)
{
	DL_DELETE(l->first, e);
	l->count--;
	mem_free(e->job.id);
	mem_free(e->job.destination);
	buf_fini(&e->frame);
	mem_free(e);
}

void
ended_keep(struct ended_list *l, const Stagepost__Job *job, const Stagepost__Frame *done)
{
	int64_t now_ms = clock_monotonic_ms();
	struct ended *e = mem_new(struct ended);

	while (l->first != NULL && (l->first->until_ms <= now_ms || l->count >= COUNT_MAX))
		ended_drop(l, l->first);
	stagepost__running_job__init(&e->job);
	e->job.job = job->job;
	e->job.kind = job->kind;
	e->job.id = mem_strdup(job->envelope->id);
	e->job.destination = mem_strdup(job->destination);
	e->until_ms = now_ms + KEPT_MS;
	bus_frame_pack(done, &e->frame);
	DL_APPEND(l->first, e);
	l->count++;
}

void
ended_free(struct ended_list *l)
{
	while (l->first != NULL)
		ended_drop(l, l->first);
}
