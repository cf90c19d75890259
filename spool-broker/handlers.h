/* Frames that the broker takes; broker.c has the table. */
#ifndef SP_BROKER_HANDLERS_H
#define SP_BROKER_HANDLERS_H

#include "spool-broker/broker.h"
#include "spool-broker/shards.h"

/* ---- intake.c ---- */
void intake_on_hand_over(struct broker *b, struct str peer, const Stagepost__Frame *frame);
/* Redis has answered: the message is durable, or known already. */
void intake_on_written(struct shard *s, struct str id, struct str envelope, enum spool_result result, struct str peer,
		       uint64_t request);
void intake_reply(struct broker *b, struct str peer, uint64_t request, const char *id,
		  Stagepost__HandOverReply__Status status, const char *text);
/* An entry read from the spool at a take-over. */
void intake_take_entry(struct shard *s, const struct spool_entry *entry);

/* ---- orders.c ---- */
void orders_on_order(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void orders_tick(struct broker *b); /* those whose message is gone */
void orders_free(struct broker *b);
/* A message that was deleted while parts of it were being delivered: what came
 * back is not tried again. */
void orders_delete_rest(struct broker *b, struct message *m);

/* ---- report.c ---- */
/* Does anyone have to be told now? Then makes the part of the report job.
 * Needs the work. */
void report_look(struct broker *b, struct message *m);
/* Is this recipient in that report? */
bool report_concerns(const Stagepost__Recipient *r, const Stagepost__RecipientStatus *status,
		     Stagepost__Job__Report report);
/* The report's own spool id: the same whenever the same recipients are in it. */
void report_id(const struct message *m, Stagepost__Job__Report report, char out[SPOOL_ID_MAX]);
/* It was handed over, or cannot be made: marks one of those it was about. */
void report_done(struct message *m, Stagepost__Job__Report report, unsigned recipient);

#endif
