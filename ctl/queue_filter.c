/* Which messages of the queue are meant. */
#include "ctl/queue_filter.h"

#include <string.h>

#include "lib/base/clock.h"

static bool
is_state(const char *name)
{
	static const char *const states[] = {"queued", "active", "deferred", "held"};

	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(name, states[i]) == 0)
			return true;
	return false;
}

int
queue_filter_take(const char *command, int *argc, char **argv, Stagepost__QueueFilter *filter_out, bool *any_out)
{
	static const struct {
		const char *option;
		size_t member;
	} texts[] = {
		{"--sender", offsetof(Stagepost__QueueFilter, sender)},
		{"--recipient", offsetof(Stagepost__QueueFilter, recipient)},
		{"--domain", offsetof(Stagepost__QueueFilter, domain)},
		{"--destination", offsetof(Stagepost__QueueFilter, destination)},
		{"--state", offsetof(Stagepost__QueueFilter, state)},
		{"--answer", offsetof(Stagepost__QueueFilter, answer)},
	};
	const char *age = NULL;
	int64_t age_ms;

	stagepost__queue_filter__init(filter_out);
	*any_out = false;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		const char *value = NULL;
		if (ctl_take_option(argc, argv, texts[i].option, &value) != 0)
			return ctl_usage(command);
		if (value == NULL)
			continue;
		*(const char **)((char *)filter_out + texts[i].member) = value;
		*any_out = true;
	}
	if (ctl_take_option(argc, argv, "--older-than", &age) != 0)
		return ctl_usage(command);
	if (age != NULL) {
		if (ctl_duration("--older-than", age, &age_ms) != 0)
			return 1;
		filter_out->before_ms = (uint64_t)(clock_unix_ms() - age_ms);
		*any_out = true;
	}
	if (filter_out->state[0] != '\0' && !is_state(filter_out->state))
		return ctl_fail("--state is one of queued, active, deferred, held, not '%s'", filter_out->state);
	return 0;
}
