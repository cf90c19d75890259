/* Messages, from their entry in the table to their end. */
#include "spool-broker/queue/message.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/bus/frame.h"
#include "lib/service/metrics.h"
#include "spool-broker/admin/events.h"
#include "spool-broker/broker.h"
#include "spool-broker/jobs/report.h"
#include "spool-broker/queue/deadlines.h"
#include "spool-broker/queue/interned.h"
#include "spool-broker/queue/part.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/schedule/heap.h"
#include "spool-broker/schedule/schedule.h"
#include "spool-broker/spool/scan.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/spool/writer.h"

/* How many packed envelopes of fresh messages are kept. */
enum { PACKED_BYTES_MAX = 64 * 1024 * 1024 };

/* How many bytes of a message's addresses are kept. */
enum { ADDRESSES_MAX = 1000 };

/* ---- The table ---- */
struct messages *
messages_new(void)
{
	return mem_new(struct messages);
}

void
messages_free(struct messages **messages)
{
	CHECKF((*messages)->count == 0, "%zu messages", (*messages)->count);
	mem_free(*messages);
	*messages = NULL;
}

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
	b->messages->count++;
	return m;
}

void
message_free(struct broker *b, struct message **message)
{
	struct message *m = *message;

	CHECKF(m->active == 0, "%s", m->id);
	b->on_message_news(b, m, MESSAGE_NEWS_GONE);
	scans_leave(b, m);
	message_set_held(b, m, false);
	while (m->parts != NULL)
		part_free(b, m->parts);
	heap_remove(&b->deadlines->heap, &m->deadline);
	message_close_work(m);
	message_forget_packed(b, m);
	interned_drop(&b->messages->answers, &m->answer);
	mem_free(m->addresses);
	HASH_DEL(m->shard->messages, m);
	b->messages->count--;
	mem_free(m);
	*message = NULL;
}

/* ---- For queries ---- */
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
	/* What does not fit is in the store: a query for it looks there. */
	bool is_whole = str_copy(str_c(text), kept, sizeof(kept));
	answer = interned_get(&b->messages->answers, kept);
	if (!is_whole || answer == NULL ||
	    (m->answer != NULL && m->answer != answer && work_recipient_count(m->work) > 1))
		m->flags |= MESSAGE_MORE_ANSWERS;
	interned_drop(&b->messages->answers, &m->answer);
	m->answer = answer;
}

void
message_set_held(struct broker *b, struct message *m, bool held)
{
	if (((m->flags & MESSAGE_HELD) != 0) == held)
		return;
	m->flags ^= MESSAGE_HELD;
	b->messages->held += held ? 1u : -1u;
}

void
message_keep_packed(struct broker *b, struct message *m, struct str envelope)
{
	if (m->packed != NULL || b->messages->packed_bytes + envelope.len > PACKED_BYTES_MAX)
		return;
	m->packed = mem_strndup(envelope.p, envelope.len);
	m->packed_len = (uint32_t)envelope.len;
	b->messages->packed_bytes += envelope.len;
}

void
message_forget_packed(struct broker *b, struct message *m)
{
	if (m->packed == NULL)
		return;
	b->messages->packed_bytes -= m->packed_len;
	mem_free(m->packed);
	m->packed = NULL;
}

/* ---- Reading the work ---- */
struct reading {
	struct stay *stay; /* borrowed: its op is held */
	char id[SPOOL_ID_MAX];
	message_on_work *fn;
};

static void
message_on_read(void *arg, const struct spool_entry *entry, const struct err *err)
{
	struct reading *r = arg;
	struct shard *s = r->stay->shard;
	struct broker *b;
	struct message *m;
	struct err bad;

	if (!op_back(&r->stay->op) || (m = message_find(s, str_c(r->id))) == NULL ||
	    (m->flags & MESSAGE_FINISHING) != 0) {
		mem_free(r);
		return;
	}
	b = s->broker;
	if (m->work == NULL && err == NULL && entry->envelope.len == 0) {
		err_set(&bad, ERR_NOT_FOUND, "%s is not in the spool", m->id);
		err = &bad;
	} else if (m->work == NULL && err == NULL && message_open_work(m, entry->envelope, entry->state, &bad) != 0)
		err = &bad;
	r->fn(b, m, m->work != NULL ? NULL : err);
	broker_wake(b);
	mem_free(r);
}

bool
message_is_missing(const struct err *err)
{
	return err != NULL && (err->code == ERR_NOT_FOUND || err->code == ERR_CORRUPT);
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
	*r = (struct reading){.stay = m->shard->stay, .fn = fn};
	memcpy(r->id, m->id, sizeof(r->id));
	op_hold(&r->stay->op);
	spool_find(b->config.redis, str_c(r->id), message_on_read, r);
}

