/* Names of a shard's keys; for the files of this directory. */
#ifndef SP_SPOOL_KEYS_H
#define SP_SPOOL_KEYS_H

#include <stdint.h>

#include "lib/redis/keys.h"

#define SPOOL_KEY_MAX 64

/* Of a key that has the shard as its only part. */
struct str spool_key(enum redis_key key, unsigned shard, char out[SPOOL_KEY_MAX]);
/* Of messages that have left, by the time in their ids. */
struct str spool_done_key(unsigned shard, int64_t unix_ms, char out[SPOOL_KEY_MAX]);

#endif
