#include "lib/admin/filter.h"

#include <stddef.h>
#include <string.h>

const char *const admin_filter_names[] = {"sender", "recipient", "domain", "destination", "state", "answer", NULL};

static const size_t filter_members[] = {
	offsetof(Stagepost__QueueFilter, sender), offsetof(Stagepost__QueueFilter, recipient),
	offsetof(Stagepost__QueueFilter, domain), offsetof(Stagepost__QueueFilter, destination),
	offsetof(Stagepost__QueueFilter, state),  offsetof(Stagepost__QueueFilter, answer),
};

static char **
filter_member(Stagepost__QueueFilter *filter, unsigned i)
{
	return (char **)(void *)((char *)filter + filter_members[i]);
}

static bool
filter_is_state(const char *name)
{
	static const char *const states[] = {"queued", "active", "deferred", "held"};

	for (unsigned i = 0; i < sizeof(states) / sizeof(states[0]); i++)
		if (strcmp(name, states[i]) == 0)
			return true;
	return false;
}

int
admin_filter_set(Stagepost__QueueFilter *filter, const char *name, const char *value, struct err *err)
{
	if (strcmp(name, "state") == 0 && value[0] != '\0' && !filter_is_state(value))
		return err_set(err, ERR_INVALID, "state is one of queued, active, deferred, held, not '%s'", value);
	for (unsigned i = 0; admin_filter_names[i] != NULL; i++)
		if (strcmp(name, admin_filter_names[i]) == 0) {
			*filter_member(filter, i) = (char *)(uintptr_t)value;
			return 0;
		}
	return err_set(err, ERR_NOT_FOUND, "messages cannot be selected by '%s'", name);
}

Stagepost__QueueFilter *
admin_filter_copy(struct arena *arena, const Stagepost__QueueFilter *filter)
{
	Stagepost__QueueFilter *copy = arena_new(arena, Stagepost__QueueFilter);

	*copy = *filter;
	for (unsigned i = 0; admin_filter_names[i] != NULL; i++)
		*filter_member(copy, i) = arena_strdup(arena, *filter_member(copy, i));
	return copy;
}
