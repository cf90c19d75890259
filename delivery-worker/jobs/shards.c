#include "delivery-worker/jobs/shards.h"

#include <utlist.h>

#include "lib/spool/id.h"

static bool
shards_have(const char *id, const Stagepost__ShardsTaken *taken)
{
	unsigned shard;

	if (!spool_id_parse(str_c(id), &shard, NULL))
		return false;
	for (size_t i = 0; i < taken->n_shards; i++)
		if (taken->shards[i] == shard)
			return true;
	return false;
}

/* Jobs in progress belong to the asking broker from now on. */
static void
shards_name_running(struct job *first, struct bus_peer *asker, const Stagepost__ShardsTaken *taken, struct arena *arena,
		    Stagepost__JobRenew *renew)
{
	struct job *job;

	DL_FOREACH (first, job) {
		Stagepost__RunningJob *running;

		if (job->disowned || job->msg->kind == STAGEPOST__JOB_KIND__REPORT ||
		    !shards_have(job->msg->envelope->id, taken))
			continue;
		job->peer = asker;
		running = arena_new(arena, Stagepost__RunningJob);
		stagepost__running_job__init(running);
		running->job = job->msg->job;
		running->kind = job->msg->kind;
		running->id = job->msg->envelope->id;
		running->destination = job->msg->destination;
		running->recipients = job->msg->recipients;
		running->n_recipients = job->msg->n_recipients;
		renew->running[renew->n_running++] = running;
	}
}

void
shards_answer(const struct givers *g, struct job *running, const struct ended_list *ended, struct bus_peer *asker,
	      const Stagepost__ShardsTaken *taken)
{
	Stagepost__JobRenew renew = STAGEPOST__JOB_RENEW__INIT;
	Stagepost__Frame answer = STAGEPOST__FRAME__INIT;
	unsigned count = 0;
	struct arena arena;
	struct ended *e;
	struct job *job;

	arena_init(&arena);
	DL_COUNT(running, job, count);
	renew.running = arena_array(&arena, Stagepost__RunningJob *, count + ended->count + 1);
	shards_name_running(running, asker, taken, &arena, &renew);
	DL_FOREACH (ended->first, e)
		if (shards_have(e->job.id, taken))
			renew.running[renew.n_running++] = &e->job;
	answer.body_case = STAGEPOST__FRAME__BODY_JOB_RENEW;
	answer.job_renew = &renew;
	renew.shards = taken->shards;
	renew.n_shards = taken->n_shards;
	givers_send(g, asker, &answer);
	DL_FOREACH (ended->first, e)
		if (shards_have(e->job.id, taken))
			givers_send_packed(g, asker, &e->frame);
	arena_fini(&arena);
}
