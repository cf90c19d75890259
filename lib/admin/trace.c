/* One message: read from the store, so that it is found whatever happened to the
 * broker that accepted it; and what its broker is doing with it now. */
#include <string.h>

#include "lib/admin/message.h"
#include "lib/admin/queue.h"
#include "lib/admin/round.h"
#include "lib/spool/id.h"
#include "lib/spool/spool.h"

struct trace {
	char id[SPOOL_ID_MAX];
	struct admin_brokers *brokers; /* borrowed; NULL: no broker is asked */
};

static void
trace_on_now(struct admin_call *call, struct admin_round *round)
{
	const Stagepost__Frame *answer = admin_round_count(round) != 0 ? admin_round_answer(round, 0) : NULL;

	admin_round_tell_missing(round);
	if (answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_PAGE &&
	    answer->queue_page->n_entries == 1)
		admin_message_add_entry(call->result, answer->queue_page->entries[0]);
	admin_call_end(call, NULL);
}

static void
trace_on_ready(struct admin_call *call, struct admin_round *round)
{
	struct trace *t = call->state;
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueQuery query = STAGEPOST__QUEUE_QUERY__INIT;

	query.id = t->id;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &query;
	admin_round_ask_owner(round, str_c(t->id), &frame);
	admin_round_send(round, trace_on_now);
}

static void
trace_on_entry(void *arg, const struct spool_entry *entry, const struct err *err)
{
	struct admin_call *call = arg;
	struct trace *t = call->state;
	struct err bad;

	if (!op_back(&call->op))
		return;
	if (err != NULL && err->code == ERR_NOT_FOUND)
		err_set(&bad, ERR_NOT_FOUND, "message %s is not in the queue, and its trace is not kept any more",
			t->id);
	else if (err != NULL)
		bad = *err;
	else if ((call->result = admin_message_record(entry)) == NULL)
		err_set(&bad, ERR_CORRUPT, "the stored data of %s is damaged", t->id);
	if (call->result == NULL) {
		admin_call_end(call, &bad);
		return;
	}
	if (t->brokers == NULL || cJSON_HasObjectItem(call->result, "finished")) {
		admin_call_end(call, NULL);
		return;
	}
	cJSON_AddArrayToObject(call->result, "missing");
	admin_round_begin(t->brokers, call, trace_on_ready);
}

static struct admin_call *
trace_start(struct admin *a, struct admin_brokers *b, const char *id, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct trace *t = arena_new(&call->op.arena, struct trace);

	call->state = t;
	t->brokers = b;
	if (!spool_id_parse(str_c(id), NULL, NULL)) {
		admin_call_refuse(call, ERR_INVALID, "'%s' is not a message's id", id);
		return call;
	}
	str_copy(str_c(id), t->id, sizeof(t->id));
	op_hold(&call->op);
	spool_find(a->redis, str_c(t->id), trace_on_entry, call);
	return call;
}

struct admin_call *
admin_trace(struct admin *a, const char *id, admin_on_result *cb, void *arg)
{
	return trace_start(a, NULL, id, cb, arg);
}

struct admin_call *
admin_queue_show(struct admin_brokers *b, const char *id, admin_on_result *cb, void *arg)
{
	return trace_start(admin_brokers_admin(b), b, id, cb, arg);
}
