/* The commands queue retry, hold, release and delete: orders to the brokers that
 * own the messages, by id or by what queue list would show. */
#include <stdio.h>
#include <string.h>

#include "ctl/brokers.h"
#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/queue_filter.h"
#include "lib/base/mem.h"
#include "lib/spool/id.h"

enum { PAGE_IDS = 1000 };

/* ---- By id ---- */
static bool
order_one(struct brokers *b, const char *verb, const char *id, char *text, size_t size)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueOrder order = STAGEPOST__QUEUE_ORDER__INIT;
	const Stagepost__Frame *answer;
	int owner = brokers_find(b, id);

	str_copy(STR("its broker did not answer"), text, size);
	if (!spool_id_parse(str_c(id), NULL, NULL))
		str_copy(STR("not a message's id"), text, size);
	else if (owner < 0)
		str_copy(STR("no broker owns its shard"), text, size);
	if (owner < 0)
		return false;
	order.verb = (char *)(uintptr_t)verb;
	order.id = (char *)(uintptr_t)id;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER;
	frame.queue_order = &order;
	brokers_ask(b, (unsigned)owner, &frame);
	brokers_wait(b);
	answer = brokers_answer(b, (unsigned)owner);
	if (answer == NULL || answer->body_case != STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY)
		return false;
	str_copy(str_c(answer->queue_order_reply->text), text, size);
	return answer->queue_order_reply->done;
}

static int
order_ids(struct ctl *ctl, struct brokers *b, const char *verb, int count, char **ids)
{
	cJSON *list = ctl->json ? cJSON_CreateArray() : NULL;
	int status = 0;

	for (int i = 0; i < count; i++) {
		char text[300];
		bool done = order_one(b, verb, ids[i], text, sizeof(text));
		if (!done)
			status = 1;
		if (list != NULL) {
			cJSON *o = cJSON_CreateObject();
			cJSON_AddStringToObject(o, "id", ids[i]);
			cJSON_AddBoolToObject(o, "done", done);
			cJSON_AddStringToObject(o, "text", text);
			cJSON_AddItemToArray(list, o);
		} else if (done)
			printf("%s: %s\n", ids[i], text);
		else
			ctl_fail("%s: %s", ids[i], text);
	}
	if (list != NULL)
		output_json(list);
	return status;
}

/* ---- By filter ---- */
/* A page of ids of one broker; *after moves on, and is empty at the end. */
static Stagepost__QueueEntry **
ask_ids(struct brokers *b, unsigned number, Stagepost__QueueFilter *filter, char *after, size_t *count_out)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueQuery query = STAGEPOST__QUEUE_QUERY__INIT;
	const Stagepost__Frame *answer;

	query.filter = filter;
	query.after = after;
	query.limit = PAGE_IDS;
	query.ids_only = true;
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_QUERY;
	frame.queue_query = &query;
	brokers_ask(b, number, &frame);
	brokers_wait(b);
	answer = brokers_answer(b, number);
	*count_out = 0;
	after[0] = '\0';
	if (answer == NULL || answer->body_case != STAGEPOST__FRAME__BODY_QUEUE_PAGE)
		return NULL;
	str_copy(str_c(answer->queue_page->next_after), after, SPOOL_ID_MAX);
	*count_out = answer->queue_page->n_entries;
	return answer->queue_page->entries;
}

static uint64_t
order_page(struct brokers *b, unsigned number, const char *verb, Stagepost__QueueEntry **entries, size_t count)
{
	Stagepost__Frame frame = STAGEPOST__FRAME__INIT;
	Stagepost__QueueOrder order = STAGEPOST__QUEUE_ORDER__INIT;
	const Stagepost__Frame *answer;

	order.verb = (char *)(uintptr_t)verb;
	order.ids = mem_alloc((count + 1) * sizeof(*order.ids));
	for (size_t i = 0; i < count; i++)
		order.ids[order.n_ids++] = mem_strdup(entries[i]->id); /* they go with the next question */
	frame.body_case = STAGEPOST__FRAME__BODY_QUEUE_ORDER;
	frame.queue_order = &order;
	if (count != 0) {
		brokers_ask(b, number, &frame);
		brokers_wait(b);
	}
	for (size_t i = 0; i < count; i++)
		mem_free(order.ids[i]);
	mem_free(order.ids);
	answer = count != 0 ? brokers_answer(b, number) : NULL;
	return answer != NULL && answer->body_case == STAGEPOST__FRAME__BODY_QUEUE_ORDER_REPLY
		       ? answer->queue_order_reply->count
		       : 0;
}

static int
order_filtered(struct ctl *ctl, struct brokers *b, const char *verb, Stagepost__QueueFilter *filter)
{
	uint64_t done = 0;

	for (unsigned i = 0; i < brokers_count(b); i++) {
		char after[SPOOL_ID_MAX] = "";
		do {
			size_t count;
			Stagepost__QueueEntry **entries = ask_ids(b, i, filter, after, &count);
			done += order_page(b, i, verb, entries, count);
		} while (after[0] != '\0');
	}
	if (ctl->json) {
		cJSON *o = cJSON_CreateObject();
		cJSON_AddStringToObject(o, "order", verb);
		cJSON_AddNumberToObject(o, "count", (double)done);
		output_json(o);
	} else
		printf("%s: %llu messages\n", verb, (unsigned long long)done);
	return brokers_are_whole(b) ? 0 : 1;
}

static int
order_messages(struct ctl *ctl, const char *verb, const char *name, int argc, char **argv)
{
	Stagepost__QueueFilter filter;
	struct brokers *b;
	struct err err;
	bool any, all;
	int status;

	if (queue_filter_take(name, &argc, argv, &filter, &any) != 0)
		return 1;
	all = ctl_take_flag(&argc, argv, "--all");
	if (ctl_has_unknown_option(argc, argv))
		return 1;
	/* Either these or those: what is meant must be plain. */
	if ((argc != 0) + any + all != 1)
		return ctl_usage(name);
	if (ctl_connect(ctl, &err) != 0 || (b = brokers_new(ctl, &err)) == NULL)
		return ctl_fail("%s", err.text);
	status = argc != 0 ? order_ids(ctl, b, verb, argc, argv) : order_filtered(ctl, b, verb, &filter);
	brokers_free(&b);
	return status;
}

int
command_queue_retry(struct ctl *ctl, int argc, char **argv)
{
	return order_messages(ctl, "retry", "queue retry", argc, argv);
}

int
command_queue_hold(struct ctl *ctl, int argc, char **argv)
{
	return order_messages(ctl, "hold", "queue hold", argc, argv);
}

int
command_queue_release(struct ctl *ctl, int argc, char **argv)
{
	return order_messages(ctl, "release", "queue release", argc, argv);
}

int
command_queue_delete(struct ctl *ctl, int argc, char **argv)
{
	return order_messages(ctl, "delete", "queue delete", argc, argv);
}
