/* Reports to senders: who is told what. */
#ifndef SP_BROKER_REPORT_H
#define SP_BROKER_REPORT_H

#include "spool-broker/broker.h"

/* Must anyone be told now? If so, makes the part of the report job. Needs the work. */
void report_look(struct broker *b, struct message *m);
/* Is this recipient in that report? */
bool report_concerns(const Stagepost__Recipient *r, const Stagepost__RecipientStatus *status,
		     Stagepost__Job__Report report);
/* The report's own spool id: the same whenever the same recipients are in it. */
void report_id(const struct message *m, Stagepost__Job__Report report, char out[SPOOL_ID_MAX]);
/* It was handed over, or cannot be made: marks one of the recipients that it was about. */
void report_done(struct message *m, Stagepost__Job__Report report, unsigned recipient);

#endif
