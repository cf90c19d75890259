/* The queue by destination, for those who ask. */
#ifndef SP_BROKER_SUMMARY_H
#define SP_BROKER_SUMMARY_H

#include "spool-broker/broker.h"

void summary_on_query(struct broker *b, struct str peer, const Stagepost__Frame *frame);

#endif
