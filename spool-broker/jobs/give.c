/* Hands out jobs: to which worker, and what is in them. */
#include "spool-broker/jobs/give.h"

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
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/jobs/report.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/served.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"

enum {
	FULL_MS = 100,	     /* pause for a worker whose queue is full */
	NOT_NOW_MS = 300,    /* a part whose shard's lease is in doubt */
	PUT_BACK_MAX = 1000, /* of those, in one turn of the loop */
	/* Recipients of one job: their results, at most a kilobyte each, fit a
	 * frame. The others go into the next job. */
	JOB_RECIPIENTS_MAX = 10000,
	TOO_LARGE_MS = 3600000 /* a message of an earlier version that fits no frame */
};

/* Over all connected workers. */
static unsigned
give_count_slots(const struct broker *b, unsigned kind)
{
	unsigned count = 0;

	for (const struct worker *w = b->jobs->workers; w != NULL; w = w->hh.next)
		count += w->lost ? 0 : w->slots[kind];
	return count;
}

/* The least busy worker in relation to its slots. So a worker that was ill, and
 * has a single slot on trial, gets its trial soon. */
static struct worker *
give_find_worker(struct broker *b, Stagepost__JobKind kind, int64_t now_ms)
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

/* What a job carries; the lists end with give_pack(). */
struct giving {
	uint32_t *indexes; /* owner: of the recipients that it serves */
	size_t count;
	bool own;	     /* the envelope has these alone; else all of the message's */
	struct buf room;     /* the envelope, unless the message has it packed */
	struct str envelope; /* packed; borrowed */
};

static bool
give_serves(const struct job *job, uint32_t index)
{
	const struct part *p = job->part;
	const struct work *w = p->message->work;

	if (job->kind == STAGEPOST__JOB_KIND__REPORT)
		return report_concerns(work_recipient(w, index), work_status(w, index),
				       (Stagepost__Job__Report)p->report);
	return part_serves(p, work_recipient(w, index), work_status(w, index));
}

/* Lists the recipients that the job serves. */
static void
give_list_recipients(struct job *job, struct giving *g)
{
	const struct part *p = job->part;
	struct work *w = p->message->work;
	size_t room = 0;

	job->known = work_recipient_count(w);
	for (uint32_t i = served_first(w, p); i != SERVED_END; i = served_next(w, p, i)) {
		if (!give_serves(job, i))
			continue;
		if (g->count == JOB_RECIPIENTS_MAX) {
			job->known = i;
			break;
		}
		if (g->count == room) {
			room = room * 2 + 4;
			g->indexes = mem_realloc(g->indexes, room * sizeof(*g->indexes));
		}
		g->indexes[g->count++] = i;
	}
}

/* A fresh message with a single destination is not unpacked for its only job, which serves all of its recipients. */
static void
give_list_all(struct job *job, struct giving *g)
{
	const struct message *m = job->part->message;

	job->known = m->recipients;
	g->indexes = mem_alloc(job->known * sizeof(*g->indexes));
	for (; g->count < job->known; g->count++)
		g->indexes[g->count] = (uint32_t)g->count;
}

/* The envelope with the job's recipients, or with all of the message's. */
static void
give_pack_envelope(const struct message *m, struct giving *g)
{
	Stagepost__Envelope envelope = *m->work->envelope;

	envelope.n_recipients = g->own ? g->count : work_recipient_count(m->work);
	envelope.recipients = mem_alloc(envelope.n_recipients * sizeof(*envelope.recipients));
	for (size_t i = 0; i < envelope.n_recipients; i++)
		envelope.recipients[i] = work_recipient(m->work, g->own ? g->indexes[i] : (unsigned)i);
	bus_message_pack(&envelope.base, &g->room);
	mem_free(envelope.recipients);
	g->envelope = buf_str(&g->room);
}

static void
give_choose(struct job *job, struct giving *g)
{
	struct message *m = job->part->message;
	unsigned total = m->work != NULL ? work_recipient_count(m->work) : m->recipients;

	/* Only a part of its recipients fits the job. */
	if (m->work == NULL && total > JOB_RECIPIENTS_MAX)
		message_work(m);
	if (m->work != NULL)
		give_list_recipients(job, g);
	else
		give_list_all(job, g);
	g->own = job->worker->takes_own;
	if (m->packed != NULL && (m->work == NULL || m->work->state->n_added == 0) && (!g->own || g->count == total))
		g->envelope = str_of(m->packed, m->packed_len);
	else if (g->count != 0)
		give_pack_envelope(m, g);
}

/* What a report says: the statuses of the same recipients as in the envelope, without `added`, which are in it. */
static void
give_add_report(const struct job *job, const struct giving *g, Stagepost__MessageState *state, char id[SPOOL_ID_MAX],
		Stagepost__Job *body)
{
	const struct message *m = job->part->message;

	body->report = (Stagepost__Job__Report)job->part->report;
	report_id(m, body->report, id);
	body->report_id = id;
	*state = *m->work->state;
	state->n_added = 0;
	if (g->own) {
		state->n_status = g->count;
		state->status = mem_alloc(g->count * sizeof(*state->status));
		for (size_t i = 0; i < g->count; i++)
			state->status[i] = work_status(m->work, g->indexes[i]);
	}
	body->state = state;
}

