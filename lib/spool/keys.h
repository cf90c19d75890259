/* Names of a shard's keys; for the files of this directory. */
#ifndef SP_SPOOL_KEYS_H
#define SP_SPOOL_KEYS_H

#include <stdint.h>

#define SPOOL_KEY_MAX 64

/* "spool:{N}:name" */
void spool_key(unsigned shard, const char *name, char out[SPOOL_KEY_MAX]);
/* The key for messages that have left, by the time in their ids. */
void spool_done_key(unsigned shard, int64_t unix_ms, char out[SPOOL_KEY_MAX]);

#endif
