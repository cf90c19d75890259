/* Jobs: given by credit, held under leases, taken back from who is lost. */
#include "spool-broker/jobs/jobs.h"

#include <string.h>
#include <utlist.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/bus/frame.h"
#include "lib/bus/socket.h"
#include "lib/service/metrics.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/check.h"
#include "spool-broker/jobs/postponed.h"
#include "spool-broker/jobs/report.h"
#include "spool-broker/jobs/results.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"

enum {
	SILENT_MS = 4000,     /* a worker pings twice a second; this silent, it is lost */
	FORGOTTEN_MS = 60000, /* it has to say hello again */
	WORKERS_MAX = 4096,
	FULL_MS = 100,	     /* pause for a worker whose queue is full */
	NOT_NOW_MS = 300,    /* a part whose shard is in doubt */
	PUT_BACK_MAX = 1000, /* of those, in one turn of the loop */
	/* Of one job: their results, a kilobyte each at the most, fit a frame; the
	 * others are the next job's. */
	JOB_RECIPIENTS_MAX = 10000,
	TOO_LARGE_MS = 3600000, /* a message of an earlier version that no frame takes */
	UNREADABLE_MS = 1000,	/* a part whose message could not be read */
	DEPARTED_MS = 30000,	/* longer than a shard takes to find its next owner and to be read */
};

static int64_t
lease_ms(const struct broker *b)
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

static struct job *
find_job(struct broker *b, uint64_t number)
{
	struct job *job = NULL;

	HASH_FIND(hh, b->jobs->list, &number, sizeof(number), job);
	return job;
}

static struct job *
new_job(struct broker *b, struct part *p, struct worker *w, uint64_t number)
{
	struct job *job = mem_new(struct job);

	*job = (struct job){.number = number,
			    .kind = part_kind(p),
			    .part = p,
			    .worker = w,
			    .lease_until_ms = clock_monotonic_ms() + lease_ms(b),
			    .started_ms = clock_unix_ms()};
	p->job = job;
	p->message->active++;
	p->message->shard->active++;
	w->active[job->kind]++;
	HASH_ADD(hh, b->jobs->list, number, sizeof(job->number), job);
	DL_APPEND2(w->jobs, job, worker_prev, worker_next);
	return job;
}

static void
free_job(struct broker *b, struct job *job)
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

/* Of all workers that are there. */
static unsigned
count_slots(const struct broker *b, unsigned kind)
{
	unsigned count = 0;

	for (const struct worker *w = b->jobs->workers; w != NULL; w = w->hh.next)
		count += w->lost ? 0 : w->slots[kind];
	return count;
}

bool
jobs_are_none(const struct broker *b)
{
	return b->jobs->list == NULL;
}

static void
revoke(struct broker *b, struct worker *w, const uint64_t *numbers, size_t count)
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
	free_job(b, gone); /* NULLs the part's pointer */
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

static void
forget_departed(struct broker *b, int64_t until_ms)
{
	struct departed_job *d;

	/* In the order in which they came. */
	while ((d = b->jobs->departed) != NULL && d->until_ms <= until_ms) {
		HASH_DEL(b->jobs->departed, d);
		mem_free(d);
	}
}

/* The job is gone; nobody knows how far it came. */
static void
return_part(struct broker *b, struct job *job, bool was_given, int64_t wait_ms)
{
	struct part *p = job->part;
	struct message *m = p->message;
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);
	int64_t now_ms = clock_unix_ms();

	free_job(b, job);
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

/* ---- Giving ---- */
/* The one that is busy least, for its slots: so one that was ill, and has a single
 * slot on trial, has its trial soon. */
static struct worker *
free_worker(struct broker *b, Stagepost__JobKind kind, int64_t now_ms)
{
	struct worker *w, *next, *best = NULL;
	uint64_t most = 0;

	HASH_ITER (hh, b->jobs->workers, w, next) {
		unsigned free = w->slots[kind] > w->active[kind] ? w->slots[kind] - w->active[kind] : 0;
		uint64_t share = free != 0 ? (uint64_t)free * UINT32_MAX / w->slots[kind] : 0;
		if (share > most && !w->lost && w->full_ms <= now_ms) {
			most = share;
			best = w;
		}
	}
	return best;
}

/* The recipients that the job serves. A fresh message that goes to one
 * destination as a whole is not opened for it. */
