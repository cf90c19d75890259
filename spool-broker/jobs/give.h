/* Hands out jobs to workers, within their credit. */
#ifndef SP_BROKER_GIVE_H
#define SP_BROKER_GIVE_H

#include "spool-broker/broker.h"

/* Hands out what may be tried, as far as there is credit. */
void jobs_give(struct broker *b);

#endif
