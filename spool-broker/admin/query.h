/* Questions about the queue: pages of messages. */
#ifndef SP_BROKER_QUERY_H
#define SP_BROKER_QUERY_H

#include "spool-broker/broker.h"

void query_on_query(struct broker *b, struct str peer, const Stagepost__Frame *frame);
void queries_free(struct broker *b);

#endif
