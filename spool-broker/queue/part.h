/* Parts of a message: the recipients that one job serves, from their making to
 * their end. */
#ifndef SP_BROKER_PART_H
#define SP_BROKER_PART_H

#include "proto/stagepost.pb-c.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/work.h"

/* Is it to be served by this part's job? */
bool part_serves(const struct part *p, const Stagepost__Recipient *r, const Stagepost__RecipientStatus *status);
Stagepost__JobKind part_kind(const struct part *p);
/* Makes the parts of all recipients from index `from` on that are queued, and
 * puts them where they belong: ready, deferred or held. unsaved: they wait for
 * the next save. A message to be checked gets the part of its CHECK instead. */
void parts_make(struct broker *b, struct message *m, unsigned from, bool unsaved);
/* Puts a part that is not ACTIVE where it belongs, to be tried at time_ms. */
void part_place(struct broker *b, struct part *p, int64_t time_ms);
/* Out of its schedule and of its message. */
void part_free(struct broker *b, struct part *p);
/* A part for a report job. */
struct part *part_make_report(struct broker *b, struct message *m, Stagepost__Job__Report report);
bool parts_have_report(const struct message *m);
const struct schedule_ops *part_schedule(struct broker *b, const struct part *p, struct schedule **schedule_out);

/* What is to be said of where a message, a part stands. */
enum queue_state { QUEUE_QUEUED, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HELD, QUEUE_STATES };
extern const char *const queue_state_names[QUEUE_STATES];
enum queue_state part_queue_state(const struct part *p);
enum queue_state message_queue_state(const struct message *m);

/* Ends the queued recipients of parts that are in no worker's hands: those
 * with this address (empty: all); returns how many. tell: the sender gets a
 * report, if he wants one, and those that are kept (RecipientStatus.kept) stay.
 * Needs the work. */
unsigned parts_give_up(struct broker *b, struct message *m, struct str address, const char *event, const char *code,
		       const char *text, bool tell);
/* The same by an operator's order. Of a message that was deleted while parts of it
 * were in workers' hands, what came back is not tried again: address empty. */
unsigned parts_delete(struct broker *b, struct message *m, struct str address);

#endif
