/* Our own trouble, which is no try of the recipients. */
#ifndef SP_BROKER_POSTPONED_H
#define SP_BROKER_POSTPONED_H

#include "spool-broker/broker.h"

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

#endif
