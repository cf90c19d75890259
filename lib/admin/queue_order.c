/* Orders to the brokers that own the messages, by id or by filter. Repeating an
 * order does no harm. */
#include <string.h>

#include "lib/admin/queue.h"
#include "lib/admin/round.h"
#include "lib/base/mem.h"
#include "lib/spool/id.h"

enum { PAGE_IDS = 1000 };

/* ---- By id ---- */
struct orders {
	const char *verb;
	const char **ids;
	size_t count;
	size_t *question; /* of the round, by id; SIZE_MAX: nobody was asked */
};

static void
orders_add_result(cJSON *messages, const char *id, bool done, const char *text)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "id", id);
	cJSON_AddBoolToObject(o, "done", done);
	cJSON_AddStringToObject(o, "text", text);
	cJSON_AddItemToArray(messages, o);
}

static void
orders_on_answers(struct admin_call *call, struct admin_round *round)
{
	const struct orders *o = call->state;
	cJSON *messages = cJSON_AddArrayToObject(call->result, "messages");

	admin_round_tell_missing(round);
	for (size_t i = 0; i < o->count; i++) {
		const Stagepost__Frame *answer =
			o->question[i] != SIZE_MAX ? admin_round_answer(round, (unsigned)o->question[i]) : NULL;
		if (answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY)
			orders_add_result(messages, o->ids[i], answer->queue_order_reply->done,
					  answer->queue_order_reply->text);
		else
			orders_add_result(messages, o->ids[i], false,
					  o->question[i] != SIZE_MAX			 ? "its broker did not answer"
					  : spool_id_parse(str_c(o->ids[i]), NULL, NULL) ? "no broker owns its shard"
											 : "not a message's id");
	}
	admin_call_end(call, NULL);
}

static void
orders_on_ready(struct admin_call *call, struct admin_round *round)
{
	struct orders *o = call->state;

	for (size_t i = 0; i < o->count; i++) {
		Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
		Stagepost__QueueOrder order = STAGEPOST__QUEUE_ORDER__INIT;

		order.verb = (char *)(uintptr_t)o->verb;
		order.id = (char *)(uintptr_t)o->ids[i];
		frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER;
		frame.queue_order = &order;
		o->question[i] = admin_round_count(round);
		if (!admin_round_ask_owner(round, str_c(o->ids[i]), &frame))
			o->question[i] = SIZE_MAX;
	}
	admin_round_send(round, orders_on_answers);
}

struct admin_call *
admin_queue_order(struct admin_brokers *b, const char *verb, const char *const *ids, size_t count, admin_on_result *cb,
		  void *arg)
{
	struct admin_call *call = admin_round_call_new(b, cb, arg);
	struct orders *o = arena_new(&call->op.arena, struct orders);

	call->state = o;
	o->verb = arena_strdup(&call->op.arena, verb);
	o->ids = arena_array(&call->op.arena, const char *, count + 1);
	o->question = arena_array(&call->op.arena, size_t, count + 1);
	for (size_t i = 0; i < count; i++)
		o->ids[i] = arena_strdup(&call->op.arena, ids[i]);
	o->count = count;
	admin_round_begin(b, call, orders_on_ready);
	return call;
}

/* ---- By filter: a page of ids from each broker, then the order for these ---- */
struct matching {
	struct admin_brokers *brokers; /* borrowed */
	const char *verb;
	Stagepost__QueueFilter *filter;
	char after[SPOOL_ID_MAX]; /* everything up to here has its order, or gets it in this round */
	unsigned asked;		  /* brokers asked for ids */
	uint64_t done;
};

static admin_on_round matching_on_ready;

static const Stagepost__QueuePage *
matching_page(const struct admin_round *round, unsigned i)
{
	const Stagepost__Frame *answer = admin_round_answer(round, i);
	return answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_PAGE ? answer->queue_page : NULL;
}

static void
matching_on_ordered(struct admin_call *call, struct admin_round *round)
{
	struct matching *m = call->state;

	admin_round_tell_missing(round);
	for (unsigned i = m->asked; i < admin_round_count(round); i++) {
		const Stagepost__Frame *answer = admin_round_answer(round, i);
		if (answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY)
			m->done += answer->queue_order_reply->count;
	}
	if (m->after[0] != '\0') {
		admin_round_begin(m->brokers, call, matching_on_ready);
		return;
	}
	cJSON_AddStringToObject(call->result, "order", m->verb);
	cJSON_AddNumberToObject(call->result, "count", (double)m->done);
	admin_call_end(call, NULL);
}

/* Orders the ids up to the bound, each from the broker that reported it. The
 * pages of the brokers end at different ids, but all must continue from the
 * same one. */
static void
matching_order_page(struct admin_call *call, struct admin_round *round, unsigned i, const char *bound)
{
	const struct matching *m = call->state;
	const Stagepost__QueuePage *page = matching_page(round, i);
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueOrder order = STAGEPOST__QUEUE_ORDER__INIT;

	if (page == NULL)
		return;
	order.verb = (char *)(uintptr_t)m->verb;
	order.ids = mem_alloc((page->n_entries + 1) * sizeof(*order.ids));
	for (size_t k = 0; k < page->n_entries; k++)
		if (bound[0] == '\0' || strcmp(page->entries[k]->id, bound) <= 0)
			order.ids[order.n_ids++] = page->entries[k]->id;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER;
	frame.queue_order = &order;
	if (order.n_ids != 0)
		admin_round_ask_again(round, i, &frame);
	mem_free(order.ids);
}

static void
matching_on_ids(struct admin_call *call, struct admin_round *round)
{
	struct matching *m = call->state;
	const char *bound = "";

	m->asked = admin_round_count(round);
	for (unsigned i = 0; i < m->asked; i++) {
		const Stagepost__QueuePage *page = matching_page(round, i);
		if (page != NULL && page->next_after[0] != '\0' &&
		    (bound[0] == '\0' || strcmp(page->next_after, bound) < 0))
			bound = page->next_after;
	}
	str_copy(str_c(bound), m->after, sizeof(m->after));
	for (unsigned i = 0; i < m->asked; i++)
		matching_order_page(call, round, i, m->after);
	admin_round_send(round, matching_on_ordered);
}

static void
matching_on_ready(struct admin_call *call, struct admin_round *round)
{
	struct matching *m = call->state;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueQuery query = STAGEPOST__QUEUE_QUERY__INIT;

	query.filter = m->filter;
	query.after = m->after;
	query.limit = PAGE_IDS;
	query.ids_only = true;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &query;
	admin_round_ask_all(round, &frame);
	admin_round_send(round, matching_on_ids);
}

struct admin_call *
admin_queue_order_all(struct admin_brokers *b, const char *verb, const Stagepost__QueueFilter *filter,
		      admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_round_call_new(b, cb, arg);
	struct matching *m = arena_new(&call->op.arena, struct matching);

	call->state = m;
	m->brokers = b;
	m->verb = arena_strdup(&call->op.arena, verb);
	m->filter = admin_filter_copy(&call->op.arena, filter);
	admin_round_begin(b, call, matching_on_ready);
	return call;
}
