/* A message of the queue, or one that has left it, as the tool shows it. */
#ifndef SP_CTL_MESSAGE_H
#define SP_CTL_MESSAGE_H

#include "ctl/output.h"
#include "lib/spool/spool.h"
#include "proto/stagepost.pb-c.h"

/* Everything, with the events of its way. NULL: damaged. */
cJSON *message_record(const struct spool_entry *entry);
/* One line's worth: id, state, sender, recipients still waiting, age, last answer. */
cJSON *message_summary(const struct spool_entry *entry);
/* The same of an entry of a broker's page, with where its parts stand. NULL: damaged. */
cJSON *message_listed(const Stagepost__QueueEntry *entry);
void message_print_listed(const cJSON *m);
/* Puts into a record what the broker says of the message now. */
void message_add_entry(cJSON *record, const Stagepost__QueueEntry *entry);
/* As ISO 8601; 0: nothing. */
void message_add_time(cJSON *o, const char *name, uint64_t unix_ms);
/* The way of a message for people: one line an event. */
void message_print_trace(const cJSON *record);

#endif
