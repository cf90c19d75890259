#include "ctl/brokers.h"

#include "ctl/output.h"

struct admin_brokers *
brokers_get(struct ctl *ctl)
{
	struct err err;

	if (ctl->brokers == NULL)
		ctl->brokers = admin_brokers_new(&ctl->admin, "stagepost-tool", &err);
	if (ctl->brokers == NULL)
		ctl_fail("%s", err.text);
	return ctl->brokers;
}

void
brokers_tell_missing(struct ctl *ctl, cJSON *result)
{
	const cJSON *first = cJSON_GetArrayItem(cJSON_GetObjectItem(result, "missing"), 0);

	if (first != NULL && !ctl->is_partial)
		ctl_fail("%s", output_text(first, "problem"));
	ctl->is_partial |= first != NULL;
	cJSON_DeleteItemFromObject(result, "missing");
}
