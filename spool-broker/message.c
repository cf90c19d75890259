/* Messages and their parts, from the table to the end. */
#include "spool-broker/message.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/bus/frame.h"
#include "lib/service/metrics.h"
#include "spool-broker/broker.h"
#include "spool-broker/events.h"
#include "spool-broker/handlers.h"
#include "spool-broker/part_index.h"
#include "spool-broker/scan.h"
#include "spool-broker/shards.h"
#include "spool-broker/writer.h"

/* Packed envelopes of fresh messages that are kept. */
enum { PACKED_BYTES_MAX = 64 * 1024 * 1024 };

/* Addresses that are kept of a message, in bytes. */
enum { ADDRESSES_MAX = 1000 };

#define REPORT_QUEUE "reports"
#define CHECK_QUEUE  "spam-check"

/* ---- The table ---- */
struct message *
message_find(struct shard *shard, struct str id)
{
	struct message *m = NULL;

	if (id.len == SPOOL_ID_LEN)
		HASH_FIND(hh, shard->messages, id.p, SPOOL_ID_LEN, m);
	return m;
}

struct message *
message_new(struct broker *b, struct shard *shard, struct str id)
{
	struct message *m = mem_new(struct message);

	CHECK(str_copy(id, m->id, sizeof(m->id)));
	m->shard = shard;
	HASH_ADD(hh, shard->messages, id, SPOOL_ID_LEN, m);
	b->messages++;
	return m;
}

void
message_free(struct broker *b, struct message **message)
{
	struct message *m = *message;

	CHECKF(m->active == 0, "%s", m->id);
	orders_on_news(b, m, ORDERS_GONE);
	scans_leave(b, m);
	message_set_held(b, m, false);
	while (m->parts != NULL)
		part_free(b, m->parts);
	heap_remove(&b->deadlines, &m->deadline);
	message_close_work(m);
	message_forget_packed(b, m);
	interned_drop(&b->answers, &m->answer);
	mem_free(m->addresses);
	HASH_DEL(m->shard->messages, m);
	b->messages--;
	mem_free(m);
	*message = NULL;
}

/* ---- For those who ask ---- */
void
message_note_addresses(struct message *m)
{
	const Stagepost__Envelope *e = m->work->envelope;
	struct buf all = BUF_EMPTY;

	buf_add(&all, e->reverse_path, strlen(e->reverse_path) + 1);
	for (size_t i = 0; i < e->n_recipients; i++) {
		size_t len = strlen(e->recipients[i]->address) + 1;
		if (all.len + len >= ADDRESSES_MAX) {
			m->flags |= MESSAGE_MORE_ADDRESSES;
			break;
		}
		buf_add(&all, e->recipients[i]->address, len);
	}
	if (m->work->state->n_added != 0)
		m->flags |= MESSAGE_MORE_ADDRESSES;
	mem_free(m->addresses);
	m->addresses = mem_strndup(buf_str(&all).p, all.len);
	buf_fini(&all);
}

void
message_note_answer(struct broker *b, struct message *m, const char *text)
{
	struct interned *answer;
	char kept[ANSWER_KEPT_MAX + 1];

	if (text[0] == '\0')
		return;
	/* What does not fit is in the store: a query for its words looks there. */
	bool is_whole = str_copy(str_c(text), kept, sizeof(kept));
	answer = interned_get(&b->answers, kept);
	if (!is_whole || answer == NULL ||
	    (m->answer != NULL && m->answer != answer && work_recipient_count(m->work) > 1))
		m->flags |= MESSAGE_MORE_ANSWERS;
	interned_drop(&b->answers, &m->answer);
	m->answer = answer;
}

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

void
message_set_held(struct broker *b, struct message *m, bool held)
{
	if (((m->flags & MESSAGE_HELD) != 0) == held)
		return;
	m->flags ^= MESSAGE_HELD;
	b->held += held ? 1u : -1u;
}

void
message_set_uncertain(struct message *m)
{
	m->flags |= MESSAGE_UNCERTAIN;
	if (m->work == NULL || m->work->state->uncertain)
		return;
	m->work->state->uncertain = true;
	m->work->dirty = true;
}

void
message_keep_packed(struct broker *b, struct message *m, struct str envelope)
{
	if (m->packed != NULL || b->packed_bytes + envelope.len > PACKED_BYTES_MAX)
		return;
	m->packed = mem_strndup(envelope.p, envelope.len);
	m->packed_len = (uint32_t)envelope.len;
	b->packed_bytes += envelope.len;
}

void
message_forget_packed(struct broker *b, struct message *m)
{
	if (m->packed == NULL)
		return;
	b->packed_bytes -= m->packed_len;
	mem_free(m->packed);
	m->packed = NULL;
}

