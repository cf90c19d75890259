/* Versions: what --version says, and what decides whether programs may run side by
 * side (docs/upgrade.md). */
#ifndef SP_BASE_VERSION_H
#define SP_BASE_VERSION_H

#define STAGEPOST_VERSION "0.1.0"

/* Of what lies in Redis and in packs (cluster:store-version). Raised by a change
 * that programs of the number before cannot read; those end, and do not start, on
 * such a store. STORE_LEAST: the oldest that this program can work with. */
#define STAGEPOST_STORE_VERSION 1
#define STAGEPOST_STORE_LEAST	1

/* Of what programs say to each other. Raised by a change that is more than members
 * that others ignore. BUS_LEAST: the oldest that this program can talk with. */
#define STAGEPOST_BUS_VERSION 1
#define STAGEPOST_BUS_LEAST   1

#endif
