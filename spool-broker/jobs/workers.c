/* Workers: the frames they send, and what happens to their jobs when they fall silent. */
#include "spool-broker/jobs/workers.h"

#include <string.h>
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "lib/service/metrics.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/jobs/postponed.h"
#include "spool-broker/jobs/results.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/spool/take_over.h"

enum {
	SILENT_MS = 4000,     /* a worker pings twice a second; silent for this long, it is lost */
	FORGOTTEN_MS = 60000, /* it must say hello again */
	WORKERS_MAX = 4096
};

static void
worker_revoke(struct broker *b, struct worker *w, const uint64_t *numbers, size_t count)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__JobRevoked revoked = STAGEPOST__JOB_REVOKED__INIT;

	revoked.jobs = (uint64_t *)(uintptr_t)numbers;
	revoked.n_jobs = count;
	frame.body_case = STAGEPOST__FRAME__BODY_JOB_REVOKED;
	frame.job_revoked = &revoked;
	if (b->bus != NULL)
		bus_server_send(b->bus, str_of(w->peer, w->peer_len), &frame, NULL);
}

static struct worker *
worker_find(struct broker *b, struct str peer)
{
	struct worker *w = NULL;

	HASH_FIND(hh, b->jobs->workers, peer.p, peer.len, w);
	return w;
}

/* Not a job whose message is still being read: no worker has it yet. Nor one
 * whose result has arrived: that result counts. */
static bool
workers_job_is_in_hand(const struct job *job)
{
	return job->sent && job->done.len == 0;
}

static bool
worker_has_jobs(const struct worker *w)
{
	for (const struct job *job = w->jobs; job != NULL; job = job->worker_next)
		if (workers_job_is_in_hand(job))
			return true;
	return false;
}

/* Its jobs go back to the queue. */
static void
worker_lose(struct broker *b, struct worker *w, const char *why)
{
	struct job *job, *next;
	unsigned count = 0;

	w->lost = true;
	DL_FOREACH_SAFE2(w->jobs, job, next, worker_next)
	{
		if (!workers_job_is_in_hand(job))
			continue;
		count++;
		job_return(b, job, true, 0);
	}
	metrics_add(M_JOBS_LOST, count);
	log_warning(NULL, "worker lost", F_C("worker", w->name), F_C("reason", why), F_I64("jobs", count));
	broker_wake(b);
}

void
workers_on_heard(struct broker *b, struct str peer)
{
	struct worker *w = worker_find(b, peer);

	if (w == NULL)
		return;
	w->heard_ms = clock_monotonic_ms();
	if (w->lost) {
		w->lost = false;
		log_info(NULL, "worker is back", F_C("worker", w->name));
		broker_wake(b);
	}
}

void
workers_on_hello(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	const Stagepost__WorkerHello *hello = frame->worker_hello;
	struct worker *w = worker_find(b, peer), *other, *next;

	if (w == NULL) {
		if (HASH_COUNT(b->jobs->workers) >= WORKERS_MAX)
			return;
		w = mem_zalloc(sizeof(*w) + peer.len);
		memcpy(w->peer, peer.p, peer.len);
		w->peer_len = peer.len;
		str_copy(str_c(hello->worker), w->name, sizeof(w->name));
		/* It came back on another connection: what it held is lost. */
		HASH_ITER (hh, b->jobs->workers, other, next)
			if (strcmp(other->name, w->name) == 0 && (!other->lost || worker_has_jobs(other)))
				worker_lose(b, other, "came back without its earlier state");
		HASH_ADD_KEYPTR(hh, b->jobs->workers, w->peer, w->peer_len, w);
		log_info(NULL, "worker joined", F_C("worker", w->name));
	}
	w->heard_ms = clock_monotonic_ms();
	w->takes_own = hello->takes_own;
	memset(w->slots, 0, sizeof(w->slots));
	for (size_t i = 0; i < hello->n_slots; i++)
		if (hello->slots[i] != NULL && (unsigned)hello->slots[i]->kind < BROKER_KINDS)
			w->slots[hello->slots[i]->kind] = hello->slots[i]->slots;
	take_over_ask_worker(b, peer);
	broker_wake(b);
}

static void workers_job_end(struct broker *b, struct job *job, const Stagepost__JobDone *done);

/* Results that arrived before the message was read; while it cannot be read, they wait for the next tick. */
static void
workers_on_adopted(struct broker *b, struct message *m, const struct err *err)
{
	struct part *next;
	struct arena arena;

	arena_init(&arena);
	m->active++;
	for (struct part *p = m->parts; p != NULL; p = next) {
		Stagepost__JobDone *done;
		next = p->next;
		if (p->job == NULL || p->job->done.len == 0)
			continue;
		if (err != NULL && !message_is_missing(err)) {
			p->job->lease_until_ms = clock_monotonic_ms() + jobs_lease_ms(b);
			continue;
		}
		done = bus_message_unpack(&stagepost__job_done__descriptor, buf_str(&p->job->done), &arena);
		if (err != NULL || done == NULL)
			job_return(b, p->job, true, UNREADABLE_MS);
		else
			workers_job_end(b, p->job, done);
	}
	m->active--;
	arena_fini(&arena);
	message_settle(b, m);
}

