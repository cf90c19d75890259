/* A message of the queue, or one that has left it, as results have it. Private to
 * lib/admin. */
#ifndef SP_ADMIN_MESSAGE_H
#define SP_ADMIN_MESSAGE_H

#include <cjson/cJSON.h>

#include "lib/spool/spool.h"
#include "proto/stagepost.pb-c.h"

/* Everything, with the events of its way. NULL: damaged. */
cJSON *admin_message_record(const struct spool_entry *entry);
/* An entry of a broker's page: id, state, sender, recipients still waiting, age,
 * last answer, where its parts stand. NULL: damaged. */
cJSON *admin_message_listed(const Stagepost__QueueEntry *entry);
/* Puts into a record what the broker says of the message now. */
void admin_message_add_entry(cJSON *record, const Stagepost__QueueEntry *entry);
/* "local", "remote", ... */
const char *admin_kind_name(Stagepost__JobKind kind);

#endif
