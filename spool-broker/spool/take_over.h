/* A shard is taken over: its spool is read, and workers are asked what they have in
 * hand of it. Also when something may have been written that is not known here. */
#ifndef SP_BROKER_TAKE_OVER_H
#define SP_BROKER_TAKE_OVER_H

#include "spool-broker/spool/shards.h"

void take_over_read(struct shard *s);
/* A look at a body has come to its end. */
void take_over_on_looked(struct shard *s);
/* Ends the wait of shards that have waited long enough; when the next one ends,
 * monotonic, INT64_MAX: none waits. */
int64_t take_over_look(struct broker *b);
/* Asks a worker that has just come for such jobs. */
void take_over_ask_worker(struct broker *b, struct str peer);
/* A worker has said all that it holds of these shards. */
void take_over_on_answer(struct broker *b, const uint32_t *shards, size_t count);

#endif