static void
give_pack(struct broker *b, struct job *job, struct buf *out)
{
	const struct part *p = job->part;
	const struct message *m = p->message;
	Stagepost__Job body = STAGEPOST__JOB__INIT;
	Stagepost__MessageState state;
	char report[SPOOL_ID_MAX];
	struct giving g = {.count = 0};

	give_choose(job, &g);
	/* For a local recipient the message itself knows better: it may have been held since. */
	job->recheck = job->kind == STAGEPOST__JOB_KIND__LOCAL ? (m->flags & MESSAGE_UNCERTAIN) != 0 : (bool)p->recheck;
	body.job = job->number;
	body.kind = job->kind;
	body.recipients = g.indexes;
	body.n_recipients = g.count;
	if (g.own)
		body.recipient_total = m->work != NULL ? work_recipient_count(m->work) : m->recipients;
	body.recheck = job->recheck;
	body.pass_reference =
		job->kind == STAGEPOST__JOB_KIND__LOCAL &&
		(m->flags & (MESSAGE_ONE_LOCAL | MESSAGE_UNCERTAIN | MESSAGE_PASSED)) == MESSAGE_ONE_LOCAL;
	body.given_ms = (uint64_t)job->started_ms;
	body.attempt = p->tries + 1u;
	body.lease_ms = (uint32_t)jobs_lease_ms(b);
	if (job->kind == STAGEPOST__JOB_KIND__REMOTE || job->kind == STAGEPOST__JOB_KIND__CHECK)
		body.destination = (char *)(uintptr_t)part_destination(p);
	if (job->kind == STAGEPOST__JOB_KIND__LOCAL && m->work != NULL)
		body.verdict = m->work->state->spam;
	if (job->kind == STAGEPOST__JOB_KIND__REPORT)
		give_add_report(job, &g, &state, report, &body);
	if (g.count != 0)
		bus_frame_pack_around(0, STAGEPOST__FRAME__BODY_JOB, &body.base, 3, g.envelope, out);
	if (body.state != NULL && g.own)
		mem_free(state.status);
	mem_free(g.indexes);
	buf_fini(&g.room);
}

/* Nothing to do any more: the part is removed. */
static void
give_end_empty(struct broker *b, struct job *job)
{
	struct part *p = job->part;
	struct message *m = p->message;
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);

	job_free(b, job);
	ops->end(s, p, TRY_UNKNOWN, NULL, 0, clock_unix_ms());
	part_free(b, p);
	message_settle(b, m);
}

static void
give_send(struct broker *b, struct job *job)
{
	struct worker *w = job->worker;
	struct buf frame = BUF_EMPTY;
	int64_t wait_ms = FULL_MS;
	struct err err;

	give_pack(b, job, &frame);
	if (frame.len == 0)
		give_end_empty(b, job);
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
		job_return(b, job, false, wait_ms);
	}
	buf_fini(&frame);
}

/* The entry has disappeared from the store behind our back: an operator deleted it, or the store lost data. */
static void
give_drop_missing(struct broker *b, struct message *m)
{
	log_error(NULL, "message is not in the spool any more", F_C("id", m->id));
	if (m->active == 0)
		message_free(b, &m);
}

/* The message can be sent to all workers that were promised it. */
static void
give_on_work(struct broker *b, struct message *m, const struct err *err)
{
	struct part *next;

	if (err != NULL)
		log_warning(NULL, "message not read", F_C("id", m->id), F_ERR(err));
	m->active++; /* stays valid while its jobs are sent, whatever happens to them */
	for (struct part *p = m->parts; p != NULL; p = next) {
		next = p->next;
		if (p->job == NULL || p->job->sent)
			continue;
		if (err != NULL || p->job->worker->lost || !shard_may_work(m->shard))
			job_return(b, p->job, false, err != NULL ? UNREADABLE_MS : NOT_NOW_MS);
		else
			give_send(b, p->job);
	}
	m->active--;
	if (message_is_missing(err))
		give_drop_missing(b, m);
	else
		message_settle(b, m);
}

static void
give_job(struct broker *b, struct part *p, struct worker *w)
{
	struct message *m = p->message;
	struct job *job = job_new(b, p, w, b->jobs->next_number++);
	bool whole = m->packed != NULL && m->work == NULL && m->parts == p && p->next == NULL;

	/* The work is in memory: handles this job alone, since a message may have tens of thousands. */
	if (m->work != NULL || (whole && job->kind != STAGEPOST__JOB_KIND__REPORT))
		give_send(b, job);
	else
		message_with_work(b, m, give_on_work);
}

static bool
give_is_possible(const struct broker *b)
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

	/* While the store is away, a long queue is not cycled through in vain. */
	if (!give_is_possible(b))
		return;
	for (unsigned kind = 0; kind < BROKER_KINDS; kind++) {
		struct worker *w;
		struct part *p;
		/* A message that waits for a check that no engine will make proceeds
		 * without one by its deadline, however it became ready:
		 * check_look(). */
		if (kind == STAGEPOST__JOB_KIND__CHECK && check_is_off(b))
			continue;
		b->ops->set_slots(b->schedules[kind], give_count_slots(b, kind));
		while ((w = give_find_worker(b, (Stagepost__JobKind)kind, now_ms)) != NULL &&
		       (p = b->ops->take(b->schedules[kind], unix_ms)) != NULL) {
			if (shard_may_work(p->message->shard) && (p->message->flags & MESSAGE_FINISHING) == 0) {
				give_job(b, p, w);
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
