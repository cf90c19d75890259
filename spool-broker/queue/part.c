/* Parts of messages, from creation to end. */
#include "spool-broker/queue/part.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/service/metrics.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part_index.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"

#define REPORT_QUEUE "reports"
#define CHECK_QUEUE  "spam-check"

bool
part_serves(const struct part *p, const Stagepost__Recipient *r, const Stagepost__RecipientStatus *status)
{
	if (status->state != STAGEPOST__RECIPIENT_STATE__QUEUED || p->kind == STAGEPOST__JOB_KIND__REPORT)
		return false;
	return p->kind == STAGEPOST__JOB_KIND__CHECK ||
	       (part_kind(p) == recipient_kind(r) && str_eq(recipient_destination(r), str_c(part_destination(p))));
}

Stagepost__JobKind
part_kind(const struct part *p)
{
	return (Stagepost__JobKind)p->kind;
}

const struct schedule_ops *
part_schedule(struct broker *b, const struct part *p, struct schedule **schedule_out)
{
	CHECK(p->kind < BROKER_KINDS);
	*schedule_out = b->schedules[p->kind];
	return b->ops;
}

/* Whose settings decide how it is sent. */
static struct str
part_origin_of(const Stagepost__Envelope *e)
{
	struct str address = str_c(e->reverse_path);
	ptrdiff_t at = str_rindex(address, '@');

	return at >= 0 ? str_from(address, (size_t)at + 1) : address;
}

/* The message's part for a destination: a new one, or the one that exists. */
static struct part *
part_get(struct broker *b, struct message *m, Stagepost__JobKind kind, struct str destination)
{
	const Stagepost__Envelope *e = m->work->envelope;
	struct part *p = mem_new(struct part), *found;

	p->message = m;
	p->kind = (uint8_t)kind;
	found = b->ops->enlist(b->schedules[kind], p, destination, envelope_sender(e), part_origin_of(e), m->priority);
	if (found != p) {
		mem_free(p);
		return found;
	}
	p->next = m->parts;
	m->parts = p;
	p->recheck = (m->flags & MESSAGE_TAKEN_OVER) != 0;
	p->retry.time_ms = INT64_MAX;
	return p;
}

/* For one more recipient, who is queued. */
static void
part_serve_recipient(struct broker *b, struct part *p, unsigned index, bool unsaved)
{
	const struct work *w = p->message->work;
	const Stagepost__RecipientStatus *status = work_status(w, index);
	int64_t time_ms = (int64_t)status->next_try_ms;

	p->unsaved |= unsaved;
	if (unsaved)
		p->message->flags |= MESSAGE_PARTS_UNSAVED;
	if (p->state == PART_ACTIVE)
		return; /* its end will pick up the recipient */
	if (time_ms < (int64_t)w->envelope->hold_until_ms)
		time_ms = (int64_t)w->envelope->hold_until_ms;
	if (status->attempts > p->tries)
		p->tries = status->attempts < UINT16_MAX ? (uint16_t)status->attempts : UINT16_MAX;
	part_place(b, p, time_ms < p->retry.time_ms ? time_ms : p->retry.time_ms);
}

/* Next to existing parts. Their lanes may have seen other messages since, so that enlisting would not find them. */
static void
part_add_parts(struct broker *b, struct message *m, unsigned from, bool unsaved)
{
	struct part_index index;

	part_index_init(&index, m);
	for (unsigned i = from; i < work_recipient_count(m->work); i++) {
		const Stagepost__Recipient *r = work_recipient(m->work, i);
		struct indexed_part *indexed = part_index_find(&index, r);
		struct part *p = indexed != NULL ? indexed->part : NULL;
		if (work_status(m->work, i)->state != STAGEPOST__RECIPIENT_STATE__QUEUED)
			continue;
		if (p == NULL) {
			p = part_get(b, m, recipient_kind(r), recipient_destination(r));
			part_index_add(&index, p);
		}
		part_serve_recipient(b, p, i, unsaved);
	}
	part_index_fini(&index);
}

/* Into the order of the recipients, in which they are tried: those that end first are
 * then found first. (A link back would cost every part of a large queue 16 bytes.) */
static void
parts_reverse(struct message *m)
{
	struct part *list = m->parts, *next;

	m->parts = NULL;
	for (struct part *p = list; p != NULL; p = next) {
		next = p->next;
		p->next = m->parts;
		m->parts = p;
	}
}

void
parts_make(struct broker *b, struct message *m, unsigned from, bool unsaved)
{
	const struct work *w = m->work;

	if (from != 0) {
		part_add_parts(b, m, from, unsaved);
		return;
	}
	if (check_is_due(w)) {
		part_place(b, part_get(b, m, STAGEPOST__JOB_KIND__CHECK, STR(CHECK_QUEUE)), 0);
		return;
	}
	for (unsigned i = 0; i < work_recipient_count(w); i++) {
		const Stagepost__Recipient *r = work_recipient(w, i);
		if (work_status(w, i)->state == STAGEPOST__RECIPIENT_STATE__QUEUED)
			part_serve_recipient(b, part_get(b, m, recipient_kind(r), recipient_destination(r)), i,
					     unsaved);
	}
	parts_reverse(m);
}

