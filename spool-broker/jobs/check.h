/* Spam checks: who waits for one, and what its result changes. */
#ifndef SP_BROKER_CHECK_H
#define SP_BROKER_CHECK_H

#include "spool-broker/broker.h"

/* Must a message with this envelope be checked under the current settings? */
bool check_is_wanted(const struct broker *b, const Stagepost__Envelope *e);
/* Applies the results of a CHECK job. again_ms: unix, for postponed recipients; else 0.
 * Needs the work; p is freed or rescheduled. True: the message's deadline has
 * changed. */
bool check_apply(struct broker *b, struct part *p, const char *host, const Stagepost__JobDone *done, int64_t again_ms);
/* No engine needs to be asked, whatever waits for a check. */
bool check_is_off(const struct broker *b);
/* When to look at its wait for a check; INT64_MAX: never, or it does not wait for one. */
int64_t check_deadline_ms(const struct broker *b, const struct message *m);
/* Must it go on waiting? */
bool check_waits(const struct broker *b, const struct message *m, int64_t now_ms);
/* Lets it proceed unchecked if its wait is over; the caller then sets its deadline. Needs the work. */
void check_look(struct broker *b, struct message *m);
/* Holds a message with a virus, and spam that would be sent to other servers, if the settings say so. Needs the work. */
void check_hold(struct broker *b, struct message *m);

#endif
