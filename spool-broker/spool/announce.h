/* What this broker tells all others: that it is alive, and which shards it has. */
#ifndef SP_BROKER_ANNOUNCE_H
#define SP_BROKER_ANNOUNCE_H

#include "spool-broker/broker.h"

/* It is there. */
void announce_tick(struct broker *b);
/* Announces its shards, if it is time. */
void announce_hints(struct broker *b, int64_t now_ms);
/* A shard was taken; all are told at once. */
void announce_shard(const struct shard *s);
/* A shard is being given up. */
void announce_no_shard(const struct shard *s);
/* Something is different: the others look at once. */
void announce_change(struct broker *b);
/* It goes. */
void announce_end(struct broker *b);

#endif