static uint32_t *
list_recipients(struct job *job, size_t *count_out)
{
	const struct part *p = job->part;
	const struct message *m = p->message;
	unsigned total = m->work != NULL ? work_recipient_count(m->work) : m->recipients;
	uint32_t *list = mem_alloc(total * sizeof(*list));
	size_t count = 0;

	job->known = total;
	for (unsigned i = 0; i < total; i++) {
		bool serves = true;
		if (count == JOB_RECIPIENTS_MAX) {
			job->known = i;
			break;
		}
		if (m->work != NULL && job->kind == STAGEPOST__JOB_KIND__REPORT)
			serves = report_concerns(work_recipient(m->work, i), work_status(m->work, i),
						 (Stagepost__Job__Report)p->report);
		else if (m->work != NULL)
			serves = part_serves(p, work_recipient(m->work, i), work_status(m->work, i));
		if (serves)
			list[count++] = i;
	}
	*count_out = count;
	return list;
}

/* The envelope with all recipients, packed. */
static struct str
packed_envelope(const struct message *m, struct buf *room)
{
	const struct work *w = m->work;
	Stagepost__Envelope envelope;
	unsigned total;

	if (m->packed != NULL && (w == NULL || w->state->n_added == 0))
		return str_of(m->packed, m->packed_len);
	CHECKF(w != NULL, "%s", m->id);
	envelope = *w->envelope;
	total = work_recipient_count(w);
	envelope.recipients = mem_alloc(total * sizeof(*envelope.recipients));
	envelope.n_recipients = total;
	for (unsigned i = 0; i < total; i++)
		envelope.recipients[i] = work_recipient(w, i);
	bus_message_pack(&envelope.base, room);
	mem_free(envelope.recipients);
	return buf_str(room);
}

static void
pack_job(struct broker *b, struct job *job, struct buf *out)
{
	const struct part *p = job->part;
	const struct message *m = p->message;
	Stagepost__Job body = STAGEPOST__JOB__INIT;
	Stagepost__MessageState state;
	char report[SPOOL_ID_MAX];
	struct buf room = BUF_EMPTY;

	/* Of a local one the message itself knows better: it may have been held since. */
	job->recheck = job->kind == STAGEPOST__JOB_KIND__LOCAL ? (m->flags & MESSAGE_UNCERTAIN) != 0 : (bool)p->recheck;
	body.job = job->number;
	body.kind = job->kind;
	body.recipients = list_recipients(job, &body.n_recipients);
	body.recheck = job->recheck;
	body.pass_reference =
		job->kind == STAGEPOST__JOB_KIND__LOCAL &&
		(m->flags & (MESSAGE_ONE_LOCAL | MESSAGE_UNCERTAIN | MESSAGE_PASSED)) == MESSAGE_ONE_LOCAL;
	body.given_ms = (uint64_t)job->started_ms;
	body.attempt = p->tries + 1u;
	body.lease_ms = (uint32_t)lease_ms(b);
	if (job->kind == STAGEPOST__JOB_KIND__REMOTE || job->kind == STAGEPOST__JOB_KIND__CHECK)
		body.destination = (char *)(uintptr_t)part_destination(p);
	if (job->kind == STAGEPOST__JOB_KIND__LOCAL && m->work != NULL)
		body.verdict = m->work->state->spam;
	if (job->kind == STAGEPOST__JOB_KIND__REPORT) {
		body.report = (Stagepost__Job__Report)p->report;
		report_id(m, body.report, report);
		body.report_id = report;
		/* Recipients who were added are in the envelope already. */
		state = *m->work->state;
		state.n_added = 0;
		body.state = &state;
	}
	if (body.n_recipients != 0)
		bus_frame_pack_around(0, STAGEPOST__FRAME__BODY_JOB, &body.base, 3, packed_envelope(m, &room), out);
	mem_free(body.recipients);
	buf_fini(&room);
}

/* Nothing to do any more: the part goes. */
static void
end_empty(struct broker *b, struct job *job)
{
	struct part *p = job->part;
	struct message *m = p->message;
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);

	free_job(b, job);
	ops->end(s, p, TRY_UNKNOWN, NULL, 0, clock_unix_ms());
	part_free(b, p);
	message_settle(b, m);
}

