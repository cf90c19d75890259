/* Pages of all brokers, merged in order of id. */
#include <stdlib.h>
#include <string.h>

#include "lib/admin/message.h"
#include "lib/admin/queue.h"
#include "lib/admin/round.h"
#include "lib/spool/id.h"

enum { SLICE = 40 }; /* messages converted to JSON per turn: some 1 ms */

struct list {
	Stagepost__QueueFilter *filter; /* in the arena */
	char after[SPOOL_ID_MAX];	/* of the request, then of the next page */
	uint64_t limit;
	Stagepost__QueueEntry **entries; /* in the arena, by id */
	size_t count, at;
	cJSON *messages; /* borrowed: the result's */
};

static const Stagepost__QueuePage *
list_page(const struct admin_round *round, unsigned i)
{
	const Stagepost__Frame *answer = admin_round_answer(round, i);
	return answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_PAGE ? answer->queue_page : NULL;
}

static int
list_by_id(const void *a, const void *b)
{
	return strcmp((*(Stagepost__QueueEntry *const *)a)->id, (*(Stagepost__QueueEntry *const *)b)->id);
}

/* The id up to which every broker has listed everything; empty: to the end. */
static const char *
list_find_bound(const struct admin_round *round, size_t *count_out)
{
	const char *bound = "";

	*count_out = 0;
	for (unsigned i = 0; i < admin_round_count(round); i++) {
		const Stagepost__QueuePage *page = list_page(round, i);
		if (page == NULL)
			continue;
		*count_out += page->n_entries;
		if (page->next_after[0] != '\0' && (bound[0] == '\0' || strcmp(page->next_after, bound) < 0))
			bound = page->next_after;
	}
	return bound;
}

/* Selects what is shown, and `after` for the rest. */
static void
list_merge(struct admin_call *call, const struct admin_round *round)
{
	struct list *l = call->state;
	size_t room, kept = 0;
	const char *bound = list_find_bound(round, &room);

	l->entries = arena_array(&call->op.arena, Stagepost__QueueEntry *, room + 1);
	for (unsigned i = 0; i < admin_round_count(round); i++) {
		const Stagepost__QueuePage *page = list_page(round, i);
		for (size_t k = 0; page != NULL && k < page->n_entries; k++)
			if (bound[0] == '\0' || strcmp(page->entries[k]->id, bound) <= 0)
				l->entries[l->count++] = page->entries[k];
	}
	str_copy(str_c(bound), l->after, sizeof(l->after));
	if (l->count > 1)
		qsort(l->entries, l->count, sizeof(*l->entries), list_by_id);
	/* A shard that moves meanwhile may be reported twice. */
	for (size_t i = 0; i < l->count; i++)
		if (kept == 0 || strcmp(l->entries[i]->id, l->entries[kept - 1]->id) != 0)
			l->entries[kept++] = l->entries[i];
	l->count = kept;
	if (l->count > l->limit) {
		l->count = (size_t)l->limit;
		str_copy(str_c(l->entries[l->count - 1]->id), l->after, sizeof(l->after));
	}
}

/* The answers stay valid meanwhile: see list_on_answers(). */
static void
list_slice(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);
	struct list *l = call->state;

	for (unsigned i = 0; i < SLICE && l->at < l->count; i++) {
		cJSON *m = admin_message_listed(l->entries[l->at++]);
		if (m != NULL)
			cJSON_AddItemToArray(l->messages, m);
	}
	if (l->at < l->count) {
		op_later(op, call->admin->base, list_slice);
		return;
	}
	cJSON_AddStringToObject(call->result, "next", l->after);
	admin_call_end(call, NULL);
}

static void
list_on_answers(struct admin_call *call, struct admin_round *round)
{
	admin_round_tell_missing(round);
	list_merge(call, round);
	admin_round_keep_answers(round);
	list_slice(&call->op);
}

static void
list_on_ready(struct admin_call *call, struct admin_round *round)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueQuery query = STAGEPOST__QUEUE_QUERY__INIT;
	struct list *l = call->state;

	query.filter = l->filter;
	query.after = l->after;
	query.limit = l->limit < ADMIN_PAGE_MAX ? (uint32_t)l->limit : ADMIN_PAGE_MAX;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &query;
	admin_round_ask_all(round, &frame);
	admin_round_send(round, list_on_answers);
}

struct admin_call *
admin_queue_list(struct admin_brokers *b, const Stagepost__QueueFilter *filter, const char *after, uint64_t limit,
		 admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_round_call_new(b, cb, arg);
	struct list *l = arena_new(&call->op.arena, struct list);

	call->state = l;
	l->filter = admin_filter_copy(&call->op.arena, filter);
	str_copy(str_c(after), l->after, sizeof(l->after));
	l->limit = limit > 0 ? limit : 1;
	l->messages = cJSON_AddArrayToObject(call->result, "messages");
	admin_round_begin(b, call, list_on_ready);
	return call;
}
