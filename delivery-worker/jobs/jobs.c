/* The table of jobs in progress: taken, started when there is a slot, ended. */
#include "delivery-worker/jobs/jobs.h"

#include <string.h>
#include <utlist.h>

#include "delivery-worker/jobs/credit.h"
#include "delivery-worker/jobs/done.h"
#include "delivery-worker/jobs/leases.h"
#include "delivery-worker/jobs/shards.h"
#include "delivery-worker/jobs/store_watch.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"

struct jobs {
	struct worker *worker; /* borrowed */
	struct job *running;   /* owner of each, including those that wait */
	unsigned waiting;      /* those that wait for a slot */
	bool beginning;
	struct givers givers;
	struct credit credit;
	struct leases leases;
	struct ended_list ended;
	struct store_watch store;
	bool draining;
	void (*on_empty)(void *arg);
	void *on_empty_arg;
};

/* ---- Beginning ---- */
static void
jobs_begin(struct jobs *j, struct job *job)
{
	if (job->waits)
		j->waiting--;
	job->waits = false;
	job->started_ms = clock_monotonic_ms();
	credit_begin(&j->credit, job->kind);
	CRASHPOINT("job-received");
	job->kind->start(job);
}

static struct job *
jobs_next_waiting(const struct jobs *j)
{
	struct job *job = j->waiting != 0 ? j->running : NULL;

	while (job != NULL && !(job->waits && credit_has_slot(&j->credit, job->kind)))
		job = job->next;
	return job;
}

static void
jobs_begin_waiting(struct jobs *j)
{
	struct job *job;

	if (j->beginning)
		return; /* one that ended as soon as it started; the loop goes on */
	j->beginning = true;
	while (!j->store.cut_off && (job = jobs_next_waiting(j)) != NULL)
		jobs_begin(j, job);
	j->beginning = false;
}

/* There may be more slots, or fewer. */
static void
jobs_update(void *arg)
{
	struct jobs *j = arg;

	credit_update(&j->credit);
	jobs_begin_waiting(j);
}

static void
jobs_on_settings(void *arg, const struct settings *s)
{
	(void)s;
	jobs_update(arg);
}

/* ---- The store ----
 * Without it a worker fails each job at once, and is therefore always free. So
 * it takes no jobs while it is cut off, and returns those that it has not
 * started. */
static void
jobs_give_back_waiting(struct jobs *j)
{
	struct err err;
	struct job *job, *next;

	err_set(&err, ERR_UNAVAILABLE, "the store cannot be reached");
	j->beginning = true; /* a job that ends makes no room for another */
	DL_FOREACH_SAFE (j->running, job, next) {
		if (!job->waits)
			continue;
		job_postpone_rest(job, &err);
		job_finish(job);
	}
	j->beginning = false;
}

static void
jobs_on_store(void *arg, bool cut_off)
{
	struct jobs *j = arg;

	credit_set_cut_off(&j->credit, cut_off);
	log_info(NULL, cut_off ? "no jobs are taken while the store is away" : "the store is available: taking jobs");
	jobs_update(j);
	if (cut_off)
		jobs_give_back_waiting(j);
}

/* ---- Taking ---- */
static struct job *
jobs_find(struct jobs *j, const struct bus_peer *peer, uint64_t number)
{
	struct job *job;

	DL_FOREACH (j->running, job) {
		if (job->peer == peer && job->msg->job == number)
			return job;
	}
	return NULL;
}

static void
jobs_on_job(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	const struct job_kind *kind = job_kind_find(frame->job->kind);
	struct job *job;

	if (kind == NULL || (job = job_new(j->worker, kind, peer, frame->job)) == NULL) {
		/* Its lease runs out; that tells the broker. */
		log_error(NULL, "job not understood", F_C("broker", bus_peer_id(peer)), F_ID("job", frame->job->job),
			  F_I64("kind", frame->job->kind));
		return;
	}
	DL_APPEND(j->running, job);
	leases_add(&j->leases, job);
	log_debug(&job->log, "job taken", F_C("kind", kind->name), F_I64("attempt", job->msg->attempt),
		  F_I64("recipients", job->msg->n_recipients));
	if (!j->store.cut_off && credit_has_slot(&j->credit, kind)) {
		jobs_begin(j, job);
		return;
	}
	job->waits = true;
	j->waiting++;
	if (j->store.cut_off)
		jobs_give_back_waiting(j);
}

/* No report is needed any more. May end the job. */
static void
jobs_disown(struct job *job)
{
	job->peer = NULL;
	job->disowned = true;
	if (job->waits)
		job_finish(job);
	else if (job->kind->stop != NULL)
		job->kind->stop(job);
}

static void
jobs_on_revoked(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	for (size_t i = 0; i < frame->job_revoked->n_jobs; i++) {
		struct job *job = jobs_find(j, peer, frame->job_revoked->jobs[i]);

		if (job == NULL)
			continue;
		log_info(&job->log, "job revoked by its broker");
		jobs_disown(job);
	}
}

