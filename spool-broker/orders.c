/* What an operator may say about a queued message. */
#include <string.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "spool-broker/handlers.h"

struct order {
	const char *verb;
	bool needs_work; /* also when it is for all recipients */
	/* Returns words for the answer; NULL: refused, nothing of the message is
	 * concerned. */
	const char *(*run)(struct broker *b, struct message *m, struct str recipient);
};

/* Puts the waiting parts that serve the recipient (empty: all) where they
 * belong, to be tried now. */
static unsigned
place_now(struct broker *b, struct message *m, struct str recipient)
{
	unsigned count = 0;

	for (struct part *p = m->parts; p != NULL; p = p->next) {
		struct schedule *s;
		bool concerned = recipient.len == 0;
		for (unsigned i = 0; !concerned && i < work_recipient_count(m->work); i++)
			concerned = str_eq_ci(recipient, str_c(work_recipient(m->work, i)->address)) &&
				    part_serves(p, work_recipient(m->work, i), work_status(m->work, i));
		if (!concerned)
			continue;
		count++;
		if (p->state == PART_ACTIVE)
			continue;
		part_place(b, p, 0);
		if (p->state == PART_READY)
			part_schedule(b, p, &s)->hasten(s, p);
	}
	return count;
}

static const char *
order_retry(struct broker *b, struct message *m, struct str recipient)
{
	if ((m->flags & MESSAGE_HELD) != 0)
		return NULL;
	return place_now(b, m, recipient) != 0 ? "will be tried now" : NULL;
}

void
orders_hold(struct broker *b, struct message *m, const char *why)
{
	/* From now on it is given to nobody, but may be in the hands of some. */
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

static const char *
order_hold(struct broker *b, struct message *m, struct str recipient)
{
	if ((m->flags & MESSAGE_HELD) != 0 || recipient.len != 0)
		return NULL;
	orders_hold(b, m, "by the operator");
	return m->active != 0 ? "held, after what is being delivered now" : "held";
}

static const char *
order_release(struct broker *b, struct message *m, struct str recipient)
{
	if ((m->flags & MESSAGE_HELD) == 0 || recipient.len != 0)
		return NULL;
	message_set_held(b, m, false);
	m->work->state->held = false;
	work_add_event(m->work, "released", 0, b->config.id, "by the operator");
	place_now(b, m, STR_NONE);
	message_set_deadline(b, m);
	return "released";
}

#define DELETED_BY "deleted by the operator"

void
orders_delete_rest(struct broker *b, struct message *m)
{
	message_give_up(b, m, STR_NONE, "deleted", "5.7.0", DELETED_BY, false);
}

static const char *
order_delete(struct broker *b, struct message *m, struct str recipient)
{
	unsigned count;

	if (recipient.len == 0) {
		m->flags |= MESSAGE_DELETED;
		m->work->state->deleted = true;
		m->work->dirty = true;
	}
	count = message_give_up(b, m, recipient, "deleted", "5.7.0", DELETED_BY, false);
	if (m->active != 0)
		return recipient.len == 0 ? "deleted, but for what is being delivered now"
		       : count != 0	  ? "deleted"
					  : NULL;
	return count != 0 ? "deleted" : NULL;
}

static const struct order orders[] = {
	/* verb    work	  */
	{"retry", false, order_retry},
	{"hold", true, order_hold},
	{"release", true, order_release},
	{"delete", true, order_delete},
};

/* ---- An order waits for its messages to be read ---- */
enum { ORDER_MS = 20000, IDS_MAX = 20000 };

/* What one frame asked for. */
struct order_batch {
	const struct order *order;
	char *recipient; /* owner */
	char *peer;	 /* owner */
	size_t peer_len;
	uint64_t request;
	unsigned due, done; /* messages */
	bool single;
	char text[ERR_TEXT_MAX]; /* of the last message */
};

struct waiting_order {
	char id[SPOOL_ID_MAX];
	int64_t until_ms;	   /* monotonic */
	struct order_batch *batch; /* owner is the last */
	struct waiting_order *next;
};

static void
reply(struct broker *b, const struct order_batch *batch)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueOrderReply body = STAGEPOST__QUEUE_ORDER_REPLY__INIT;

	body.done = batch->done != 0;
	body.count = batch->done;
	body.text = (char *)(uintptr_t)(batch->single ? batch->text : "");
	frame.request = batch->request;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY;
	frame.queue_order_reply = &body;
	if (b->bus != NULL)
		bus_server_send(b->bus, str_of(batch->peer, batch->peer_len), &frame, NULL);
}

