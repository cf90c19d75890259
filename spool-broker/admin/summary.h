/* The queue by destination, for who asks. */
#ifndef SP_BROKER_SUMMARY_H
#define SP_BROKER_SUMMARY_H

#include "spool-broker/broker.h"

void summary_on_query(struct broker *b, struct str peer, const Stagepost__Frame *frame);

#endif
