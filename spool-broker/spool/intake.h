/* New messages: from a hand-over, and from the spool at a take-over. */
#ifndef SP_BROKER_INTAKE_H
#define SP_BROKER_INTAKE_H

#include "spool-broker/broker.h"
#include "spool-broker/spool/shards.h"

void intake_on_hand_over(struct broker *b, struct str peer, const Stagepost__Frame *frame);
/* Redis has answered: the message is durable, or was known already. */
void intake_on_written(struct shard *s, struct str id, struct str envelope, enum spool_result result, struct str peer,
		       uint64_t request);
/* It is not written, or it is not known whether it is. */
void intake_on_refused(struct broker *b, struct str peer, uint64_t request, const char *id, const struct refusal *why);
/* An entry that a take-over read from the spool. */
void intake_take_entry(struct shard *s, const struct spool_entry *entry);

#endif
