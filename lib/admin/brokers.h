/* Queries all brokers of the cluster in parallel; each knows its part of the
 * queue.
 *
 * It can live as long as needed: it follows brokers that come and go. It waits
 * for a shard that is changing its owner, but only up to a limit for a broker
 * that does not answer: then the answer is partial and names that broker. */
#ifndef SP_ADMIN_BROKERS_H
#define SP_ADMIN_BROKERS_H

#include "lib/admin/admin.h"
#include "proto/stagepost.pb-c.h"

struct admin_brokers;

/* Uses a->base, redis, tracking. name: this process's name, as the brokers see it. */
struct admin_brokers *admin_brokers_new(struct admin *a, const char *name, struct err *err);
/* Cancels the calls in progress that were started with it. Not allowed within a
 * callback of such a call. */
void admin_brokers_free(struct admin_brokers **b);

/* How long to wait for owners when some shards have none (default 5 s), and for
 * an answer (default 30 s). For its unit test. */
void admin_brokers_set_limits(struct admin_brokers *b, int64_t owners_ms, int64_t answer_ms);

/* Every result contains
 *
 *	"missing": [{"broker": "b2", "problem": "a broker did not answer: its messages are not listed"}, ...]
 *
 * which is empty if the result is complete. "broker" is absent if none is known. */

#endif
