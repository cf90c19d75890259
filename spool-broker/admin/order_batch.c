/* Orders in progress: one frame is a batch of ids; each message is read, changed
 * and saved, and the operator is answered when Redis has the last one.
 *
 * An answered order is durable: a broker that is killed before that has not
 * answered. What the store does not confirm in time is reported as unknown.
 *
 * The ids are processed in slices of the loop, and only a limited number are
 * read or saved at once, so that an order for a whole queue does not hold up
 * mail. */
#include "spool-broker/admin/order_batch.h"

#include <string.h>
#include <uthash.h>
#include <utlist.h>

#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/base/turn.h"
#include "spool-broker/admin/orders.h"
#include "spool-broker/broker.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/work.h"
#include "spool-broker/spool/shards.h"
#include "spool-broker/spool/writer.h"

enum {
	IDS_MAX = 20000,
	ORDER_MS = 20000, /* shorter than the asker's own time-out, so that it hears that the result is unknown */
	SLICE_MS = 1,	  /* of the loop, measured in whole ms: two at most */
	WAITING_MAX = 256 /* orders to messages that are being read or saved */
};

/* The request of one frame. */
struct order_batch {
	struct order_batch *prev, *next; /* of the batches that have ids left */
	const struct order *order;
	char *recipient; /* owner */
	char *peer;	 /* owner */
	size_t peer_len;
	uint64_t request;
	char (*ids)[SPOOL_ID_MAX]; /* owner */
	size_t count, at;	   /* at: the next one */
	int64_t until_ms;	   /* monotonic: orders that have not begun by then are not run */
	unsigned due, done;	   /* messages */
	bool single;
	char text[ERR_TEXT_MAX]; /* of the last message */
};

enum waits_for {
	WAITS_FOR_WORK, /* to be read */
	WAITS_FOR_SAVE	/* ran; Redis has not answered yet */
};

/* An order to one message. */
struct waiting_order {
	UT_hash_handle hh;	    /* by id: the first of its message */
	struct waiting_order *next; /* owner: the others, in order */
	char id[SPOOL_ID_MAX];
	enum waits_for waits_for;
	unsigned saves; /* WAITS_FOR_SAVE: answered once it is durable; a finish counts too */
	const char *text;
	int64_t until_ms;	   /* monotonic */
	struct order_batch *batch; /* owner is the last */
};

struct orders {
	struct broker *broker;	       /* borrowed */
	struct order_batch *batches;   /* list: with ids left; they take turns */
	struct waiting_order *waiting; /* owner: hash */
	unsigned waiting_count;
	struct event *turn; /* owner */
};

/* ---- Answers ---- */
static void
batch_reply(struct broker *b, const struct order_batch *batch)
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

/* The last message ends the batch. */
static void
batch_end_one(struct broker *b, struct order_batch *batch, bool done, const char *text)
{
	batch->done += done;
	if (text != batch->text)
		str_copy(str_c(text), batch->text, sizeof(batch->text));
	if (--batch->due != 0)
		return;
	batch_reply(b, batch);
	mem_free(batch->recipient);
	mem_free(batch->peer);
	mem_free(batch->ids);
	mem_free(batch);
}

/* ---- Waiting orders ---- */
static struct waiting_order *
waiting_find(const struct orders *all, const char *id)
{
	struct waiting_order *first = NULL;

	if (all != NULL)
		HASH_FIND_STR(all->waiting, id, first);
	return first;
}

/* Takes all orders to the message out of the hash. */
static struct waiting_order *
waiting_take(struct orders *all, const char *id)
{
	struct waiting_order *first = waiting_find(all, id);

	if (first != NULL)
		HASH_DEL(all->waiting, first);
	return first;
}

/* Appends the order behind the others of its message. */
static void
waiting_put(struct orders *all, struct waiting_order *o)
{
	struct waiting_order *first = waiting_find(all, o->id);

	o->next = NULL;
	if (first == NULL) {
		HASH_ADD_STR(all->waiting, id, o);
		return;
	}
	while (first->next != NULL)
		first = first->next;
	first->next = o;
}

