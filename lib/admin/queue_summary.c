/* The destinations of all brokers; those of the same name are added up. */
#include <stdlib.h>
#include <string.h>

#include "lib/admin/message.h"
#include "lib/admin/queue.h"
#include "lib/admin/round.h"
#include "lib/base/clock.h"

enum { SLICE = 100 }; /* destinations converted to JSON per turn */

struct summary {
	Stagepost__QueueFilter *filter; /* in the arena */
	uint64_t limit;
	Stagepost__QueueLine **lines; /* in the arena */
	size_t count, at;
	cJSON *destinations; /* borrowed: the result's */
};

static uint64_t
summary_size(const Stagepost__QueueLine *line)
{
	return (uint64_t)line->queued + line->active + line->deferred + line->held;
}

static int
summary_by_destination(const void *a, const void *b)
{
	const Stagepost__QueueLine *x = *(Stagepost__QueueLine *const *)a, *y = *(Stagepost__QueueLine *const *)b;
	return x->kind != y->kind ? (x->kind < y->kind ? -1 : 1) : strcmp(x->destination, y->destination);
}

static int
queue_summary_largest_first(const void *a, const void *b)
{
	uint64_t x = summary_size(*(Stagepost__QueueLine *const *)a);
	uint64_t y = summary_size(*(Stagepost__QueueLine *const *)b);
	return x > y ? -1 : x < y ? 1 : summary_by_destination(a, b);
}

static uint64_t
summary_sooner(uint64_t a, uint64_t b)
{
	return a == 0 || (b != 0 && b < a) ? b : a;
}

static void
summary_add(Stagepost__QueueLine *into, const Stagepost__QueueLine *line)
{
	into->queued += line->queued;
	into->active += line->active;
	into->deferred += line->deferred;
	into->held += line->held;
	into->oldest_ms = summary_sooner(into->oldest_ms, line->oldest_ms);
	into->next_try_ms = summary_sooner(into->next_try_ms, line->next_try_ms);
	into->probe_ms = summary_sooner(into->probe_ms, line->probe_ms);
	into->throttled |= line->throttled;
	if (into->answer[0] == '\0')
		into->answer = line->answer;
	if (into->site[0] == '\0')
		into->site = line->site;
}

/* Merges lines of the same destination; returns how many are left. */
static size_t
summary_merge(Stagepost__QueueLine **lines, size_t count)
{
	size_t kept = 0;

	if (count > 1)
		qsort(lines, count, sizeof(*lines), summary_by_destination);
	for (size_t i = 0; i < count; i++) {
		if (kept == 0 || summary_by_destination(&lines[kept - 1], &lines[i]) != 0)
			lines[kept++] = lines[i];
		else
			summary_add(lines[kept - 1], lines[i]);
	}
	if (kept > 1)
		qsort(lines, kept, sizeof(*lines), queue_summary_largest_first);
	return kept;
}

/* Mail that is due is sent at once, unless the destination is suspended: then at
 * its next attempt. Deferred mail waits for both times. 0: nothing is scheduled. */
static uint64_t
summary_next_try_ms(const Stagepost__QueueLine *line)
{
	if (line->queued != 0)
		return line->probe_ms;
	return line->next_try_ms > line->probe_ms ? line->next_try_ms : line->probe_ms;
}

static cJSON *
summary_record(const Stagepost__QueueLine *line, int64_t now_ms)
{
	cJSON *o = cJSON_CreateObject();
	uint64_t next_ms = summary_next_try_ms(line);

	cJSON_AddStringToObject(o, "destination", line->destination);
	cJSON_AddStringToObject(o, "kind", admin_kind_name(line->kind));
	cJSON_AddNumberToObject(o, "queued", line->queued);
	cJSON_AddNumberToObject(o, "active", line->active);
	cJSON_AddNumberToObject(o, "deferred", line->deferred);
	cJSON_AddNumberToObject(o, "held", line->held);
	if (line->oldest_ms != 0)
		cJSON_AddNumberToObject(o, "oldest_age_ms", (double)now_ms - (double)line->oldest_ms);
	if (line->site[0] != '\0')
		cJSON_AddStringToObject(o, "site", line->site);
	cJSON_AddBoolToObject(o, "throttled", line->throttled);
	admin_add_time(o, "next_try", next_ms);
	if (next_ms != 0)
		cJSON_AddNumberToObject(o, "next_try_ms", (double)next_ms);
	admin_add_time(o, "ill_until", line->probe_ms);
	admin_add_text(o, "answer", line->answer);
	return o;
}

static void
summary_slice(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);
	struct summary *s = call->state;
	size_t wanted = s->count < s->limit ? s->count : (size_t)s->limit;
	int64_t now_ms = clock_unix_ms();

	for (unsigned i = 0; i < SLICE && s->at < wanted; i++)
		cJSON_AddItemToArray(s->destinations, summary_record(s->lines[s->at++], now_ms));
	if (s->at < wanted) {
		op_later(op, call->admin->base, summary_slice);
		return;
	}
	cJSON_AddNumberToObject(call->result, "count", (double)s->count);
	admin_call_end(call, NULL);
}

static const Stagepost__QueueSummary *
queue_summary_answer(const struct admin_round *round, unsigned i)
{
	const Stagepost__Frame *answer = admin_round_answer(round, i);
	return answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_SUMMARY ? answer->queue_summary
											   : NULL;
}

static void
summary_on_answers(struct admin_call *call, struct admin_round *round)
{
	struct summary *s = call->state;
	const Stagepost__QueueSummary *answer;
	size_t room = 1;

	admin_round_tell_missing(round);
	for (unsigned i = 0; i < admin_round_count(round); i++)
		if ((answer = queue_summary_answer(round, i)) != NULL)
			room += answer->n_lines;
	s->lines = arena_array(&call->op.arena, Stagepost__QueueLine *, room);
	for (unsigned i = 0; i < admin_round_count(round); i++) {
		answer = queue_summary_answer(round, i);
		for (size_t k = 0; answer != NULL && k < answer->n_lines; k++)
			s->lines[s->count++] = answer->lines[k];
	}
	s->count = summary_merge(s->lines, s->count);
	admin_round_keep_answers(round);
	summary_slice(&call->op);
}

static void
summary_on_ready(struct admin_call *call, struct admin_round *round)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueSummaryQuery query = STAGEPOST__QUEUE_SUMMARY_QUERY__INIT;
	const struct summary *s = call->state;

	query.filter = s->filter;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_SUMMARY_QUERY;
	frame.queue_summary_query = &query;
	admin_round_ask_all(round, &frame);
	admin_round_send(round, summary_on_answers);
}

struct admin_call *
admin_queue_summary(struct admin_brokers *b, const Stagepost__QueueFilter *filter, uint64_t limit, admin_on_result *cb,
		    void *arg)
{
	struct admin_call *call = admin_round_call_new(b, cb, arg);
	struct summary *s = arena_new(&call->op.arena, struct summary);

	call->state = s;
	s->filter = admin_filter_copy(&call->op.arena, filter);
	s->limit = limit;
	s->destinations = cJSON_AddArrayToObject(call->result, "destinations");
	admin_round_begin(b, call, summary_on_ready);
	return call;
}