static void
send_job(struct broker *b, struct job *job)
{
	struct worker *w = job->worker;
	struct buf frame = BUF_EMPTY;
	int64_t wait_ms = FULL_MS;
	struct err err;

	pack_job(b, job, &frame);
	if (frame.len == 0)
		end_empty(b, job);
	else if (bus_server_send_bytes(b->bus, str_of(w->peer, w->peer_len), buf_str(&frame), &err) == 0) {
		CRASHPOINT("job-given");
		job->sent = true;
		metrics_add(M_JOBS_GIVEN, 1);
	} else {
		if (frame.len > BUS_MESSAGE_MAX)
			wait_ms = TOO_LARGE_MS;
		else if (err.code == ERR_NOT_FOUND)
			w->lost = true;
		else
			w->full_ms = clock_monotonic_ms() + FULL_MS;
		log_warning(NULL, "job not given", F_C("worker", w->name), F_C("id", job->part->message->id),
			    F_ERR(&err));
		return_part(b, job, false, wait_ms);
	}
	buf_fini(&frame);
}

/* The entry has gone from the store behind our back: an operator's hand, or
 * data lost there. */
static void
drop_missing(struct broker *b, struct message *m)
{
	log_error(NULL, "message is not in the spool any more", F_C("id", m->id));
	if (m->active == 0)
		message_free(b, &m);
}

static bool
is_missing(const struct err *err)
{
	return err != NULL && (err->code == ERR_NOT_FOUND || err->code == ERR_CORRUPT);
}

/* The message can be sent to all workers that it was promised. */
static void
on_work(struct broker *b, struct message *m, const struct err *err)
{
	struct part *next;

	if (err != NULL)
		log_warning(NULL, "message not read", F_C("id", m->id), F_ERR(err));
	m->active++; /* stays while its jobs are sent, whatever becomes of them */
	for (struct part *p = m->parts; p != NULL; p = next) {
		next = p->next;
		if (p->job == NULL || p->job->sent)
			continue;
		if (err != NULL || p->job->worker->lost || !shard_may_work(m->shard))
			return_part(b, p->job, false, err != NULL ? UNREADABLE_MS : NOT_NOW_MS);
		else
			send_job(b, p->job);
	}
	m->active--;
	if (is_missing(err))
		drop_missing(b, m);
	else
		message_settle(b, m);
}

static void
give(struct broker *b, struct part *p, struct worker *w)
{
	struct message *m = p->message;
	struct job *job = new_job(b, p, w, b->jobs->next_number++);
	bool whole = m->packed != NULL && m->work == NULL && m->parts == p && p->next == NULL;

	if (whole && job->kind != STAGEPOST__JOB_KIND__REPORT)
		send_job(b, job);
	else
		message_with_work(b, m, on_work);
}

static bool
any_may_work(const struct broker *b)
{
	for (unsigned i = 0; i < b->shards->count; i++)
		if (shard_may_work(&b->shards->list[i]))
			return true;
	return false;
}

void
jobs_give(struct broker *b)
{
	int64_t now_ms = clock_monotonic_ms(), unix_ms = clock_unix_ms();
	unsigned put_back = 0;

	/* While the store is away, a long queue is not turned over for nothing. */
	if (!any_may_work(b))
		return;
	for (unsigned kind = 0; kind < BROKER_KINDS; kind++) {
		struct worker *w;
		struct part *p;
		/* What waits for a check that nobody is to make goes on without one by
		 * its deadline, however it became ready: check_look(). */
		if (kind == STAGEPOST__JOB_KIND__CHECK && check_is_off(b))
			continue;
		b->ops->set_slots(b->schedules[kind], count_slots(b, kind));
		while ((w = free_worker(b, (Stagepost__JobKind)kind, now_ms)) != NULL &&
		       (p = b->ops->take(b->schedules[kind], unix_ms)) != NULL) {
			if (shard_may_work(p->message->shard) && (p->message->flags & MESSAGE_FINISHING) == 0) {
				give(b, p, w);
				continue;
			}
			b->ops->end(b->schedules[kind], p, TRY_UNKNOWN, NULL, 0, unix_ms);
			b->ops->defer(b->schedules[kind], p, unix_ms + NOT_NOW_MS);
			if (++put_back == PUT_BACK_MAX) {
				broker_wake(b);
				return;
			}
		}
	}
}

