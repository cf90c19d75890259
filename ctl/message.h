/* A message of the queue, or one that has left it, as the tool shows it. */
#ifndef SP_CTL_MESSAGE_H
#define SP_CTL_MESSAGE_H

#include "ctl/output.h"
#include "lib/spool/spool.h"

/* Everything, with the events of its way. NULL: damaged. */
cJSON *message_record(const struct spool_entry *entry);
/* One line's worth: id, state, sender, recipients still waiting, age, last answer. */
cJSON *message_summary(const struct spool_entry *entry);
/* The way of a message for people: one line an event. */
void message_print_trace(const cJSON *record);

#endif
