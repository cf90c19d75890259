/* What a broker reports about itself. */
#ifndef SP_BROKER_STATUS_H
#define SP_BROKER_STATUS_H

#include <cjson/cJSON.h>

#include "spool-broker/broker.h"

/* Shards, queues and workers, added to an object. */
void status_describe(struct broker *b, cJSON *into);

#endif
