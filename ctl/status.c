/* `stagepost status`: every process, the queue, the store. */
#include "lib/admin/status.h"

#include <stdio.h>

#include "ctl/commands.h"
#include "ctl/output.h"
#include "ctl/sweep.h"

static void
status_print_certificates(const cJSON *all)
{
	cJSON *list = admin_status_certificates(all);
	const cJSON *c;

	cJSON_ArrayForEach (c, list) {
		printf("certificate: %s", output_text(c, "name"));
		if (output_text(c, "ends")[0] != '\0')
			printf(", ends %.10s (in %.0f days)", output_text(c, "ends"), output_number(c, "days_left"));
		if (output_text(c, "problem")[0] != '\0')
			printf("; the present files are NOT LOADED: %s", output_text(c, "problem"));
		printf("\n");
	}
	cJSON_Delete(list);
}

static void
status_print(const cJSON *all)
{
	const cJSON *warning, *process, *queue = cJSON_GetObjectItem(all, "queue"),
					*store = cJSON_GetObjectItem(all, "store");

	printf("%-16s %-28s %-8s %-20s %-10s %s\n", "KIND", "ID", "PID", "HOST", "HEARTBEAT", "SETTINGS");
	cJSON_ArrayForEach (process, cJSON_GetObjectItem(all, "processes"))
		printf("%-16s %-28s %-8.0f %-20s %6.0f ms  %s\n", output_text(process, "kind"),
		       output_text(process, "id"), output_number(process, "pid"), output_text(process, "host"),
		       output_number(process, "heartbeat_age_ms"), output_text(process, "settings_version"));
	printf("\nqueue: %.0f messages (%.0f queued, %.0f active, %.0f deferred, %.0f held)\n",
	       output_number(queue, "messages"), output_number(queue, "queued"), output_number(queue, "active"),
	       output_number(queue, "deferred"), output_number(queue, "held"));
	printf("store: %s; %s, %s", output_text(store, "health"), output_text(store, "promise"),
	       output_text(store, "blobs"));
	if (cJSON_HasObjectItem(store, "blobs_free_bytes"))
		printf(" (%.1f GB free)", output_number(store, "blobs_free_bytes") / 1e9);
	printf("\n");
	sweep_print(cJSON_GetObjectItem(all, "sweep"));
	status_print_certificates(all);
	cJSON_ArrayForEach (warning, cJSON_GetObjectItem(all, "warnings"))
		printf("warning: %s\n", cJSON_GetStringValue(warning));
}

/* Exit status 1 if the cluster does no work or accepts no mail. */
int
command_status(struct ctl *ctl, int argc, char **argv)
{
	struct ctl_result r = CTL_RESULT;
	struct buf reason = BUF_EMPTY;
	struct err err;
	int status = 0;

	if (ctl_has_unknown_option(argc, argv) || argc != 0)
		return ctl_usage("status");
	if (ctl_connect(ctl, &err) != 0)
		return ctl_fail("%s", err.text);
	ctl_directory(ctl);
	admin_status(&ctl->admin, ctl_on_result, &r);
	if (ctl_await(ctl, &r) == NULL)
		return 1;
	if (!ctl->json)
		status_print(r.json);
	if (!admin_status_is_good(r.json, &reason))
		status = ctl_fail("%s", reason.data);
	buf_fini(&reason);
	if (ctl->json)
		output_json(r.json); /* frees it */
	else
		cJSON_Delete(r.json);
	return status;
}
