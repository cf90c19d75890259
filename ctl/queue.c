/* The commands trace and queue show: one message. */
#include <stdio.h>

#include "ctl/brokers.h"
#include "ctl/commands.h"
#include "ctl/message.h"
#include "ctl/output.h"
#include "lib/admin/queue.h"

static int
queue_print_message(const struct ctl *ctl, cJSON *record)
{
	if (record == NULL)
		return 1;
	if (ctl->json) {
		output_json(record);
		return 0;
	}
	message_print_trace(record);
	cJSON_Delete(record);
	return 0;
}

int
command_trace(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	struct err err;

	if (ctl_has_unknown_option(argc, argv) || argc != 1)
		return ctl_usage("trace");
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	admin_trace(&ctl->admin, argv[0], ctl_on_result, &r);
	return queue_print_message(ctl, ctl_await(ctl, &r));
}

int
command_queue_show(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	struct admin_brokers *b;
	struct err err;

	if (ctl_has_unknown_option(argc, argv) || argc != 1)
		return ctl_usage("queue show");
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	if ((b = brokers_get(ctl)) == NULL)
		return 1;
	admin_queue_show(b, argv[0], ctl_on_result, &r);
	if (ctl_await(ctl, &r) != NULL)
		brokers_tell_missing(ctl, r.json);
	return queue_print_message(ctl, r.json);
}