/* The last message of the batch ends it. */
static void
end_one(struct broker *b, struct order_batch *batch, bool done, const char *text)
{
	batch->done += done;
	if (text != batch->text)
		str_copy(str_c(text), batch->text, sizeof(batch->text));
	if (--batch->due != 0)
		return;
	reply(b, batch);
	mem_free(batch->recipient);
	mem_free(batch->peer);
	mem_free(batch);
}

static void
run(struct broker *b, struct message *m, struct order_batch *batch)
{
	const char *text = batch->order->run(b, m, str_c(batch->recipient));

	log_info(NULL, "order", F_C("id", m->id), F_C("verb", batch->order->verb),
		 F_C("result", text != NULL ? text : "refused"));
	end_one(b, batch, text != NULL, text != NULL ? text : "nothing of this message is in that state");
}

static void
on_work(struct broker *b, struct message *m, const struct err *err)
{
	struct waiting_order **link = &b->orders, *o;

	while ((o = *link) != NULL) {
		if (strcmp(o->id, m->id) != 0) {
			link = &o->next;
			continue;
		}
		*link = o->next;
		if (err != NULL)
			end_one(b, o->batch, false, err->text);
		else
			run(b, m, o->batch);
		mem_free(o);
	}
	message_settle(b, m);
}

static void
give(struct broker *b, struct order_batch *batch, const char *id)
{
	unsigned number;
	struct shard *s = spool_id_parse(str_c(id), &number, NULL) ? shards_owned(b, number) : NULL;
	struct message *m = s != NULL ? message_find(s, str_c(id)) : NULL;
	struct waiting_order *o;

	if (m == NULL || (m->flags & MESSAGE_FINISHING) != 0) {
		end_one(b, batch, false, s == NULL ? "not this broker's shard" : "not in the queue");
	} else if (!batch->order->needs_work && batch->recipient[0] == '\0') {
		run(b, m, batch);
		message_settle(b, m);
	} else {
		o = mem_new(struct waiting_order);
		*o = (struct waiting_order){
			.batch = batch, .until_ms = clock_monotonic_ms() + ORDER_MS, .next = b->orders};
		memcpy(o->id, m->id, sizeof(o->id));
		b->orders = o;
		message_with_work(b, m, on_work);
	}
}

void
orders_on_order(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	const Stagepost__QueueOrder *asked = frame->queue_order;
	bool single = asked->n_ids == 0;
	struct order_batch *batch = mem_new(struct order_batch);
	size_t count = single ? 1 : asked->n_ids;

	batch->peer = mem_strndup(peer.p, peer.len);
	batch->peer_len = peer.len;
	batch->request = frame->request;
	batch->recipient = mem_strdup(asked->recipient);
	batch->single = single;
	batch->due = 1; /* until all are given */
	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strcmp(orders[i].verb, asked->verb) == 0)
			batch->order = &orders[i];
	for (size_t i = 0; batch->order != NULL && count <= IDS_MAX && i < count; i++) {
		batch->due++;
		give(b, batch, single ? asked->id : asked->ids[i]);
	}
	end_one(b, batch, false, batch->order == NULL ? "unknown verb" : batch->text);
}

/* Of messages that went before they were read. */
static void
end_until(struct broker *b, int64_t now_ms)
{
	struct waiting_order **link = &b->orders, *o;

	while ((o = *link) != NULL) {
		if (o->until_ms > now_ms) {
			link = &o->next;
			continue;
		}
		*link = o->next;
		end_one(b, o->batch, false, "not in the queue");
		mem_free(o);
	}
}

void
orders_tick(struct broker *b)
{
	end_until(b, clock_monotonic_ms());
}

void
orders_free(struct broker *b)
{
	end_until(b, INT64_MAX);
}
