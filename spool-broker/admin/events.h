/* What happens to messages, as lines of JSON for subscribers. The script call
 * that writes a change also writes its events to the shard's stream. */
#ifndef SP_BROKER_EVENTS_H
#define SP_BROKER_EVENTS_H

#include "lib/base/buf.h"
#include "spool-broker/queue/message.h"

/* How many events are kept for each shard; 0: none are written. */
unsigned events_kept(const struct broker *b);
/* Appends the line of a message that is being accepted. */
void events_add_accepted(const struct broker *b, const Stagepost__Envelope *e, struct buf *out);
/* Appends a line for each event of the work's trace that has not been published yet, and marks it as published. */
void events_add_new(const struct broker *b, struct message *m, struct buf *out);

#endif
