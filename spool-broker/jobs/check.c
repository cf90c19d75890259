/* Spam checks: which messages wait for one, what the result changes, and when a
 * message proceeds without one.
 *
 * The envelope of a message says from its acceptance whether it must be checked.
 * Such a message has one CHECK part and no other until its state holds a
 * verdict, or says that there will be none. That is saved before any other part
 * is tried. So a broker that finds no verdict in the spool knows that nothing
 * was delivered yet. A verdict that was given while the client waited is in the
 * envelope: there is no CHECK part then. */
#include "spool-broker/jobs/check.h"

#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/service/metrics.h"
#include "lib/spam/wanted.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/jobs.h"
#include "spool-broker/queue/interned.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/verdict.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/backoff.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"

/* How long one message waits between two tries. An engine that cannot be reached
 * at all is handled by the schedule: its destination is in trouble, which says
 * nothing about the message. */
enum { CHECK_FIRST_MS = 10000, CHECK_LONGEST_MS = 60000, UNREACHED_MS = 2000 };

/* ---- What is checked ---- */
static bool
check_is_on(const struct broker *b)
{
	return spam_checks_are_on(broker_settings(b));
}

bool
check_is_off(const struct broker *b)
{
	return !check_is_on(b);
}

bool
check_is_wanted(const struct broker *b, const Stagepost__Envelope *e)
{
	return e->checked == NULL && !e->is_dsn && (e->retrieved == NULL || !e->retrieved->unchecked) &&
	       spam_check_is_wanted(broker_settings(b), e->authenticated_as[0] != '\0', e->body->length);
}

static struct part *
check_find_part(const struct message *m)
{
	for (struct part *p = m->parts; p != NULL; p = p->next)
		if (p->kind == STAGEPOST__JOB_KIND__CHECK)
			return p;
	return NULL;
}

/* ---- What is held ---- */
static bool
check_has_remote_left(const struct work *w)
{
	for (unsigned i = 0; i < work_recipient_count(w); i++)
		if (!work_recipient(w, i)->local && work_status(w, i)->state == STAGEPOST__RECIPIENT_STATE__QUEUED)
			return true;
	return false;
}

/* NULL: the settings let it pass. */
static const char *
check_why_hold(const struct broker *b, const struct message *m)
{
	const struct work *w = m->work;
	const Stagepost__SpamVerdict *v = w->state->spam;
	const struct settings *s = broker_settings(b);

	if (v->virus[0] != '\0' && settings_spam(s, STR_NONE)->virus_action == VIRUS_ACTION_HOLD)
		return arena_printf(&m->work->arena, "virus %s", v->virus);
	if (check_has_remote_left(w) &&
	    settings_spam(s, envelope_sender(w->envelope))->outbound_spam == OUTBOUND_SPAM_HOLD)
		return "outgoing spam";
	return NULL;
}

void
check_hold(struct broker *b, struct message *m)
{
	Stagepost__SpamVerdict *v = m->work->state->spam;
	const char *why;

	/* Once only: a message that the operator has released stays released. */
	if (v == NULL || !v->is_spam || v->held || (m->flags & MESSAGE_HELD) != 0)
		return;
	why = check_why_hold(b, m);
	if (why == NULL)
		return;
	v->held = true;
	message_hold(b, m, why);
	log_warning(NULL, "message held as spam", F_C("id", m->id), F_STR("sender", envelope_sender(m->work->envelope)),
		    F_C("reason", why));
}

/* ---- The end of the wait ---- */
/* With a verdict in its state or without one, the message gets its own parts. */
static void
check_pass(struct broker *b, struct message *m, struct part *p)
{
	part_free(b, p);
	interned_drop(&b->messages->answers, &m->answer);
	parts_make(b, m, 0, true);
	check_hold(b, m);
}

static void
check_pass_unchecked(struct broker *b, struct message *m, struct part *p, const char *why)
{
	struct work *w = m->work;
	Stagepost__SpamVerdict *v = arena_new(&w->arena, Stagepost__SpamVerdict);

	stagepost__spam_verdict__init(v);
	v->time_ms = (uint64_t)clock_unix_ms();
	v->unchecked = arena_strdup(&w->arena, why);
	w->state->spam = v;
	work_add_event(w, "unchecked", 0, b->config.id, why);
	metrics_add(M_SPAM_UNCHECKED, 1);
	log_warning(NULL, "message delivered without a spam check", F_C("id", m->id), F_C("reason", why));
	check_pass(b, m, p);
}

