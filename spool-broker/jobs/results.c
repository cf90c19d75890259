/* How a job's results change the state of its message. */
#include "spool-broker/jobs/results.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/service/metrics.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/check.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/jobs/postponed.h"
#include "spool-broker/jobs/report.h"
#include "spool-broker/queue/deadlines.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/served.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/backoff.h"
#include "spool-broker/schedule/schedule.h"

/* Reports that cannot be handed over. */
enum { REPORT_FIRST_MS = 10000, REPORT_TRIES_MAX = 50 };
/* A message that was kept until an operator did something is deleted soon after that. */
enum { KEPT_LONGEST_MS = 5 * 60 * 1000 };
/* A recipient without a result, which a correct worker never leaves. */
enum { NO_RESULT_MS = 60000 };

struct applying {
	struct broker *broker;
	struct message *message;
	struct work *work;
	struct part *part;
	const struct job *job;
	const char *host;    /* the worker */
	int64_t again_ms;    /* unix: next try of what was postponed */
	int64_t now_ms;	     /* unix */
	unsigned added_from; /* index of the first recipient that was added */
};

static Stagepost__TraceEvent *
results_note(struct applying *a, const char *kind, const Stagepost__RecipientResult *r)
{
	Stagepost__TraceEvent *event = work_add_event(a->work, kind, r->recipient + 1, a->host, r->text);

	event->remote = arena_strdup(&a->work->arena, r->remote);
	event->tls = arena_strdup(&a->work->arena, r->tls);
	event->duration_ms = r->duration_ms;
	event->code = arena_strdup(&a->work->arena, r->code);
	return event;
}

static void
results_on_delivered(struct applying *a, const Stagepost__RecipientResult *r)
{
	bool relayed = r->outcome == STAGEPOST__RECIPIENT_RESULT__OUTCOME__RELAYED;
	bool local = a->job->kind == STAGEPOST__JOB_KIND__LOCAL;

	results_note(a, local ? "filed" : "sent", r);
	metrics_add(local ? M_DELIVERED_LOCAL : M_DELIVERED_REMOTE, 1);
	work_set_status(a->work, r->recipient, STAGEPOST__RECIPIENT_STATE__DELIVERED, r->code, r->text, r->remote);
	work_status(a->work, r->recipient)->relayed = relayed;
}

static void
results_on_failed(struct applying *a, const Stagepost__RecipientResult *r)
{
	results_note(a, "failed", r);
	metrics_add(M_FAILED_RECIPIENTS, 1);
	work_set_status(a->work, r->recipient, STAGEPOST__RECIPIENT_STATE__FAILED, r->code, r->text, r->remote);
}

static void
results_on_deferred(struct applying *a, const Stagepost__RecipientResult *r)
{
	const struct settings_spool *s = settings_spool(broker_settings(a->broker), STR_NONE);
	Stagepost__RecipientStatus *status = work_status(a->work, r->recipient);
	int64_t longest_ms = s->retry_longest;
	struct schedule *schedule;
	Stagepost__TraceEvent *event = results_note(a, "deferred", r);

	metrics_add(M_DEFERRED_RECIPIENTS, 1);
	event->attempt = ++status->attempts;
	message_note_answer(a->broker, a->message, r->text);
	part_schedule(a->broker, a->part, &schedule)->note_answer(schedule, a->part, r->text);
	if (!r->kept && deadline_is_expired(a->broker, a->message, a->now_ms)) {
		event = work_add_event(a->work, "expired", r->recipient + 1, a->broker->config.id,
				       "delivery time expired");
		event->code = arena_strdup(&a->work->arena, "5.4.7");
		metrics_add(M_FAILED_RECIPIENTS, 1);
		work_set_status(a->work, r->recipient, STAGEPOST__RECIPIENT_STATE__FAILED, "5.4.7",
				r->text[0] != '\0' ? r->text : "delivery time expired", r->remote);
		return;
	}
	work_set_status(a->work, r->recipient, STAGEPOST__RECIPIENT_STATE__QUEUED, r->code, r->text, r->remote);
	status->kept = r->kept;
	if (r->kept && longest_ms > KEPT_LONGEST_MS)
		longest_ms = KEPT_LONGEST_MS;
	status->next_try_ms =
		(uint64_t)(a->now_ms + backoff_ms(s->retry_first, longest_ms, status->attempts, backoff_random()));
	event->next_try_ms = status->next_try_ms;
}

