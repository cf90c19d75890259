/* The options that select messages in the queue. */
#include "ctl/queue_filter.h"

#include <stdio.h>

#include "lib/admin/filter.h"
#include "lib/base/clock.h"

int
queue_filter_take(const char *command, int *argc, char **argv, Stagepost__QueueFilter *filter_out, bool *any_out)
{
	const char *age = NULL;
	int64_t age_ms;
	struct err err;

	stagepost__queue_filter__init(filter_out);
	*any_out = false;
	for (const char *const *name = admin_filter_names; *name != NULL; name++) {
		const char *value = NULL;
		char option[32];
		snprintf(option, sizeof(option), "--%s", *name);
		if (ctl_take_option(argc, argv, option, &value) != 0)
			return ctl_usage(command);
		if (value == NULL)
			continue;
		if (admin_filter_set(filter_out, *name, value, &err) != 0)
			return ctl_fail("--%s", err.text);
		*any_out = true;
	}
	if (ctl_take_option(argc, argv, "--older-than", &age) != 0)
		return ctl_usage(command);
	if (age == NULL)
		return 0;
	if (ctl_duration("--older-than", age, &age_ms) != 0)
		return 1;
	filter_out->before_ms = (uint64_t)(clock_unix_ms() - age_ms);
	*any_out = true;
	return 0;
}
