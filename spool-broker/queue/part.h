/* Parts of a message: the recipients that one job serves, from creation to end. */
#ifndef SP_BROKER_PART_H
#define SP_BROKER_PART_H

#include "proto/stagepost.pb-c.h"
#include "spool-broker/queue/message.h"
#include "spool-broker/queue/work.h"

/* Should this part's job serve it? */
bool part_serves(const struct part *p, const Stagepost__Recipient *r, const Stagepost__RecipientStatus *status);
Stagepost__JobKind part_kind(const struct part *p);
/* Makes the parts of all queued recipients from index `from` on, and puts each
 * in its place: ready, deferred or held. unsaved: they wait for the next save.
 * A message that must be checked gets its CHECK part instead. */
void parts_make(struct broker *b, struct message *m, unsigned from, bool unsaved);
/* Puts a part that is not ACTIVE in its place, to be tried at time_ms. */
void part_place(struct broker *b, struct part *p, int64_t time_ms);
/* Removes it from its schedule and from its message. */
void part_free(struct broker *b, struct part *p);
/* A part for a report job. */
struct part *part_make_report(struct broker *b, struct message *m, Stagepost__Job__Report report);
bool parts_have_report(const struct message *m);
const struct schedule_ops *part_schedule(struct broker *b, const struct part *p, struct schedule **schedule_out);

/* How the state of a message or a part is reported. */
enum queue_state { QUEUE_QUEUED, QUEUE_ACTIVE, QUEUE_DEFERRED, QUEUE_HELD, QUEUE_STATES };
extern const char *const queue_state_names[QUEUE_STATES];
enum queue_state part_queue_state(const struct part *p);
enum queue_state message_queue_state(const struct message *m);

/* Ends the queued recipients of parts that no worker holds: those with this
 * address (empty: all); returns how many. tell: the sender gets a report if one
 * was requested, and kept recipients (RecipientStatus.kept) stay. Needs the
 * work. */
unsigned parts_give_up(struct broker *b, struct message *m, struct str address, const char *event, const char *code,
		       const char *text, bool tell);
/* The same by an operator's order. If a message was deleted while workers held
 * parts of it, the parts that come back are not tried again: address empty. */
unsigned parts_delete(struct broker *b, struct message *m, struct str address);

#endif
