/* What a broker says of itself. */
#ifndef SP_BROKER_STATUS_H
#define SP_BROKER_STATUS_H

#include <cjson/cJSON.h>

#include "spool-broker/broker.h"

/* Shards, queues, workers, into an object. */
void status_describe(struct broker *b, cJSON *into);

#endif