/* ---- Workers ---- */
static struct worker *
find_worker(struct broker *b, struct str peer)
{
	struct worker *w = NULL;

	HASH_FIND(hh, b->jobs->workers, peer.p, peer.len, w);
	return w;
}

/* Not one whose message is being read: it is given to nobody then. Nor one whose
 * result is here: that counts. */
static bool
is_in_hand(const struct job *job)
{
	return job->sent && job->done.len == 0;
}

static bool
has_jobs_in_hand(const struct worker *w)
{
	for (const struct job *job = w->jobs; job != NULL; job = job->worker_next)
		if (is_in_hand(job))
			return true;
	return false;
}

/* Its jobs go back to the queue. */
static void
lose_worker(struct broker *b, struct worker *w, const char *why)
{
	struct job *job, *next;
	unsigned count = 0;

	w->lost = true;
	DL_FOREACH_SAFE2(w->jobs, job, next, worker_next)
	{
		if (!is_in_hand(job))
			continue;
		count++;
		return_part(b, job, true, 0);
	}
	metrics_add(M_JOBS_LOST, count);
	log_warning(NULL, "worker lost", F_C("worker", w->name), F_C("reason", why), F_I64("jobs", count));
	broker_wake(b);
}

void
jobs_on_heard(struct broker *b, struct str peer)
{
	struct worker *w = find_worker(b, peer);

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
jobs_on_hello(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	const Stagepost__WorkerHello *hello = frame->worker_hello;
	struct worker *w = find_worker(b, peer), *other, *next;

	if (w == NULL) {
		if (HASH_COUNT(b->jobs->workers) >= WORKERS_MAX)
			return;
		w = mem_zalloc(sizeof(*w) + peer.len);
		memcpy(w->peer, peer.p, peer.len);
		w->peer_len = peer.len;
		str_copy(str_c(hello->worker), w->name, sizeof(w->name));
		/* Come back on another connection: what it had is lost. */
		HASH_ITER (hh, b->jobs->workers, other, next)
			if (strcmp(other->name, w->name) == 0 && (!other->lost || has_jobs_in_hand(other)))
				lose_worker(b, other, "came back anew");
		HASH_ADD_KEYPTR(hh, b->jobs->workers, w->peer, w->peer_len, w);
		log_info(NULL, "worker joined", F_C("worker", w->name));
	}
	w->heard_ms = clock_monotonic_ms();
	memset(w->slots, 0, sizeof(w->slots));
	for (size_t i = 0; i < hello->n_slots; i++)
		if (hello->slots[i] != NULL && (unsigned)hello->slots[i]->kind < BROKER_KINDS)
			w->slots[hello->slots[i]->kind] = hello->slots[i]->slots;
	shards_ask_worker(b, peer);
	broker_wake(b);
}

static void end_job(struct broker *b, struct job *job, const Stagepost__JobDone *done);

/* Results that came before the message was read; while it cannot be, they wait
 * for the next tick. */
static void
on_adopted(struct broker *b, struct message *m, const struct err *err)
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
		if (err != NULL && !is_missing(err)) {
			p->job->lease_until_ms = clock_monotonic_ms() + lease_ms(b);
			continue;
		}
		done = bus_message_unpack(&stagepost__job_done__descriptor, buf_str(&p->job->done), &arena);
		if (err != NULL || done == NULL)
			return_part(b, p->job, true, UNREADABLE_MS);
		else
			end_job(b, p->job, done);
	}
	m->active--;
	arena_fini(&arena);
	message_settle(b, m);
}

/* A job that the shard's former owner gave: this broker's from now on. */
static void
adopt(struct broker *b, struct worker *w, const Stagepost__RunningJob *running)
{
	struct shard *s = NULL;
	struct message *m;
	unsigned number;

	if (running == NULL || find_job(b, running->job) != NULL || (unsigned)running->kind >= BROKER_KINDS ||
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
		job = new_job(b, p, w, running->job);
		job->sent = true;
		for (size_t i = 0; i < running->n_recipients; i++)
			if (running->recipients[i] >= job->known && running->recipients[i] < RECIPIENTS_MAX)
				job->known = running->recipients[i] + 1;
		log_info(NULL, "job adopted", F_C("id", m->id), F_C("worker", w->name));
		message_with_work(b, m, on_adopted);
		return;
	}
}