/* A job that the shard's former owner handed out: it belongs to this broker from now on. */
static void
worker_adopt(struct broker *b, struct worker *w, const Stagepost__RunningJob *running)
{
	struct shard *s = NULL;
	struct message *m;
	unsigned number;

	if (running == NULL || job_find(b, running->job) != NULL || (unsigned)running->kind >= BROKER_KINDS ||
	    running->kind == STAGEPOST__JOB_KIND__REPORT || !spool_id_parse(str_c(running->id), &number, NULL))
		return;
	s = shards_owned(b, number);
	m = s != NULL ? message_find(s, str_c(running->id)) : NULL;
	for (struct part *p = m != NULL ? m->parts : NULL; p != NULL; p = p->next) {
		const char *destination = running->kind == STAGEPOST__JOB_KIND__LOCAL ? "local" : running->destination;
		struct schedule *schedule;
		struct job *job;
		if (part_kind(p) != running->kind || p->state == PART_ACTIVE ||
		    strcmp(part_destination(p), destination) != 0)
			continue;
		part_schedule(b, p, &schedule)->adopt(schedule, p);
		job = job_new(b, p, w, running->job);
		job->sent = true;
		for (size_t i = 0; i < running->n_recipients; i++)
			if (running->recipients[i] >= job->known && running->recipients[i] < RECIPIENTS_MAX)
				job->known = running->recipients[i] + 1;
		log_info(NULL, "job adopted", F_C("id", m->id), F_C("worker", w->name));
		message_with_work(b, m, workers_on_adopted);
		return;
	}
}

void
workers_on_renew(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	const Stagepost__JobRenew *renew = frame->job_renew;
	struct worker *w = worker_find(b, peer);
	uint64_t *unknown = NULL;
	size_t unknown_count = 0;

	if (w == NULL)
		return;
	for (size_t i = 0; i < renew->n_running; i++)
		worker_adopt(b, w, renew->running[i]);
	take_over_on_answer(b, renew->shards, renew->n_shards);
	unknown = mem_alloc((renew->n_jobs + 1) * sizeof(*unknown));
	for (size_t i = 0; i < renew->n_jobs; i++) {
		struct job *job = job_find(b, renew->jobs[i]);
		struct departed_job *departed = NULL;
		HASH_FIND(hh, b->jobs->departed, &renew->jobs[i], sizeof(renew->jobs[i]), departed);
		if (job != NULL && job->worker == w)
			job->lease_until_ms = clock_monotonic_ms() + jobs_lease_ms(b);
		else if (departed == NULL)
			unknown[unknown_count++] = renew->jobs[i];
	}
	if (unknown_count != 0)
		worker_revoke(b, w, unknown, unknown_count);
	mem_free(unknown);
}

/* ---- Results ---- */
static enum try_end
workers_job_try_end(const Stagepost__JobDone *done)
{
	if (done->destination_trouble[0] != '\0')
		return TRY_TROUBLE;
	if (postponed_is_all(done))
		return TRY_UNKNOWN;
	for (size_t i = 0; i < done->n_results; i++)
		if (done->results[i] != NULL &&
		    done->results[i]->outcome != STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED &&
		    done->results[i]->outcome != STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED)
			return TRY_ANSWERED;
	return done->n_results != 0 ? TRY_PUT_OFF : TRY_ANSWERED;
}

static void
workers_job_end(struct broker *b, struct job *job, const Stagepost__JobDone *done)
{
	struct part *p = job->part;
	struct message *m = p->message;
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);
	struct job ended = *job;
	int64_t retry_ms = done->retry_after_ms < INT32_MAX ? (int64_t)done->retry_after_ms : INT32_MAX;

	job_free(b, job);
	ops->end(s, p, workers_job_try_end(done), done->destination_trouble, retry_ms, clock_unix_ms());
	results_apply(b, p, &ended, done);
	message_settle(b, m);
}

void
workers_on_done(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	struct worker *w = worker_find(b, peer);
	struct job *job = job_find(b, frame->job_done->job);

	if (w == NULL || job == NULL || job->worker != w || !job->sent) {
		/* Its lease had run out; the next try checks again. */
		log_info(NULL, "result of a job that is no longer known", F_STR("peer", peer));
		return;
	}
	/* A message that was sent has its envelope in memory: its work is open, or
	 * the packed form is kept. Only an adopted one may still be being read, or
	 * could not be read. */
	if (message_work(job->part->message) == NULL) {
		buf_clear(&job->done);
		bus_message_pack(&frame->job_done->base, &job->done);
		message_with_work(b, job->part->message, workers_on_adopted);
		return;
	}
	workers_job_end(b, job, frame->job_done);
	broker_wake(b);
}

/* ---- Time ---- */
static void
worker_tend(struct broker *b, struct worker *w, int64_t now_ms)
{
	struct job *job, *next;

	if (!w->lost && now_ms - w->heard_ms > SILENT_MS)
		worker_lose(b, w, "silent");
	else if (w->lost && worker_has_jobs(w))
		worker_lose(b, w, "cannot be reached");
	DL_FOREACH_SAFE2(w->jobs, job, next, worker_next)
	{
		if (job->done.len != 0) {
			message_with_work(b, job->part->message, workers_on_adopted);
			break; /* which may have ended other jobs */
		}
		if (now_ms < job->lease_until_ms || !job->sent)
			continue;
		log_warning(NULL, "job lease ran out", F_C("worker", w->name), F_C("id", job->part->message->id));
		worker_revoke(b, w, &job->number, 1);
		metrics_add(M_JOBS_LOST, 1);
		job_return(b, job, true, 0);
	}
	if (w->lost && w->jobs == NULL && now_ms - w->heard_ms > FORGOTTEN_MS) {
		HASH_DEL(b->jobs->workers, w);
		mem_free(w);
	}
}

void
workers_tick(struct broker *b)
{
	struct worker *w, *next;
	int64_t now_ms = clock_monotonic_ms();

	HASH_ITER (hh, b->jobs->workers, w, next)
		worker_tend(b, w, now_ms);
	jobs_forget_departed(b, now_ms);
}