/* ---- Reading the work ---- */
struct reading {
	struct broker *broker; /* borrowed */
	struct shard *shard;   /* borrowed */
	unsigned generation;
	char id[SPOOL_ID_MAX];
	message_on_work *fn;
};

static void
on_read(void *arg, const struct spool_entry *entry, const struct err *err)
{
	struct reading *r = arg;
	struct broker *b = r->broker;
	struct message *m;
	struct err bad;

	if (!broker_returned(b) || r->generation != r->shard->generation ||
	    (m = message_find(r->shard, str_c(r->id))) == NULL || (m->flags & MESSAGE_FINISHING) != 0) {
		mem_free(r);
		return;
	}
	if (m->work == NULL && err == NULL && entry->envelope.len == 0) {
		err_set(&bad, ERR_NOT_FOUND, "%s is not in the spool", m->id);
		err = &bad;
	} else if (m->work == NULL && err == NULL && message_open_work(m, entry->envelope, entry->state, &bad) != 0)
		err = &bad;
	r->fn(b, m, m->work != NULL ? NULL : err);
	broker_wake(b);
	mem_free(r);
}

void
message_with_work(struct broker *b, struct message *m, message_on_work *fn)
{
	struct reading *r;

	if (message_work(m) != NULL) {
		fn(b, m, NULL);
		return;
	}
	r = mem_new(struct reading);
	*r = (struct reading){.broker = b, .shard = m->shard, .generation = m->shard->generation, .fn = fn};
	memcpy(r->id, m->id, sizeof(r->id));
	broker_expect(b);
	spool_find(b->config.redis, str_c(r->id), on_read, r);
}

/* ---- Parts ---- */
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

struct str
message_sender(const Stagepost__Envelope *e)
{
	struct str address = e->authenticated_as[0] != '\0' ? str_c(e->authenticated_as) : str_c(e->reverse_path);
	ptrdiff_t at = str_rindex(address, '@');

	return at >= 0 ? str_from(address, (size_t)at + 1) : address;
}

/* Whose settings decide how it is sent. */
static struct str
origin_of(const Stagepost__Envelope *e)
{
	struct str address = str_c(e->reverse_path);
	ptrdiff_t at = str_rindex(address, '@');

	return at >= 0 ? str_from(address, (size_t)at + 1) : address;
}

/* The message's part for a destination, new or the one that it has. */
static struct part *
get_part(struct broker *b, struct message *m, Stagepost__JobKind kind, struct str destination)
{
	const Stagepost__Envelope *e = m->work->envelope;
	struct part *p = mem_new(struct part), *found;

	p->message = m;
	p->kind = (uint8_t)kind;
	found = b->ops->enlist(b->schedules[kind], p, destination, message_sender(e), origin_of(e), m->priority);
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

/* For one recipient more, who is queued. */
static void
serve_recipient(struct broker *b, struct part *p, unsigned index, bool unsaved)
{
	const struct work *w = p->message->work;
	const Stagepost__RecipientStatus *status = work_status(w, index);
	int64_t time_ms = (int64_t)status->next_try_ms;

	p->unsaved |= unsaved;
	if (p->state == PART_ACTIVE)
		return; /* its end will find the recipient */
	if (time_ms < (int64_t)w->envelope->hold_until_ms)
		time_ms = (int64_t)w->envelope->hold_until_ms;
	if (status->attempts > p->tries)
		p->tries = status->attempts < UINT16_MAX ? (uint16_t)status->attempts : UINT16_MAX;
	part_place(b, p, time_ms < p->retry.time_ms ? time_ms : p->retry.time_ms);
}

/* Beside parts that there are. Their lanes may have seen other messages since, so
 * that enlisting would not find them. */
static void
add_parts(struct broker *b, struct message *m, unsigned from, bool unsaved)
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
			p = get_part(b, m, recipient_kind(r), recipient_destination(r));
			part_index_add(&index, p);
		}
		serve_recipient(b, p, i, unsaved);
	}
	part_index_fini(&index);
}

void
message_make_parts(struct broker *b, struct message *m, unsigned from, bool unsaved)
{
	const struct work *w = m->work;

	if (from != 0) {
		add_parts(b, m, from, unsaved);
		return;
	}
	if (check_is_due(w)) {
		part_place(b, get_part(b, m, STAGEPOST__JOB_KIND__CHECK, STR(CHECK_QUEUE)), 0);
		return;
	}
	for (unsigned i = 0; i < work_recipient_count(w); i++) {
		const Stagepost__Recipient *r = work_recipient(w, i);
		if (work_status(w, i)->state == STAGEPOST__RECIPIENT_STATE__QUEUED)
			serve_recipient(b, get_part(b, m, recipient_kind(r), recipient_destination(r)), i, unsaved);
	}
}

