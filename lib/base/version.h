/* Versions: what --version prints, and the numbers that decide whether programs
 * can run side by side (docs/upgrade.md). */
#ifndef SP_BASE_VERSION_H
#define SP_BASE_VERSION_H

#define STAGEPOST_VERSION "0.1.0"

/* The version of the data in Redis and in packs (cluster:store-version). Raised
 * by a change that programs of the previous version cannot read; they stop, and
 * do not start, on such a store. STORE_LEAST: the oldest version that this
 * program can work with. */
#define STAGEPOST_STORE_VERSION 1
#define STAGEPOST_STORE_LEAST	1

/* The version of the protocol between programs. Raised by any change beyond new
 * members that other programs ignore. BUS_LEAST: the oldest version that this
 * program can talk to. */
#define STAGEPOST_BUS_VERSION 1
#define STAGEPOST_BUS_LEAST   1

#endif