void
jobs_on_renew(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	const Stagepost__JobRenew *renew = frame->job_renew;
	struct worker *w = find_worker(b, peer);
	uint64_t *unknown = NULL;
	size_t unknown_count = 0;

	if (w == NULL)
		return;
	for (size_t i = 0; i < renew->n_running; i++)
		adopt(b, w, renew->running[i]);
	shards_on_answer(b, renew->shards, renew->n_shards);
	unknown = mem_alloc((renew->n_jobs + 1) * sizeof(*unknown));
	for (size_t i = 0; i < renew->n_jobs; i++) {
		struct job *job = find_job(b, renew->jobs[i]);
		struct departed_job *departed = NULL;
		HASH_FIND(hh, b->jobs->departed, &renew->jobs[i], sizeof(renew->jobs[i]), departed);
		if (job != NULL && job->worker == w)
			job->lease_until_ms = clock_monotonic_ms() + lease_ms(b);
		else if (departed == NULL)
			unknown[unknown_count++] = renew->jobs[i];
	}
	if (unknown_count != 0)
		revoke(b, w, unknown, unknown_count);
	mem_free(unknown);
}

/* ---- Results ---- */
static enum try_end
try_end_of(const Stagepost__JobDone *done)
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
end_job(struct broker *b, struct job *job, const Stagepost__JobDone *done)
{
	struct part *p = job->part;
	struct message *m = p->message;
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);
	struct job ended = *job;
	int64_t retry_ms = done->retry_after_ms < INT32_MAX ? (int64_t)done->retry_after_ms : INT32_MAX;

	free_job(b, job);
	ops->end(s, p, try_end_of(done), done->destination_trouble, retry_ms, clock_unix_ms());
	results_apply(b, p, &ended, done);
	message_settle(b, m);
}

void
jobs_on_done(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	struct worker *w = find_worker(b, peer);
	struct job *job = find_job(b, frame->job_done->job);

	if (w == NULL || job == NULL || job->worker != w || !job->sent) {
		/* Its lease had run out; the next try rechecks. */
		log_info(NULL, "result of a job that is not known any more", F_STR("peer", peer));
		return;
	}
	/* A message that was sent has its envelope at hand: its work is open, or it
	 * is kept packed. Only an adopted one may still be being read, or could not
	 * be. */
	if (message_work(job->part->message) == NULL) {
		buf_clear(&job->done);
		bus_message_pack(&frame->job_done->base, &job->done);
		message_with_work(b, job->part->message, on_adopted);
		return;
	}
	end_job(b, job, frame->job_done);
	broker_wake(b);
}

/* ---- Time ---- */
static void
tend_worker(struct broker *b, struct worker *w, int64_t now_ms)
{
	struct job *job, *next;

	if (!w->lost && now_ms - w->heard_ms > SILENT_MS)
		lose_worker(b, w, "silent");
	else if (w->lost && has_jobs_in_hand(w))
		lose_worker(b, w, "cannot be reached");
	DL_FOREACH_SAFE2(w->jobs, job, next, worker_next)
	{
		if (job->done.len != 0) {
			message_with_work(b, job->part->message, on_adopted);
			break; /* which may have ended others */
		}
		if (now_ms < job->lease_until_ms || !job->sent)
			continue;
		log_warning(NULL, "job lease ran out", F_C("worker", w->name), F_C("id", job->part->message->id));
		revoke(b, w, &job->number, 1);
		metrics_add(M_JOBS_LOST, 1);
		return_part(b, job, true, 0);
	}
	if (w->lost && w->jobs == NULL && now_ms - w->heard_ms > FORGOTTEN_MS) {
		HASH_DEL(b->jobs->workers, w);
		mem_free(w);
	}
}

void
jobs_tick(struct broker *b)
{
	struct worker *w, *next;
	int64_t now_ms = clock_monotonic_ms();

	HASH_ITER (hh, b->jobs->workers, w, next)
		tend_worker(b, w, now_ms);
	forget_departed(b, now_ms);
}

void
jobs_free(struct broker *b)
{
	struct worker *w, *next;

	CHECK(b->jobs->list == NULL);
	forget_departed(b, INT64_MAX);
	HASH_ITER (hh, b->jobs->workers, w, next) {
		HASH_DEL(b->jobs->workers, w);
		mem_free(w);
	}
	mem_free(b->jobs);
	b->jobs = NULL;
}