void
part_place(struct broker *b, struct part *p, int64_t time_ms)
{
	struct schedule *s;
	const struct schedule_ops *ops = part_schedule(b, p, &s);
	bool held = (p->message->flags & MESSAGE_HELD) != 0 && p->kind != STAGEPOST__JOB_KIND__REPORT;
	/* A worker may still have it from the shard's former owner. */
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
	mem_free(p);
}

bool
message_has_report_part(const struct message *m)
{
	for (const struct part *p = m->parts; p != NULL; p = p->next)
		if (p->kind == STAGEPOST__JOB_KIND__REPORT)
			return true;
	return false;
}

struct part *
message_make_report_part(struct broker *b, struct message *m, Stagepost__Job__Report report)
{
	struct part *p = get_part(b, m, STAGEPOST__JOB_KIND__REPORT, STR(REPORT_QUEUE));

	p->report = (uint8_t)report;
	part_place(b, p, 0);
	return p;
}

/* ---- After any change ---- */
/* What is kept of a message that has left. */
static void
pack_trace(const struct work *w, struct buf *out)
{
	Stagepost__Trace trace = STAGEPOST__TRACE__INIT;
	Stagepost__Envelope envelope = *w->envelope;

	trace.size = envelope.body->length;
	envelope.body = NULL;
	w->state->finished_ms = (uint64_t)clock_unix_ms();
	trace.envelope = &envelope;
	trace.state = w->state;
	bus_message_pack(&trace.base, out);
}

static void
finish(struct broker *b, struct message *m)
{
	struct buf trace = BUF_EMPTY, events = BUF_EMPTY;

	m->flags |= MESSAGE_FINISHING;
	pack_trace(m->work, &trace);
	events_add_new(b, m, &events);
	writer_finish(m->shard, str_c(m->id), buf_str(&trace), buf_str(&events),
		      settings_spool(broker_settings(b), STR_NONE)->trace_retention);
	buf_fini(&trace);
	buf_fini(&events);
	broker_wake(b);
}

static void
save(struct broker *b, struct message *m)
{
	struct buf state = BUF_EMPTY, events = BUF_EMPTY;

	bus_message_pack(&m->work->state->base, &state);
	if (state.len > STATUS_BYTES_MAX) {
		work_cut_texts(m->work);
		buf_clear(&state);
		bus_message_pack(&m->work->state->base, &state);
	}
	events_add_new(b, m, &events);
	writer_save(m->shard, str_c(m->id), buf_str(&state), buf_str(&events));
	buf_fini(&state);
	buf_fini(&events);
	m->work->dirty = false;
	m->saving = true;
	broker_wake(b);
}

/* A message that waits needs neither its work nor its envelope here. */
static void
give_back(struct broker *b, struct message *m)
{
	if (m->active != 0 || m->saving || m->work == NULL)
		return;
	message_close_work(m);
	message_forget_packed(b, m);
}

void
message_settle(struct broker *b, struct message *m)
{
	if (m->work == NULL || (m->flags & MESSAGE_FINISHING) != 0)
		return;
	report_look(b, m);
	if (m->parts == NULL) {
		finish(b, m);
		return;
	}
	if (m->work->dirty && !m->saving)
		save(b, m);
	give_back(b, m);
}

void
message_on_saved(struct broker *b, struct message *m)
{
	CHECKF(m->saving, "%s", m->id);
	CRASHPOINT("result-saved");
	m->saving = false;
	orders_on_news(b, m, ORDERS_SAVED);
	if ((m->flags & MESSAGE_FINISHING) != 0)
		return;
	/* Changed since: one more save for all that came meanwhile. */
	if (m->work->dirty) {
		save(b, m);
		return;
	}
	for (struct part *p = m->parts; p != NULL; p = p->next)
		if (p->unsaved) {
			p->unsaved = false;
			if (p->state != PART_ACTIVE)
				part_place(b, p, p->retry.time_ms);
		}
	give_back(b, m);
}

/* The reference goes after the entry: a crash between leaks, never loses. What
 * may have become a mailbox's is left to the sweep, however the message ended. */
static void
drop_reference(struct broker *b, const struct message *m)
{
	const Stagepost__Blob *body = m->work->envelope->body;
	struct blob_id id;

	if (b->config.blobs == NULL || (m->flags & (MESSAGE_PASSED | MESSAGE_UNCERTAIN)) != 0)
		return;
	id = (struct blob_id){.pack = body->pack, .offset = body->offset, .length = body->length};
	blob_ref_drop(b->config.redis, b->config.blobs, &id, 1);
}

