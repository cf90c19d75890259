/* What an operator may do to a message: the table of verbs. */
#ifndef SP_BROKER_ORDERS_H
#define SP_BROKER_ORDERS_H

#include "spool-broker/broker.h"

struct order {
	const char *verb;
	/* Must the message be read when the order is for all recipients? */
	bool (*needs_work)(const struct message *m);
	/* Returns the text of the answer; NULL: refused, no part of the message is
	 * affected. A change of state is made in the work but not saved. */
	const char *(*run)(struct broker *b, struct message *m, struct str recipient);
};

/* NULL: there is no such verb. */
const struct order *order_find(const char *verb);

#endif
