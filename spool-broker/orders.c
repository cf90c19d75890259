/* What an operator may say about a queued message. */
#include <strings.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "spool-broker/handlers.h"

struct order {
	const char *verb;
	/* The work is there. Returns words for the answer; NULL: refused, nothing
	 * of the message is concerned. */
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
		for (unsigned i = 0; i < work_recipient_count(m->work) && !concerned; i++)
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

static const char *
order_hold(struct broker *b, struct message *m, struct str recipient)
{
	if ((m->flags & MESSAGE_HELD) != 0 || recipient.len != 0)
		return NULL;
	message_set_held(b, m, true);
	m->work->state->held = true;
	work_add_event(m->work, "held", 0, b->config.id, "by the operator");
	for (struct part *p = m->parts; p != NULL; p = p->next)
		if (p->state != PART_ACTIVE)
			part_place(b, p, p->retry.time_ms);
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

	if (recipient.len == 0)
		m->flags |= MESSAGE_DELETED;
	count = message_give_up(b, m, recipient, "deleted", "5.7.0", DELETED_BY, false);
	if (m->active != 0)
		return recipient.len == 0 ? "deleted, but for what is being delivered now"
		       : count != 0	  ? "deleted"
					  : NULL;
	return count != 0 ? "deleted" : NULL;
}

static const struct order orders[] = {
	{"retry", order_retry},
	{"hold", order_hold},
	{"release", order_release},
	{"delete", order_delete},
};

static void
reply(struct broker *b, struct str peer, uint64_t request, bool done, const char *text)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueOrderReply body = STAGEPOST__QUEUE_ORDER_REPLY__INIT;

	body.done = done;
	body.text = (char *)(uintptr_t)text;
	frame.request = request;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY;
	frame.queue_order_reply = &body;
	bus_server_send(b->bus, peer, &frame, NULL);
}

/* ---- An order waits for its message to be read ---- */
struct waiting_order {
	const struct order *order;
	char id[SPOOL_ID_MAX];
	char *recipient; /* owner */
	char *peer;	 /* owner */
	size_t peer_len;
	uint64_t request;
	struct waiting_order *next;
};

static void
run(struct broker *b, struct message *m, struct waiting_order *o, const struct err *err)
{
	const char *text = err == NULL ? o->order->run(b, m, str_c(o->recipient)) : err->text;

	log_info(NULL, "order", F_C("id", o->id), F_C("verb", o->order->verb),
		 F_C("result", text != NULL ? text : "refused"));
	reply(b, str_of(o->peer, o->peer_len), o->request, err == NULL && text != NULL,
	      text != NULL ? text : "nothing of this message is in that state");
	mem_free(o->recipient);
	mem_free(o->peer);
	mem_free(o);
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
		run(b, m, o, err);
	}
	message_settle(b, m);
}

void
orders_on_order(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	const Stagepost__QueueOrder *asked = frame->queue_order;
	const struct order *order = NULL;
	struct waiting_order *o;
	struct shard *s;
	struct message *m;
	unsigned number;

	for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++)
		if (strcmp(orders[i].verb, asked->verb) == 0)
			order = &orders[i];
	s = spool_id_parse(str_c(asked->id), &number, NULL) ? shards_owned(b, number) : NULL;
	m = s != NULL ? message_find(s, str_c(asked->id)) : NULL;
	if (order == NULL || s == NULL || m == NULL || (m->flags & MESSAGE_FINISHING) != 0) {
		reply(b, peer, frame->request, false,
		      order == NULL ? "unknown verb"
		      : s == NULL   ? "not this broker's shard"
				    : "not in the queue");
		return;
	}
	o = mem_new(struct waiting_order);
	*o = (struct waiting_order){.order = order, .peer_len = peer.len, .request = frame->request, .next = b->orders};
	str_copy(str_c(asked->id), o->id, sizeof(o->id));
	o->recipient = mem_strdup(asked->recipient);
	o->peer = mem_strndup(peer.p, peer.len);
	b->orders = o;
	message_with_work(b, m, on_work);
}

void
orders_free(struct broker *b)
{
	struct waiting_order *o;

	while ((o = b->orders) != NULL) {
		b->orders = o->next;
		mem_free(o->recipient);
		mem_free(o->peer);
		mem_free(o);
	}
}
