/* New messages: from a hand-over through Redis into the queue, and the ones that a take-over finds in the spool. */
#include "spool-broker/spool/intake.h"

#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/bus/frame.h"
#include "lib/service/metrics.h"
#include "lib/smtp/notify.h"
#include "spool-broker/admin/events.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/check.h"
#include "spool-broker/jobs/report.h"
#include "spool-broker/queue/deadlines.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/spool/writer.h"

/* Hand-overs that wait for Redis; further ones are refused. */
enum { WAITING_MAX = 20000, WAITING_BYTES_MAX = 128 * 1024 * 1024 };
/* Messages in memory: about 2 GB. */
enum { MESSAGES_MAX = 5000000 };

static void
intake_reply(struct broker *b, struct str peer, uint64_t request, const char *id, const struct refusal *why)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__HandOverReply reply = STAGEPOST__HAND_OVER_REPLY__INIT;

	reply.id = (char *)(uintptr_t)id;
	reply.status = why->status;
	reply.untaken = why->untaken;
	reply.text = (char *)(uintptr_t)why->text;
	frame.request = request;
	frame.body_case = STAGEPOST__FRAME__BODY_HAND_OVER_REPLY;
	frame.hand_over_reply = &reply;
	/* A frontend that is gone does not need it; one whose queue is full asks again. */
	if (b->bus != NULL)
		bus_server_send(b->bus, peer, &frame, NULL);
}

/* It is durable. */
static void
intake_confirm(struct broker *b, struct str peer, uint64_t request, const char *id)
{
	const struct refusal none = {STAGEPOST__HAND_OVER_REPLY__STATUS__OK, false, ""};

	intake_reply(b, peer, request, id, &none);
}

/* Without having asked the store. */
static void
intake_refuse_untaken(struct broker *b, struct str peer, uint64_t request, const char *id,
		      Stagepost__HandOverReply__Status status, const char *text)
{
	const struct refusal why = {status, true, text};

	intake_reply(b, peer, request, id, &why);
}

static bool
intake_is_acceptable(const Stagepost__Envelope *e)
{
	if (e == NULL || e->body == NULL || e->n_recipients == 0 || e->n_recipients > RECIPIENTS_MAX)
		return false;
	for (size_t i = 0; i < e->n_recipients; i++)
		if (e->recipients[i] == NULL || e->recipients[i]->address[0] == '\0')
			return false;
	return spool_id_parse(str_c(e->id), NULL, NULL);
}

/* Packed for the store; false when it is too large, or could not be read back:
 * members that this version does not know are kept, and may be ones that cannot
 * be read. */
static bool
intake_pack(const Stagepost__Envelope *e, struct buf *out)
{
	struct arena arena;
	bool sound;

	arena_init(&arena);
	bus_message_pack(&e->base, out);
	sound = out->len <= SPOOL_ENVELOPE_MAX &&
		bus_stored_unpack(&stagepost__envelope__descriptor, buf_str(out), &arena) != NULL;
	arena_fini(&arena);
	return sound;
}

static bool
intake_is_busy(const struct broker *b)
{
	return b->writes->waiting >= WAITING_MAX || b->writes->waiting_bytes >= WAITING_BYTES_MAX ||
	       b->messages->count >= MESSAGES_MAX;
}

void
intake_on_hand_over(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	Stagepost__Envelope *e = frame->hand_over->envelope;
	struct buf packed = BUF_EMPTY, events = BUF_EMPTY;
	unsigned number;
	struct shard *s;

	if (intake_is_acceptable(e))
		e->spam_check = check_is_wanted(b, e);
	if (!intake_is_acceptable(e) || !intake_pack(e, &packed)) {
		log_warning(NULL, "hand-over refused: malformed or too large", F_STR("peer", peer));
		intake_refuse_untaken(b, peer, frame->request, "", STAGEPOST__HAND_OVER_REPLY__STATUS__FAILED,
				      "malformed or too large");
		buf_fini(&packed);
		return;
	}
	spool_id_parse(str_c(e->id), &number, NULL);
	s = shards_owned(b, number);
	if (s == NULL)
		intake_refuse_untaken(b, peer, frame->request, e->id, STAGEPOST__HAND_OVER_REPLY__STATUS__NOT_MINE, "");
	else if (message_find(s, str_c(e->id)) != NULL)
		intake_confirm(b, peer, frame->request, e->id);
	else if (writer_has_add(s, str_c(e->id), peer, frame->request))
		; /* asked again while the store is slow */
	else if (intake_is_busy(b))
		intake_refuse_untaken(b, peer, frame->request, e->id, STAGEPOST__HAND_OVER_REPLY__STATUS__BUSY,
				      "too many writes are waiting for the store");
	else {
		CRASHPOINT("hand-over-received");
		events_add_accepted(b, e, &events);
		writer_add(s, str_c(e->id), buf_str(&packed), buf_str(&events), peer, frame->request);
	}
	buf_fini(&packed);
	buf_fini(&events);
}

/* ---- Into the queue ---- */
static void
intake_set_facts(struct broker *b, struct message *m)
{
	const Stagepost__Envelope *e = m->work->envelope;

	m->received_ms = (int64_t)e->received_ms;
	m->recipients = (uint32_t)e->n_recipients;
	m->priority = e->priority < 0 ? PRIORITY_LOW : e->priority > 0 ? PRIORITY_HIGH : PRIORITY_NORMAL;
	if (e->reverse_path[0] == '\0' || e->is_dsn)
		m->flags |= MESSAGE_NULL_SENDER;
	message_set_held(b, m, m->work->state->held);
	if (m->work->state->deleted)
		m->flags |= MESSAGE_DELETED;
	/* If a report of success must be made, the body is still needed after the filing. */
	if (work_recipient_count(m->work) == 1 && e->recipients[0]->local &&
	    (e->recipients[0]->notify & NOTIFY_SUCCESS) == 0)
		m->flags |= MESSAGE_ONE_LOCAL;
}

