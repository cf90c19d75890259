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

/* ---- order_batch.c ---- */
void orders_on_order(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void orders_tick(struct broker *b); /* those about which the store does not answer */
void orders_free(struct broker *b);
/* Orders to the message that wait until they are durable. */
enum orders_news {
	ORDERS_SAVED,	 /* Redis has answered a save of the message */
	ORDERS_FINISHED, /* and its end */
	ORDERS_GONE	 /* the message goes from memory, its shard with it */
};
void orders_on_news(struct broker *b, const struct message *m, enum orders_news news);

/* ---- orders.c ---- */
/* A message that was deleted while parts of it were in workers' hands: what came
 * back is not tried again. Needs the work. */
void orders_delete_rest(struct broker *b, struct message *m);

/* Held from now on, but for what is being delivered. Needs the work. */
void orders_hold(struct broker *b, struct message *m, const char *why);

/* ---- postponed.c: our own trouble, which is no try ---- */
/* Was any recipient of the job not tried, for want of something of our own? */
bool postponed_is(const Stagepost__JobDone *done);
/* Was nothing else said by the job? */
bool postponed_is_all(const Stagepost__JobDone *done);
/* The part's job was postponed: notes it, in the trace too when it is the first
 * time in a row. Returns when to try again (unix ms). Needs the work. */
int64_t postponed_note(struct broker *b, struct part *p, const char *host, const Stagepost__JobDone *done);
/* A job of the part ended in another way. */
void postponed_end(struct broker *b, struct part *p);
/* Does the message wait for us alone? Then it is not given up for its age: the
 * try that is due decides. */
bool postponed_holds(const struct message *m);
/* Others are served, and this one never is: something of its own is damaged. */
bool postponed_is_hopeless(const struct part *p);

/* ---- check.c: spam checks ---- */
/* Is a message with this envelope to be checked, by the settings of now? */
bool check_is_wanted(const struct broker *b, const Stagepost__Envelope *e);
/* What a CHECK job's results change. again_ms: unix, for what was postponed; else 0.
 * Needs the work; p is gone, or placed. */
void check_apply(struct broker *b, struct part *p, const char *host, const Stagepost__JobDone *done, int64_t again_ms);
/* No engine is to be asked, whatever waits for a check. */
bool check_is_off(const struct broker *b);
/* When its wait for a check should be looked at; INT64_MAX: never, or it has none. */
int64_t check_deadline_ms(const struct broker *b, const struct message *m);
/* Does it have to go on waiting? */
bool check_waits(const struct broker *b, const struct message *m, int64_t now_ms);
/* Lets it go on unchecked, if its wait is over. Needs the work. */
void check_look(struct broker *b, struct message *m);
/* Holds what is spam and would go to other servers, where that is wished.
 * Needs the work. */
void check_hold_outbound(struct broker *b, struct message *m);

/* ---- deadlines.c ---- */
void deadlines_init(struct broker *b);
/* Have settings changed on which deadlines depend? Then all are set anew. */
void deadlines_look(struct broker *b);

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
