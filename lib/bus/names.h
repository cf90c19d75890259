/* Names of what brokers write into Redis so that others can find them. */
#ifndef SP_BUS_NAMES_H
#define SP_BUS_NAMES_H

/* Published when what a broker announces has changed: the keys cluster:brokers,
 * cluster:broker:<id> and cluster:shards. */
#define BUS_BROKERS_CHANNEL  "cluster:brokers"
#define BUS_BROKER_EXPIRE_MS 3000

#endif