static void
jobs_on_shards_taken(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	shards_answer(&j->givers, j->running, &j->ended, peer, frame->shards_taken);
}

/* ---- The bus ---- */
static const struct {
	Stagepost__Frame__BodyCase body;
	void (*handle)(struct jobs *j, struct bus_peer *peer, const Stagepost__Frame *frame);
} jobs_frame_handlers[] = {
	{STAGEPOST__FRAME__BODY_JOB, jobs_on_job},
	{STAGEPOST__FRAME__BODY_JOB_REVOKED, jobs_on_revoked},
	{STAGEPOST__FRAME__BODY_SHARDS_TAKEN, jobs_on_shards_taken},
};

static void
jobs_on_frame(void *arg, struct bus_peer *peer, const Stagepost__Frame *frame)
{
	for (size_t i = 0; i < sizeof(jobs_frame_handlers) / sizeof(jobs_frame_handlers[0]); i++) {
		if (jobs_frame_handlers[i].body == frame->body_case) {
			jobs_frame_handlers[i].handle(arg, peer, frame);
			return;
		}
	}
	log_debug(NULL, "frame ignored", F_C("frame", bus_frame_name(frame)));
}

static void
jobs_on_peer(void *arg, struct bus_peer *peer)
{
	struct jobs *j = arg;

	givers_add(&j->givers, peer);
	credit_tell(&j->credit);
}

static void
jobs_on_peer_lost(void *arg, struct bus_peer *peer)
{
	struct jobs *j = arg;
	struct job *job;
	unsigned orphans = 0;

	givers_remove(&j->givers, peer);
	DL_FOREACH (j->running, job) {
		if (job->peer != peer)
			continue;
		job->peer = NULL;
		orphans++;
	}
	if (orphans > 0)
		log_warning(NULL, "broker lost; its jobs continue", F_I64("jobs", orphans));
	credit_tell(&j->credit);
}

/* ---- Life ---- */
struct jobs *
jobs_new(struct worker *w)
{
	static const struct bus_events events = {jobs_on_peer, jobs_on_peer_lost, jobs_on_frame};
	struct jobs *j = mem_new(struct jobs);

	j->worker = w;
	givers_init(&j->givers, w);
	credit_init(&j->credit, w, &j->givers, jobs_update, j);
	leases_init(&j->leases, w->base, &j->givers, &j->running);
	store_watch_init(&j->store, w->base, w->redis, jobs_on_store, j);
	credit_set_cut_off(&j->credit, j->store.cut_off);
	credit_tell(&j->credit);
	settings_live_watch(w->settings, jobs_on_settings, j);
	bus_client_watch(w->bus, &events, j);
	return j;
}

void
jobs_free(struct jobs **j)
{
	if (*j == NULL)
		return;
	CHECK((*j)->running == NULL);
	ended_free(&(*j)->ended);
	credit_fini(&(*j)->credit);
	leases_fini(&(*j)->leases);
	givers_fini(&(*j)->givers);
	store_watch_fini(&(*j)->store);
	mem_free(*j);
	*j = NULL;
}

/* Only once; a broker may still send a job that crossed our goodbye. */
static void
jobs_tell_if_empty(struct jobs *j)
{
	void (*on_empty)(void *arg) = j->on_empty;

	if (!j->draining || j->running != NULL || on_empty == NULL)
		return;
	j->on_empty = NULL;
	on_empty(j->on_empty_arg);
}

void
jobs_drain(struct jobs *j, void (*on_empty)(void *arg), void *arg)
{
	j->draining = true;
	j->on_empty = on_empty;
	j->on_empty_arg = arg;
	credit_set_draining(&j->credit);
	credit_tell(&j->credit);
	jobs_tell_if_empty(j);
}

bool
jobs_are_none(const struct jobs *j)
{
	return j->running == NULL;
}

void
jobs_count(const struct jobs *j, Stagepost__JobKind kind, struct jobs_count *count_out)
{
	const struct job_kind *k = job_kind_find(kind);
	const struct credit_kind *credit;

	memset(count_out, 0, sizeof(*count_out));
	if (k == NULL)
		return;
	credit = &j->credit.kinds[job_kind_index(k)];
	count_out->running = credit->running;
	count_out->slots = credit->slots;
	count_out->rests = j->store.cut_off || credit->health.rests != 0;
	count_out->done = credit->done;
}

/* ---- The end ---- */
void
job_finish(struct job *job)
{
	struct jobs *j = job->worker->jobs;

	job_result_rest(job, STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED, "4.3.0", STR("not served"));
	done_tell(&j->givers, &j->ended, job);
	DL_DELETE(j->running, job);
	if (job->waits)
		j->waiting--;
	else
		credit_end(&j->credit, job);
	job_free(job);
	jobs_begin_waiting(j);
	jobs_tell_if_empty(j);
}
