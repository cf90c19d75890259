/* Taking over a shard: its spool is read, and workers are asked which of its jobs
 * they hold. This is also done when something unknown here may have been
 * written. */
#ifndef SP_BROKER_TAKE_OVER_H
#define SP_BROKER_TAKE_OVER_H

#include "spool-broker/spool/shards.h"

void take_over_read(struct shard *s);
/* Ends the wait of shards that have waited long enough. Returns when the next
 * wait ends, monotonic; INT64_MAX: none waits. */
int64_t take_over_look(struct broker *b);
/* Asks a worker that has just connected for such jobs. */
void take_over_ask_worker(struct broker *b, struct str peer);
/* A worker has reported all jobs of these shards that it holds. */
void take_over_on_answer(struct broker *b, const uint32_t *shards, size_t count);

#endif