/* Nothing happened to the recipient: its last answer and its attempts stay. This
 * is not worth a write either: a broker that takes the shard over tries at
 * once. */
static void
results_on_postponed(struct applying *a, const Stagepost__RecipientResult *r)
{
	work_status(a->work, r->recipient)->next_try_ms = (uint64_t)a->again_ms;
}

static void
results_on_expanded(struct applying *a, const Stagepost__RecipientResult *r)
{
	if (!work_has_room(a->work, r->new_recipients, r->n_new_recipients)) {
		Stagepost__RecipientResult refused = *r;
		refused.code = arena_strdup(&a->work->arena, "5.2.4");
		refused.text = arena_strdup(&a->work->arena, "it expands to more addresses than a message may have");
		results_on_failed(a, &refused);
		return;
	}
	results_note(a, "expanded", r);
	work_set_status(a->work, r->recipient, STAGEPOST__RECIPIENT_STATE__EXPANDED, r->code, r->text, r->remote);
	work_status(a->work, r->recipient)->expanded_here = r->expanded_here;
	for (size_t i = 0; i < r->n_new_recipients; i++)
		work_add_recipient(a->work, r->new_recipients[i]);
	a->message->flags &= (uint16_t)~MESSAGE_ONE_LOCAL;
	a->message->flags |= MESSAGE_MORE_ADDRESSES;
}

static void (*const outcomes[])(struct applying *a, const Stagepost__RecipientResult *r) = {
	[STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED] = results_on_delivered,
	[STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED] = results_on_deferred,
	[STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED] = results_on_failed,
	[STAGEPOST__RECIPIENT_RESULT__OUTCOME__EXPANDED] = results_on_expanded,
	[STAGEPOST__RECIPIENT_RESULT__OUTCOME__RELAYED] = results_on_delivered,
	[STAGEPOST__RECIPIENT_RESULT__OUTCOME__POSTPONED] = results_on_postponed,
};

/* Who owns the spool's reference now, whatever happened to the recipient. */
static void
results_note_reference(struct applying *a, const Stagepost__RecipientResult *r)
{
	if (r->reference_passed)
		a->message->flags |= MESSAGE_PASSED;
	if (r->in_doubt)
		message_set_uncertain(a->message);
}

static bool
results_is_served(const struct applying *a, const Stagepost__RecipientResult *r)
{
	return r != NULL && r->recipient < work_recipient_count(a->work) &&
	       (unsigned)r->outcome < sizeof(outcomes) / sizeof(outcomes[0]) &&
	       part_serves(a->part, work_recipient(a->work, r->recipient), work_status(a->work, r->recipient));
}

/* What is left for the part: when its first recipient must be tried again;
 * false when none is left. A recipient that was added while the job ran need
 * not wait; one that the job left without a result waits. */
static bool
results_find_rest(const struct applying *a, int64_t *time_ms_out)
{
	bool any = false;

	*time_ms_out = INT64_MAX;
	for (uint32_t i = served_first(a->work, a->part); i < a->added_from; i = served_next(a->work, a->part, i)) {
		const Stagepost__RecipientStatus *status = work_status(a->work, i);
		int64_t time_ms = (int64_t)status->next_try_ms;
		if (!part_serves(a->part, work_recipient(a->work, i), status))
			continue;
		any = true;
		if (i < a->job->known && time_ms <= a->now_ms) {
			a->part->recheck = true;
			if (a->part->kind == STAGEPOST__JOB_KIND__LOCAL)
				message_set_uncertain(a->message);
			time_ms = a->now_ms + NO_RESULT_MS;
		}
		if (time_ms < *time_ms_out)
			*time_ms_out = time_ms;
	}
	return any;
}

