/* Selects messages of the queue. */
#ifndef SP_ADMIN_FILTER_H
#define SP_ADMIN_FILTER_H

#include "lib/base/arena.h"
#include "lib/base/err.h"
#include "proto/stagepost.pb-c.h"

/* Names of the criteria of a filter, ended by NULL: sender, recipient, domain,
 * destination, state, answer. In addition it has before_ms. */
extern const char *const admin_filter_names[];
/* value is borrowed. ERR_INVALID: "state is one of ..."; ERR_NOT_FOUND: no such name. */
int admin_filter_set(Stagepost__QueueFilter *filter, const char *name, const char *value, struct err *err);
/* Also copies all its strings. */
Stagepost__QueueFilter *admin_filter_copy(struct arena *arena, const Stagepost__QueueFilter *filter);

#endif
