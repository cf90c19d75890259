/* The table of jobs: created, returned to the queue, dropped with their shard. */
#include "spool-broker/jobs/jobs.h"

#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"

enum {
	DEPARTED_MS = 30000 /* longer than a shard takes to get its next owner and to be read */
};

int64_t
jobs_lease_ms(const struct broker *b)
{
	return settings_spool(broker_settings(b), STR_NONE)->job_lease;
}

/* ---- The table of jobs ---- */
struct jobs *
jobs_new(uint64_t first)
{
	struct jobs *jobs = mem_new(struct jobs);

	jobs->next_number = first;
	return jobs;
}

struct job *
job_find(struct broker *b, uint64_t number)
{
	struct job *job = NULL;

	HASH_FIND(hh, b->jobs->list, &number, sizeof(number), job);
	return job;
}

struct job *
job_new(struct broker *b, struct part *p, struct worker *w, uint64_t number)
{
	struct job *job = mem_new(struct job);

	*job = (struct job){.number = number,
			    .kind = part_kind(p),
			    .part = p,
			    .worker = w,
			    .lease_until_ms = clock_monotonic_ms() + jobs_lease_ms(b),
			    .started_ms = clock_unix_ms()};
	p->job = job;
	p->message->active++;
	p->message->shard->active++;
	w->active[job->kind]++;
	HASH_ADD(hh, b->jobs->list, number, sizeof(job->number), job);
	DL_APPEND2(w->jobs, job, worker_prev, worker_next);
	return job;
}

void
job_free(struct broker *b, struct job *job)
{
	struct message *m = job->part->message;

	CHECKF(m->active != 0 && m->shard->active != 0 && job->worker->active[job->kind] != 0, "%s", m->id);
	job->part->job = NULL;
	m->active--;
	m->shard->active--;
	job->worker->active[job->kind]--;
	DL_DELETE2(job->worker->jobs, job, worker_prev, worker_next);
	HASH_DEL(b->jobs->list, job);
	buf_fini(&job->done);
	mem_free(job);
}

static void
job_forget(struct broker *b, struct job **job)
{
	struct job *gone = *job;
	struct departed_job *departed = NULL;

	HASH_FIND(hh, b->jobs->departed, &gone->number, sizeof(gone->number), departed);
	if (gone->sent && departed == NULL) {
		departed = mem_new(struct departed_job);
		departed->number = gone->number;
		departed->until_ms = clock_monotonic_ms() + DEPARTED_MS;
		HASH_ADD(hh, b->jobs->departed, number, sizeof(departed->number), departed);
	}
	job_free(b, gone); /* sets the part's pointer to NULL */
}

void
jobs_on_forgotten(struct shard *s)
{
	struct broker *b = s->broker;
	struct message *m, *next;

	HASH_ITER (hh, s->messages, m, next) {
		for (struct part *p = m->parts; p != NULL; p = p->next) {
			struct schedule *schedule;
			const struct schedule_ops *ops = part_schedule(b, p, &schedule);
			if (p->job == NULL)
				continue;
			job_forget(b, &p->job);
			ops->end(schedule, p, TRY_UNKNOWN, NULL, 0, clock_unix_ms());
		}
		message_free(b, &m);
	}
	CHECKF(s->active == 0, "shard %u has %u active", s->number, s->active);
}

void
jobs_forget_departed(struct broker *b, int64_t until_ms)
{
	struct departed_job *d;

	/* In order of arrival. */
	while ((d = b->jobs->departed) != NULL && d->until_ms <= until_ms) {
		HASH_DEL(b->jobs->departed, d);
		mem_free(d);
	}
}

/* The job is lost; nobody knows how far it got. */
void
job_return(struct broker *b, struct job *job, bool was_given, int64_t wait_ms)
{
	struct part *p = job->part;
	struct message *m = p->message;
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);
	int64_t now_ms = clock_unix_ms();

	job_free(b, job);
	ops->end(s, p, TRY_UNKNOWN, NULL, 0, now_ms);
	if (was_given) {
		p->recheck = true;
		if (p->kind == STAGEPOST__JOB_KIND__LOCAL)
			message_set_uncertain(m);
	}
	if ((m->flags & MESSAGE_DELETED) != 0 && m->work != NULL)
		parts_delete(b, m, STR_NONE);
	else
		part_place(b, p, now_ms + wait_ms);
	message_settle(b, m);
}

void
jobs_free(struct broker *b)
{
	struct worker *w, *next;

	CHECK(b->jobs->list == NULL);
	jobs_forget_departed(b, INT64_MAX);
	HASH_ITER (hh, b->jobs->workers, w, next) {
		HASH_DEL(b->jobs->workers, w);
		mem_free(w);
	}
	mem_free(b->jobs);
	b->jobs = NULL;
}