void
part_place(struct broker *b, struct part *p, int64_t time_ms)
{
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);
	bool held = (p->message->flags & MESSAGE_HELD) != 0 && p->kind != STAGEPOST__JOB_KIND__REPORT;
	/* A worker may still hold it from the shard's former owner. */
	bool waits = p->kind == STAGEPOST__JOB_KIND__REMOTE && p->recheck && p->message->shard->awaits_jobs;

	ops->withdraw(s, p);
	p->retry.time_ms = time_ms;
	if (held || p->unsaved || waits)
		return;
	if (time_ms <= clock_unix_ms())
		ops->ready(s, p);
	else
		ops->defer(s, p, time_ms);
	broker_wake(b);
}

void
part_free(struct broker *b, struct part *p)
{
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);
	struct part **link = &p->message->parts;

	CHECKF(p->job == NULL, "%s", p->message->id);
	ops->dismiss(s, p);
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	if (p->kind == STAGEPOST__JOB_KIND__REPORT)
		p->message->flags &= (uint16_t)~MESSAGE_REPORTING;
	mem_free(p);
}

/* Asked after each result, also for messages with tens of thousands of parts. */
bool
parts_have_report(const struct message *m)
{
	return (m->flags & MESSAGE_REPORTING) != 0;
}

struct part *
part_make_report(struct broker *b, struct message *m, Stagepost__Job__Report report)
{
	struct part *p;

	CHECKF(!parts_have_report(m), "%s", m->id);
	p = part_get(b, m, STAGEPOST__JOB_KIND__REPORT, STR(REPORT_QUEUE));
	m->flags |= MESSAGE_REPORTING;
	p->report = (uint8_t)report;
	part_place(b, p, 0);
	return p;
}

/* ---- States ---- */
const char *const queue_state_names[QUEUE_STATES] = {"queued", "active", "deferred", "held"};

enum queue_state
part_queue_state(const struct part *p)
{
	if (p->state == PART_ACTIVE)
		return QUEUE_ACTIVE;
	if ((p->message->flags & MESSAGE_HELD) != 0 && p->kind != STAGEPOST__JOB_KIND__REPORT)
		return QUEUE_HELD;
	return p->state == PART_DEFERRED ? QUEUE_DEFERRED : QUEUE_QUEUED;
}

enum queue_state
message_queue_state(const struct message *m)
{
	enum queue_state state = QUEUE_DEFERRED;

	if ((m->flags & MESSAGE_HELD) != 0)
		return QUEUE_HELD;
	for (const struct part *p = m->parts; p != NULL; p = p->next) {
		if (p->state == PART_ACTIVE)
			return QUEUE_ACTIVE;
		if (p->state != PART_DEFERRED)
			state = QUEUE_QUEUED;
	}
	return state;
}

/* ---- Giving up ---- */
static void
part_end_recipient(struct broker *b, struct message *m, unsigned index, const char *event, const char *code,
		   const char *text, bool tell)
{
	Stagepost__RecipientStatus *status = work_status(m->work, index);

	work_add_event(m->work, event, index + 1, b->config.id, text)->code = arena_strdup(&m->work->arena, code);
	work_set_status(m->work, index, STAGEPOST__RECIPIENT_STATE__FAILED, code,
			status->last_text[0] != '\0' ? status->last_text : text, status->last_remote);
	status->reported = !tell;
	if (tell)
		metrics_add(M_FAILED_RECIPIENTS, 1);
	log_info(NULL, "recipient given up", F_C("id", m->id), F_C("to", work_recipient(m->work, index)->address),
		 F_C("reason", text));
}

/* Removes parts that have no recipient left, except report parts. */
static void
part_free_ended_parts(struct broker *b, struct message *m, struct part_index *index)
{
	struct part *next;

	for (struct part *p = m->parts; p != NULL; p = next) {
		next = p->next;
		if (p->state != PART_ACTIVE && p->kind != STAGEPOST__JOB_KIND__REPORT && !part_index_take(index, p))
			part_free(b, p);
	}
}

unsigned
parts_give_up(struct broker *b, struct message *m, struct str address, const char *event, const char *code,
	      const char *text, bool tell)
{
	struct part_index index;
	unsigned ended = 0;

	part_index_init(&index, m);
	for (unsigned i = 0; i < work_recipient_count(m->work); i++) {
		const Stagepost__Recipient *r = work_recipient(m->work, i);
		struct indexed_part *indexed;
		if (work_status(m->work, i)->state != STAGEPOST__RECIPIENT_STATE__QUEUED)
			continue;
		indexed = part_index_find(&index, r);
		if (indexed == NULL || indexed->part->state == PART_ACTIVE)
			continue;
		if ((tell && work_status(m->work, i)->kept) ||
		    (address.len != 0 && !str_eq_ci(address, str_c(r->address)))) {
			indexed->left = true;
		} else {
			part_end_recipient(b, m, i, event, code, text, tell);
			ended++;
		}
	}
	part_free_ended_parts(b, m, &index);
	part_index_fini(&index);
	return ended;
}

unsigned
parts_delete(struct broker *b, struct message *m, struct str address)
{
	return parts_give_up(b, m, address, "deleted", "5.7.0", "deleted by the operator", false);
}
