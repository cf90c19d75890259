/* A message of the queue, or one that has left it, in the form used in results.
 * Private to lib/admin. */
#ifndef SP_ADMIN_MESSAGE_H
#define SP_ADMIN_MESSAGE_H

#include <cjson/cJSON.h>

#include "lib/spool/spool.h"
#include "proto/stagepost.pb-c.h"

/* Everything, with its events. NULL: damaged. */
cJSON *admin_message_record(const struct spool_entry *entry);
/* An entry of a broker's page: id, state, sender, recipients still waiting, age,
 * last answer, the state of its parts. NULL: damaged. */
cJSON *admin_message_listed(const Stagepost__QueueEntry *entry);
/* Adds to a record what the broker currently knows of the message. */
void admin_message_add_entry(cJSON *record, const Stagepost__QueueEntry *entry);
/* "local", "remote", ... */
const char *admin_kind_name(Stagepost__JobKind kind);

#endif