static void
waiting_end(struct orders *all, struct waiting_order *o, bool done, const char *text)
{
	batch_end_one(all->broker, o->batch, done, text);
	mem_free(o);
	all->waiting_count--;
	if (all->batches != NULL)
		event_add(all->turn, NULL);
}

/* ---- Running ---- */
/* Waits for the save that the order requires, or ends. */
static void
order_run(struct orders *all, struct message *m, struct waiting_order *o)
{
	struct broker *b = all->broker;
	const struct order *order = o->batch->order;
	bool saving = m->saving, changed;

	if ((m->flags & MESSAGE_FINISHING) != 0) {
		waiting_end(all, o, false, "not in the queue");
		return;
	}
	o->text = order->run(b, m, str_c(o->batch->recipient));
	changed = m->work != NULL && m->work->dirty;
	log_info(NULL, "order", F_C("id", m->id), F_C("verb", order->verb),
		 F_C("result", o->text != NULL ? o->text : "refused"));
	message_settle(b, m);
	if (o->text == NULL)
		waiting_end(all, o, false, "no recipient of this message is in that state");
	else if (!changed)
		waiting_end(all, o, true, o->text);
	else {
		/* A save that is already in progress does not include it. */
		o->waits_for = WAITS_FOR_SAVE;
		o->saves = saving ? 2 : 1;
		waiting_put(all, o);
		if ((m->flags & MESSAGE_FINISHING) != 0)
			writer_hurry(m->shard);
	}
}

static void
batch_on_work(struct broker *b, struct message *m, const struct err *err)
{
	struct orders *all = b->orders;
	struct waiting_order *o = waiting_take(all, m->id), *next;

	for (; o != NULL; o = next) {
		next = o->next;
		if (o->waits_for == WAITS_FOR_SAVE)
			waiting_put(all, o);
		else if (err != NULL)
			waiting_end(all, o, false, err->text);
		else
			order_run(all, m, o);
	}
	message_settle(b, m);
}

static void
order_give(struct orders *all, struct order_batch *batch, const char *id)
{
	struct broker *b = all->broker;
	unsigned number;
	struct shard *s = spool_id_parse(str_c(id), &number, NULL) ? shards_owned(b, number) : NULL;
	struct message *m = s != NULL ? message_find(s, str_c(id)) : NULL;
	struct waiting_order *o;

	if (m == NULL || (m->flags & MESSAGE_FINISHING) != 0) {
		batch_end_one(b, batch, false, s == NULL ? "not this broker's shard" : "not in the queue");
		return;
	}
	o = mem_new(struct waiting_order);
	*o = (struct waiting_order){.batch = batch, .until_ms = clock_monotonic_ms() + ORDER_MS};
	memcpy(o->id, m->id, sizeof(o->id));
	all->waiting_count++;
	if (batch->order->needs_work(m) || batch->recipient[0] != '\0') {
		waiting_put(all, o);
		message_with_work(b, m, batch_on_work);
	} else
		order_run(all, m, o);
}

static void
batch_on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct orders *all = arg;
	int64_t begun_ms = clock_monotonic_ms();
	struct order_batch *batch;

	(void)fd, (void)what;
	while ((batch = all->batches) != NULL && all->waiting_count < WAITING_MAX &&
	       clock_monotonic_ms() - begun_ms < SLICE_MS) {
		/* One order of each batch in turn, so that a short batch does not wait for a long one. */
		DL_DELETE(all->batches, batch);
		if (batch->at == batch->count || begun_ms >= batch->until_ms) {
			batch->due -= (unsigned)(batch->count - batch->at);
			batch_end_one(all->broker, batch, false, batch->text);
			continue;
		}
		DL_APPEND(all->batches, batch);
		order_give(all, batch, batch->ids[batch->at++]);
	}
	if (all->batches != NULL && all->waiting_count < WAITING_MAX)
		event_add(all->turn, NULL);
}

