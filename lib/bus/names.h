/* Names of what brokers write into Redis so that others can find them. */
#ifndef SP_BUS_NAMES_H
#define SP_BUS_NAMES_H

#define BUS_BROKERS_KEY	     "cluster:brokers" /* set of broker ids; pruned by the brokers */
#define BUS_BROKER_KEY	     "cluster:broker:" /* + id: hash endpoint, curve, boot; expires unless renewed */
#define BUS_SHARDS_KEY	     "cluster:shards"  /* hash shard -> broker id: a hint; the lease is authoritative */
#define BUS_BROKERS_CHANNEL  "cluster:brokers" /* a message is published when any of these changes */
#define BUS_BROKER_EXPIRE_MS 3000

#endif
