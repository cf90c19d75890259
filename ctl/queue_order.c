/* The commands queue retry, hold, release and delete: for messages by their ids,
 * or for those that queue list would show. */
#include <stdio.h>

#include "ctl/brokers.h"
#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/queue_filter.h"
#include "lib/admin/queue.h"

static int
order_ids(struct ctl *ctl, struct admin_brokers *b, const char *verb, int count, char **ids)
{
	struct ctl_result r = CTL_RESULT;
	const cJSON *o;
	int status = 0;

	admin_queue_order(b, verb, (const char *const *)ids, (size_t)count, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	brokers_tell_missing(ctl, r.json);
	cJSON_ArrayForEach (o, cJSON_GetObjectItem(r.json, "messages")) {
		const char *id = output_text(o, "id");
		const char *text = output_text(o, "text");
		bool done = cJSON_IsTrue(cJSON_GetObjectItem(o, "done"));
		status |= !done;
		if (ctl->json)
			continue;
		if (done)
			printf("%s: %s\n", id, text);
		else
			ctl_fail("%s: %s", id, text);
	}
	if (ctl->json)
		output_json(cJSON_DetachItemFromObject(r.json, "messages"));
	cJSON_Delete(r.json);
	return status;
}

static int
order_filtered(struct ctl *ctl, struct admin_brokers *b, const char *verb, const Stagepost__QueueFilter *filter)
{
	struct ctl_result r = CTL_RESULT;

	admin_queue_order_all(b, verb, filter, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	brokers_tell_missing(ctl, r.json);
	if (ctl->json)
		output_json(r.json);
	else {
		printf("%s: %.0f messages\n", verb, output_number(r.json, "count"));
		cJSON_Delete(r.json);
	}
	return ctl->is_partial ? 1 : 0;
}

static int
order_messages(struct ctl *ctl, const char *verb, const char *name, int argc, char **argv)
{
	Stagepost__QueueFilter filter;
	struct admin_brokers *b;
	struct err err;
	bool any, all;

	if (queue_filter_take(name, &argc, argv, &filter, &any) != 0)
		return 1;
	all = ctl_take_flag(&argc, argv, "--all");
	if (ctl_has_unknown_option(argc, argv))
		return 1;
	/* Either ids or filters: the meaning must be unambiguous. */
	if ((argc != 0) + any + all != 1)
		return ctl_usage(name);
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	if ((b = brokers_get(ctl)) == NULL)
		return 1;
	return argc != 0 ? order_ids(ctl, b, verb, argc, argv) : order_filtered(ctl, b, verb, &filter);
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
