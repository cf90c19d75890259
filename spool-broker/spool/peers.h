/* The other brokers; their number decides how shards are spread evenly. */
#ifndef SP_BROKER_PEERS_H
#define SP_BROKER_PEERS_H

#include "spool-broker/broker.h"

/* Looks which brokers are alive; then takes and gives up shards. */
void peers_look(struct broker *b);

#endif
