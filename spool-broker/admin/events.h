/* What happens to messages, as lines of JSON for those who subscribe: written to
 * the shard's stream by the very call that writes what they tell of. */
#ifndef SP_BROKER_EVENTS_H
#define SP_BROKER_EVENTS_H

#include "lib/base/buf.h"
#include "spool-broker/queue/message.h"

/* How many are kept of one shard; 0: none are written. */
unsigned events_kept(const struct broker *b);
/* Appends the line of a message that is being accepted. */
void events_add_accepted(const struct broker *b, const Stagepost__Envelope *e, struct buf *out);
/* Appends a line for each event of the work's trace that is not told yet; they
 * are told then. */
void events_add_new(const struct broker *b, struct message *m, struct buf *out);

#endif