static void
results_apply_delivery(struct applying *a, const Stagepost__JobDone *done)
{
	int64_t time_ms;
	unsigned served = 0;

	for (size_t i = 0; i < done->n_results; i++)
		if (results_is_served(a, done->results[i])) {
			results_note_reference(a, done->results[i]);
			outcomes[done->results[i]->outcome](a, done->results[i]);
			served++;
		}
	if (served == 0)
		log_warning(NULL, "job ended without any result", F_C("id", a->message->id), F_C("worker", a->host));
	if (!results_find_rest(a, &time_ms))
		part_free(a->broker, a->part);
	else {
		if (!postponed_is_all(done) && a->part->tries < UINT16_MAX)
			a->part->tries++;
		part_place(a->broker, a->part, time_ms);
	}
	/* Tried only once the expansion is saved: after a crash the same recipient
	 * would be expanded again. */
	if (work_recipient_count(a->work) > a->added_from) {
		parts_make(a->broker, a->message, a->added_from, true);
		check_hold(a->broker, a->message);
	}
}

static void
results_apply_report(struct applying *a, const Stagepost__JobDone *done)
{
	Stagepost__Job__Report report = (Stagepost__Job__Report)a->part->report;
	bool again = done->n_results == 0, made = false;

	for (size_t i = 0; i < done->n_results; i++)
		again |= done->results[i] == NULL ||
			 done->results[i]->outcome == STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED;
	if (postponed_is(done) && !postponed_is_hopeless(a->part)) {
		part_place(a->broker, a->part, a->again_ms);
		return;
	}
	if (again && a->part->tries < REPORT_TRIES_MAX) {
		int64_t longest_ms = settings_spool(broker_settings(a->broker), STR_NONE)->retry_longest;
		a->part->tries++;
		part_place(a->broker, a->part,
			   a->now_ms + backoff_ms(REPORT_FIRST_MS, longest_ms, a->part->tries, backoff_random()));
		return;
	}
	again |= postponed_is(done);
	for (size_t i = 0; i < done->n_results; i++) {
		const Stagepost__RecipientResult *r = done->results[i];
		Stagepost__TraceEvent *event;
		if (r == NULL || r->recipient >= work_recipient_count(a->work))
			continue;
		bool unreported = again || r->outcome == STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED;
		report_done(a->message, report, r->recipient);
		event = work_add_event(a->work, unreported ? "unreported" : "reported", r->recipient + 1, a->host,
				       r->text);
		/* The recipients that it reported on. */
		event->code = work_status(a->work, r->recipient)->last_code;
		made |= !unreported;
	}
	if (made)
		metrics_add(M_REPORTS, 1);
	a->work->state->dsn_count++;
	if (again)
		log_error(NULL, "report given up", F_C("id", a->message->id));
	part_free(a->broker, a->part);
}

void
results_apply(struct broker *b, struct part *p, const struct job *job, const Stagepost__JobDone *done)
{
	struct applying a = {.broker = b,
			     .message = p->message,
			     .work = message_work(p->message),
			     .part = p,
			     .job = job,
			     .host = job->worker->name,
			     .now_ms = clock_unix_ms()};

	CRASHPOINT("result-received");
	CHECK(a.work != NULL);
	a.added_from = work_recipient_count(a.work);
	if (postponed_is(done))
		a.again_ms = postponed_note(b, p, a.host, done);
	else
		postponed_end(b, p);
	if (job->kind == STAGEPOST__JOB_KIND__REPORT)
		results_apply_report(&a, done);
	else if (job->kind == STAGEPOST__JOB_KIND__CHECK) {
		if (check_apply(b, p, a.host, done, a.again_ms))
			deadline_set(b, a.message);
	} else
		results_apply_delivery(&a, done);
	if ((a.message->flags & MESSAGE_DELETED) != 0)
		parts_delete(b, a.message, STR_NONE);
}