/* Returns why it need not wait any longer; NULL: it must. As long as engines
 * answer, only a backlog keeps it waiting. */
static const char *
check_why_over(const struct broker *b, const struct part *p, int64_t now_ms)
{
	const struct settings_spam *s = settings_spam(broker_settings(b), STR_NONE);
	const struct message *m = p->message;
	int64_t from_ms = m->received_ms > m->shard->taken_ms ? m->received_ms : m->shard->taken_ms;
	bool troubled = p->unanswered || b->jobs->checks_fail;

	if (!check_is_on(b))
		return "spam checks were turned off";
	if (troubled && s->unavailable == SPAM_UNAVAILABLE_ACCEPT && now_ms >= from_ms + s->unavailable_after)
		return "no engine answered in time";
	return NULL;
}

bool
check_waits(const struct broker *b, const struct message *m, int64_t now_ms)
{
	const struct part *p = check_find_part(m);

	return p != NULL && check_why_over(b, p, now_ms) == NULL;
}

int64_t
check_deadline_ms(const struct broker *b, const struct message *m)
{
	const struct settings_spam *s = settings_spam(broker_settings(b), STR_NONE);
	int64_t from_ms = m->received_ms > m->shard->taken_ms ? m->received_ms : m->shard->taken_ms;

	if (check_find_part(m) == NULL)
		return INT64_MAX;
	if (!check_is_on(b))
		return 0;
	return s->unavailable == SPAM_UNAVAILABLE_ACCEPT ? from_ms + s->unavailable_after : INT64_MAX;
}

void
check_look(struct broker *b, struct message *m)
{
	struct part *p = check_find_part(m);
	const char *why;

	if (p == NULL || p->state == PART_ACTIVE || (m->flags & MESSAGE_DELETED) != 0)
		return;
	why = check_why_over(b, p, clock_unix_ms());
	if (why != NULL)
		check_pass_unchecked(b, m, p, why);
}

/* ---- Results ---- */
static void
check_take_verdict(struct broker *b, struct message *m, struct part *p, const char *host,
		   const Stagepost__SpamVerdict *given)
{
	work_set_verdict(m->work, given, host);
	b->jobs->checks_fail = false;
	check_pass(b, m, p);
}

static void
check_take_failure(struct broker *b, struct message *m, struct part *p, const char *host,
		   const Stagepost__JobDone *done)
{
	const char *text = done->n_results != 0 && done->results[0] != NULL ? done->results[0]->text : "no result";
	bool reached = done->destination_trouble[0] == '\0';
	const char *last = check_last_trouble(m->work->state);
	struct schedule *schedule;
	const char *why;

	b->jobs->checks_fail = p->unanswered = true;
	if (reached && p->tries < UINT16_MAX)
		p->tries++;
	if (last == NULL || strcmp(last, text) != 0)
		work_add_event(m->work, "deferred", 0, host, text);
	message_note_answer(b, m, text);
	part_schedule(b, p, &schedule)->note_answer(schedule, p, text);
	why = check_why_over(b, p, clock_unix_ms());
	if (why != NULL) {
		check_pass_unchecked(b, m, p, why);
		return;
	}
	part_place(b, p,
		   clock_unix_ms() + (reached ? backoff_ms(CHECK_FIRST_MS, CHECK_LONGEST_MS, p->tries, backoff_random())
					      : backoff_ms(UNREACHED_MS, UNREACHED_MS, 1, backoff_random())));
}

bool
check_apply(struct broker *b, struct part *p, const char *host, const Stagepost__JobDone *done, int64_t again_ms)
{
	if (done->verdict != NULL)
		check_take_verdict(b, p->message, p, host, done->verdict);
	else if (again_ms != 0) { /* no engine was asked */
		part_place(b, p, again_ms);
		return false;
	} else
		check_take_failure(b, p->message, p, host, done);
	return true;
}
