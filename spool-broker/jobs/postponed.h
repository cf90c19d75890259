/* Our own trouble, which does not count as a try of the recipients. */
#ifndef SP_BROKER_POSTPONED_H
#define SP_BROKER_POSTPONED_H

#include "spool-broker/broker.h"

/* Was any recipient of the job not tried because something of our own was missing? */
bool postponed_is(const Stagepost__JobDone *done);
/* Did the job report nothing else? */
bool postponed_is_all(const Stagepost__JobDone *done);
/* The part's job was postponed: notes it, and adds it to the trace if it is the
 * first time in a row. Returns when to try again (unix ms). Needs the work. */
int64_t postponed_note(struct broker *b, struct part *p, const char *host, const Stagepost__JobDone *done);
/* The part's job ended in another way. */
void postponed_end(struct broker *b, struct part *p);
/* Does the message wait only because of us? Then it is not given up for its age: the next due try decides. */
bool postponed_holds(const struct message *m);
/* Others are served and this one never is: something that belongs to it is damaged. */
bool postponed_is_hopeless(const struct part *p);

#endif
