/* What an operator may say about a message: the table of verbs. */
#ifndef SP_BROKER_ORDERS_H
#define SP_BROKER_ORDERS_H

#include "spool-broker/broker.h"

struct order {
	const char *verb;
	/* Has the message to be read for it, when it is for all recipients? */
	bool (*needs_work)(const struct message *m);
	/* Returns words for the answer; NULL: refused, nothing of the message is
	 * concerned. The change of the state, if any, is in the work and not saved. */
	const char *(*run)(struct broker *b, struct message *m, struct str recipient);
};

/* NULL: there is no such verb. */
const struct order *order_find(const char *verb);

#endif