void
message_hold(struct broker *b, struct message *m, const char *why)
{
	/* From now on no worker is given it, but some may have it already. */
	for (struct part *p = m->parts; p != NULL; p = p->next)
		if (p->state == PART_ACTIVE && p->kind == STAGEPOST__JOB_KIND__LOCAL)
			message_set_uncertain(m);
	message_set_held(b, m, true);
	m->work->state->held = true;
	work_add_event(m->work, "held", 0, b->config.id, why);
	for (struct part *p = m->parts; p != NULL; p = p->next)
		if (p->state != PART_ACTIVE)
			part_place(b, p, p->retry.time_ms);
}

/* ---- After any change ---- */
/* Frees what was kept of a message that has left. */
static void
message_pack_trace(const struct work *w, struct buf *out)
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

/* How long the finish may wait for other writes of its shard. Should it be lost meanwhile, the
 * message is tried again: mailboxes refuse it then, but a remote server gets it twice. */
enum { FINISH_WAIT_MS = 40, FINISH_WAIT_LOCAL_MS = 250 };

static int64_t
message_finish_wait(const struct work *w)
{
	for (unsigned i = 0; i < work_recipient_count(w); i++)
		if (!work_recipient(w, i)->local)
			return FINISH_WAIT_MS;
	return FINISH_WAIT_LOCAL_MS;
}

static void
message_finish(struct broker *b, struct message *m)
{
	struct buf trace = BUF_EMPTY, events = BUF_EMPTY;

	m->flags |= MESSAGE_FINISHING;
	message_pack_trace(m->work, &trace);
	events_add_new(b, m, &events);
	writer_finish(m->shard, str_c(m->id), buf_str(&trace), buf_str(&events),
		      settings_spool(broker_settings(b), STR_NONE)->trace_retention, message_finish_wait(m->work));
	buf_fini(&trace);
	buf_fini(&events);
	broker_wake(b);
}

static void
message_save(struct broker *b, struct message *m)
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

/* A waiting message needs neither its work nor its envelope in memory. */
void
message_give_back(struct broker *b, struct message *m)
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
		message_finish(b, m);
		return;
	}
	if (m->work->dirty && !m->saving)
		message_save(b, m);
	message_give_back(b, m);
}

/* Parts that waited for the save are tried from now on. */
static void
message_place_saved(struct broker *b, struct message *m)
{
	if ((m->flags & MESSAGE_PARTS_UNSAVED) == 0)
		return;
	m->flags &= (uint16_t)~MESSAGE_PARTS_UNSAVED;
	for (struct part *p = m->parts; p != NULL; p = p->next)
		if (p->unsaved) {
			p->unsaved = false;
			if (p->state != PART_ACTIVE)
				part_place(b, p, p->retry.time_ms);
		}
}

void
message_on_saved(struct shard *s, struct str id)
{
	struct message *m = message_find(s, id);
	struct broker *b = s->broker;

	if (m == NULL)
		return;
	CHECKF(m->saving, "%s", m->id);
	CRASHPOINT("result-saved");
	m->saving = false;
	b->on_message_news(b, m, MESSAGE_NEWS_SAVED);
	if ((m->flags & MESSAGE_FINISHING) != 0)
		return;
	/* Changed since: one more save covers everything that came meanwhile. */
	if (m->work->dirty) {
		message_save(b, m);
		return;
	}
	message_place_saved(b, m);
	message_give_back(b, m);
}

/* The reference is dropped after the entry: a crash in between leaks a body, but
 * never loses one. A reference that may have passed to a mailbox is left to the
 * sweep, however the message ended. */
static void
message_drop_reference(struct broker *b, const struct message *m)
{
	const Stagepost__Blob *body = m->work->envelope->body;
	struct blob_id id;

	if (b->config.blobs == NULL || (m->flags & (MESSAGE_PASSED | MESSAGE_UNCERTAIN)) != 0)
		return;
	id = (struct blob_id){.pack = body->pack, .offset = body->offset, .length = body->length};
	blob_ref_drop(b->config.redis, b->config.blobs, &id, 1);
}

void
message_on_finished(struct shard *s, struct str id)
{
	struct message *m = message_find(s, id);
	struct broker *b = s->broker;

	if (m == NULL)
		return;
	log_info(NULL, "message finished", F_C("id", m->id), F_I64("ms", clock_unix_ms() - m->received_ms));
	CRASHPOINT("entry-removed");
	b->on_message_news(b, m, MESSAGE_NEWS_FINISHED);
	message_drop_reference(b, m);
	CRASHPOINT("reference-dropped");
	metrics_add(M_SPOOL_FINISHED, 1);
	message_free(b, &m);
}