/* ---- From outside ---- */
static struct orders *
batch_orders_get(struct broker *b)
{
	if (b->orders != NULL)
		return b->orders;
	b->orders = mem_new(struct orders);
	b->orders->broker = b;
	b->orders->turn = turn_event_new(b->config.base, batch_on_turn, b->orders);
	return b->orders;
}

void
orders_on_order(struct broker *b, struct str peer, const Stagepost__Frame *frame)
{
	const Stagepost__QueueOrder *asked = frame->queue_order;
	struct orders *all = batch_orders_get(b);
	bool single = asked->n_ids == 0;
	struct order_batch *batch = mem_new(struct order_batch);
	size_t count = single ? 1 : asked->n_ids;

	batch->peer = mem_strndup(peer.p, peer.len);
	batch->peer_len = peer.len;
	batch->request = frame->request;
	batch->recipient = mem_strdup(asked->recipient);
	batch->single = single;
	batch->order = order_find(asked->verb);
	batch->until_ms = clock_monotonic_ms() + ORDER_MS;
	batch->due = 1; /* until all are started */
	if (batch->order == NULL || count > IDS_MAX) {
		batch_end_one(b, batch, false, batch->order == NULL ? "unknown verb" : "too many ids");
		return;
	}
	batch->ids = mem_zalloc(count * sizeof(*batch->ids));
	batch->count = count;
	batch->due += (unsigned)count;
	for (size_t i = 0; i < count; i++)
		/* A batch that is too long is treated as empty and is refused in its turn. */
		if (!str_copy(str_c(single ? asked->id : asked->ids[i]), batch->ids[i], SPOOL_ID_MAX))
			batch->ids[i][0] = '\0';
	DL_APPEND(all->batches, batch);
	event_add(all->turn, NULL);
}

void
orders_on_news(struct broker *b, const struct message *m, enum message_news news)
{
	struct orders *all = b->orders;
	struct waiting_order *o = waiting_take(all, m->id), *next;

	for (; o != NULL; o = next) {
		next = o->next;
		if (o->waits_for == WAITS_FOR_SAVE &&
		    (news == MESSAGE_NEWS_FINISHED || (news == MESSAGE_NEWS_SAVED && --o->saves == 0)))
			waiting_end(all, o, true, o->text);
		else if (news == MESSAGE_NEWS_SAVED)
			waiting_put(all, o);
		else
			waiting_end(all, o, false,
				    o->waits_for == WAITS_FOR_SAVE ? "unknown: the shard moved to another broker first"
								   : "not in the queue");
	}
}

/* For messages about which the store does not answer. */
static void
batch_end_until(struct orders *all, int64_t now_ms)
{
	struct waiting_order *first, *next_id, *o, *next;

	HASH_ITER (hh, all->waiting, first, next_id) {
		if (first->until_ms > now_ms)
			continue; /* nor the others of this message: they came later */
		HASH_DEL(all->waiting, first);
		for (o = first; o != NULL; o = next) {
			next = o->next;
			if (o->until_ms > now_ms)
				waiting_put(all, o);
			else
				waiting_end(all, o, false, "unknown: the store does not answer");
		}
	}
}

void
orders_tick(struct broker *b)
{
	if (b->orders == NULL)
		return;
	batch_end_until(b->orders, clock_monotonic_ms());
	if (b->orders->batches != NULL)
		event_add(b->orders->turn, NULL);
}

void
orders_free(struct broker *b)
{
	struct orders *all = b->orders;
	struct order_batch *batch, *next;

	if (all == NULL)
		return;
	batch_end_until(all, INT64_MAX);
	DL_FOREACH_SAFE (all->batches, batch, next) {
		batch->due -= (unsigned)(batch->count - batch->at);
		batch_end_one(b, batch, false, batch->text);
	}
	event_free(all->turn);
	mem_free(all);
	b->orders = NULL;
}
