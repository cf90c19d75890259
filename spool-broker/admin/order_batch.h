/* Operators' orders in progress: who asked, and when the asker is answered. */
#ifndef SP_BROKER_ORDER_BATCH_H
#define SP_BROKER_ORDER_BATCH_H

#include "spool-broker/broker.h"

void orders_on_order(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void orders_tick(struct broker *b); /* the orders about which the store does not answer */
void orders_free(struct broker *b);
/* Orders for the message that wait until they are durable. */
void orders_on_news(struct broker *b, const struct message *m, enum message_news news);

#endif