static bool
intake_delay_is_told(const struct message *m)
{
	for (unsigned i = 0; i < work_recipient_count(m->work); i++)
		if (report_concerns(work_recipient(m->work, i), work_status(m->work, i), STAGEPOST__JOB__REPORT__DELAY))
			return false;
	return true;
}

/* For a message read from the spool: could a worker have received it for a
 * mailbox? Not before it was checked; nor since it was held, because
 * message_hold() notes what was in doubt then. */
static bool
intake_may_have_been_filed(const struct work *w)
{
	if (check_is_due(w) || w->state->held)
		return false;
	for (unsigned i = 0; i < work_recipient_count(w); i++)
		if (work_recipient(w, i)->local && work_status(w, i)->state == STAGEPOST__RECIPIENT_STATE__QUEUED)
			return true;
	return false;
}

/* Makes the message from a stored entry. known: it was in the spool before, and
 * may have been tried. */
static struct message *
intake_take(struct shard *s, struct str id, struct str envelope, struct str state, bool known)
{
	struct broker *b = s->broker;
	struct message *m = message_new(b, s, id);
	struct err err;

	if (message_open_work(m, envelope, state, &err) != 0) {
		log_error(NULL, "spool entry skipped", F_STR("id", id), F_ERR(&err));
		message_free(b, &m);
		return NULL;
	}
	intake_set_facts(b, m);
	/* After opening the work, which notes it in the trace: it belongs to the next one, then. */
	if (known)
		m->flags |= MESSAGE_TAKEN_OVER;
	if (known && intake_may_have_been_filed(m->work))
		message_set_uncertain(m);
	if (known && intake_delay_is_told(m))
		m->flags |= MESSAGE_DELAY_TOLD;
	message_note_addresses(m);
	for (unsigned i = 0; i < work_recipient_count(m->work); i++)
		if (work_status(m->work, i)->state == STAGEPOST__RECIPIENT_STATE__QUEUED)
			message_note_answer(b, m, work_status(m->work, i)->last_text);
	if (check_is_due(m->work) && check_last_trouble(m->work->state) != NULL)
		message_note_answer(b, m, check_last_trouble(m->work->state));
	parts_make(b, m, 0, false);
	/* Else it was decided before that state was saved. */
	if (state.len == 0)
		check_hold(b, m);
	deadline_set(b, m);
	return m;
}

static void
intake_answer(struct shard *s, struct str id, struct str peer, uint64_t request)
{
	char id_text[SPOOL_ID_MAX];

	CRASHPOINT("hand-over-written");
	str_copy(id, id_text, sizeof(id_text));
	intake_confirm(s->broker, peer, request, id_text);
	CRASHPOINT("hand-over-answered");
}

/* The message of a hand-over to this broker. */
static void
intake_take_new(struct shard *s, struct str id, struct str envelope)
{
	struct broker *b = s->broker;
	struct message *m;

	if (message_find(s, id) != NULL || (m = intake_take(s, id, envelope, STR_NONE, false)) == NULL)
		return;
	metrics_add(M_SPOOL_TAKEN, 1);
	log_info(NULL, "message queued", F_STR("id", id), F_C("from", m->work->envelope->reverse_path),
		 F_I64("recipients", m->recipients), F_C("frontend", m->work->envelope->frontend));
	message_keep_packed(b, m, envelope);
	if ((m->flags & MESSAGE_HELD) != 0)
		message_settle(b, m); /* says in the spool that it is held */
	else
		message_close_work(m);
	broker_wake(b);
}

void
intake_on_written(struct shard *s, struct str id, struct str envelope, enum spool_result result, struct str peer,
		  uint64_t request)
{
	intake_answer(s, id, peer, request);
	if (result == SPOOL_WRITTEN) {
		intake_take_new(s, id, envelope);
		return;
	}
	log_info(NULL, "message was handed over before", F_STR("id", id));
	/* In the spool but not in memory: with its results so far. */
	if (result == SPOOL_KNOWN && message_find(s, id) == NULL)
		shard_read_again(s);
}

void
intake_on_refused(struct broker *b, struct str peer, uint64_t request, const char *id, const struct refusal *why)
{
	intake_reply(b, peer, request, id, why);
}

void
intake_take_entry(struct shard *s, const struct spool_entry *entry)
{
	struct broker *b = s->broker;
	struct message *m;

	if (!spool_id_parse(entry->id, NULL, NULL) || message_find(s, entry->id) != NULL)
		return;
	m = intake_take(s, entry->id, entry->envelope, entry->state, true);
	if (m == NULL)
		return;
	s->broker->shards->taken_over++;
	if ((m->flags & MESSAGE_DELETED) != 0)
		parts_delete(b, m, STR_NONE);
	/* Everything is done but the finish, or a report must be made. */
	if (m->parts == NULL || ((m->flags & MESSAGE_HELD) != 0 && entry->state.len == 0))
		message_settle(b, m);
	else if (!parts_have_report(m))
		report_look(b, m);
	if (m->work != NULL && (m->flags & MESSAGE_FINISHING) == 0 && !m->saving)
		message_close_work(m);
}
