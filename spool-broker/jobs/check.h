/* Spam checks: who waits for one, and what its result changes. */
#ifndef SP_BROKER_CHECK_H
#define SP_BROKER_CHECK_H

#include "spool-broker/broker.h"

/* Is a message with this envelope to be checked, by the settings of now? */
bool check_is_wanted(const struct broker *b, const Stagepost__Envelope *e);
/* What a CHECK job's results change. again_ms: unix, for what was postponed; else 0.
 * Needs the work; p is gone, or placed. True: the message's deadline is another now. */
bool check_apply(struct broker *b, struct part *p, const char *host, const Stagepost__JobDone *done, int64_t again_ms);
/* No engine is to be asked, whatever waits for a check. */
bool check_is_off(const struct broker *b);
/* When its wait for a check should be looked at; INT64_MAX: never, or it has none. */
int64_t check_deadline_ms(const struct broker *b, const struct message *m);
/* Does it have to go on waiting? */
bool check_waits(const struct broker *b, const struct message *m, int64_t now_ms);
/* Lets it go on unchecked, if its wait is over; its deadline is the caller's to set
 * then. Needs the work. */
void check_look(struct broker *b, struct message *m);
/* Holds what is spam and would go to other servers, where that is wished.
 * Needs the work. */
void check_hold_outbound(struct broker *b, struct message *m);

#endif