void
message_on_finished(struct broker *b, struct message *m)
{
	log_info(NULL, "message finished", F_C("id", m->id), F_I64("ms", clock_unix_ms() - m->received_ms));
	CRASHPOINT("entry-removed");
	orders_on_news(b, m, ORDERS_FINISHED);
	drop_reference(b, m);
	CRASHPOINT("reference-dropped");
	metrics_add(M_SPOOL_FINISHED, 1);
	message_free(b, &m);
}

static void
end_recipient(struct broker *b, struct message *m, unsigned index, const char *event, const char *code,
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

/* Parts of which nobody is left, but for those of reports. */
static void
free_ended_parts(struct broker *b, struct message *m, struct part_index *index)
{
	struct part *next;

	for (struct part *p = m->parts; p != NULL; p = next) {
		next = p->next;
		if (p->state != PART_ACTIVE && p->kind != STAGEPOST__JOB_KIND__REPORT && !part_index_take(index, p))
			part_free(b, p);
	}
}

unsigned
message_give_up(struct broker *b, struct message *m, struct str address, const char *event, const char *code,
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
			end_recipient(b, m, i, event, code, text, tell);
			ended++;
		}
	}
	free_ended_parts(b, m, &index);
	part_index_fini(&index);
	return ended;
}

/* ---- Deadlines ---- */
enum { EXPIRED_LOOK_MS = 10 * 60 * 1000 };

static int64_t
expiry_ms(const struct broker *b, const struct message *m)
{
	const struct settings_spool *s = settings_spool(broker_settings(b), STR_NONE);
	return m->received_ms + ((m->flags & MESSAGE_NULL_SENDER) != 0 ? s->bounce_expire_after : s->expire_after);
}

bool
message_is_expired(const struct broker *b, const struct message *m, int64_t now_ms)
{
	return now_ms >= expiry_ms(b, m);
}

/* When the sender is to be told that it is late, or too late. */
static int64_t
notice_ms(const struct broker *b, const struct message *m)
{
	const struct settings_spool *s = settings_spool(broker_settings(b), STR_NONE);
	int64_t time_ms = expiry_ms(b, m), delay_ms = m->received_ms + s->delay_warning_after;

	if (s->delay_warning_after > 0 && (m->flags & (MESSAGE_NULL_SENDER | MESSAGE_DELAY_TOLD)) == 0 &&
	    delay_ms < time_ms)
		time_ms = delay_ms;
	return time_ms;
}

void
message_set_deadline(struct broker *b, struct message *m)
{
	int64_t time_ms = notice_ms(b, m), check_ms = check_deadline_ms(b, m), soonest_ms = clock_unix_ms() + 1000;

	if (check_ms < time_ms)
		time_ms = check_ms;
	/* One that is past already is seen to by the result of the job under way. */
	heap_set(&b->deadlines, &m->deadline, time_ms > soonest_ms ? time_ms : soonest_ms);
}

static void
on_deadline(struct broker *b, struct message *m, const struct err *err)
{
	if (err != NULL) {
		log_warning(NULL, "cannot look at an old message", F_C("id", m->id), F_ERR(err));
		heap_set(&b->deadlines, &m->deadline, clock_unix_ms() + 5000);
		return;
	}
	if (message_is_expired(b, m, clock_unix_ms()) && postponed_holds(m)) {
		give_back(b, m); /* the deadline is some seconds off already */
		return;
	}
	if (message_is_expired(b, m, clock_unix_ms())) {
		message_give_up(b, m, STR_NONE, "expired", "5.4.7", "delivery time expired", true);
		/* What is kept stays; it need not be read for this each second. */
		heap_set(&b->deadlines, &m->deadline, clock_unix_ms() + EXPIRED_LOOK_MS);
	} else {
		check_look(b, m);
		message_set_deadline(b, m);
	}
	message_settle(b, m);
}

void
message_run_deadlines(struct broker *b, int64_t now_ms)
{
	struct heap_node *node;

	/* A few at a time: each may mean a read of the store. */
	for (unsigned i = 0; i < 256 && (node = heap_first(&b->deadlines)) != NULL && node->time_ms <= now_ms; i++) {
		struct message *m = heap_owner(node, struct message, deadline);
		bool waits = (m->flags & (MESSAGE_HELD | MESSAGE_FINISHING)) != 0 || !shard_may_work(m->shard);
		heap_set(&b->deadlines, &m->deadline, now_ms + 10000);
		/* Its turn with a healthy engine will come: no need to read it. */
		if (now_ms < notice_ms(b, m) && check_waits(b, m, now_ms))
			continue;
		if (!waits)
			message_with_work(b, m, on_deadline);
	}
}
