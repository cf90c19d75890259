/* The brokers of the cluster, each of which knows its part of the queue, asked
 * side by side.
 *
 * Kept for as long as one likes: brokers that come and go are followed. A shard
 * that changes its owner is waited for, and a broker that says nothing is not
 * waited for beyond a limit: then the answer is a partial one that names it. */
#ifndef SP_ADMIN_BROKERS_H
#define SP_ADMIN_BROKERS_H

#include "lib/admin/admin.h"
#include "proto/stagepost.pb-c.h"

struct admin_brokers;

/* a->base, redis, tracking. name: this process's, as the brokers see it. */
struct admin_brokers *admin_brokers_new(struct admin *a, const char *name, struct err *err);
/* Calls that were started with it and are under way are cancelled. Not from within
 * a callback of one. */
void admin_brokers_free(struct admin_brokers **b);

/* How long all shards' owners are waited for, once some have none (5 s unless
 * set), and an answer (30 s). */
void admin_brokers_set_limits(struct admin_brokers *b, int64_t owners_ms, int64_t answer_ms);

/* Whatever they were asked, the result has
 *
 *	"missing": [{"broker": "b2", "problem": "a broker did not answer: its messages are not listed"}, ...]
 *
 * which is empty when all is told. "broker" is missing where none is known. */

#endif
