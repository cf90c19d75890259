/* A snapshot of a whole Redis server, as one moment has it, by the protocol of
 * replication (SYNC): the server forks, and writes what it holds to us as an RDB
 * file. Nothing else waits for it. A user of the server's ACL needs +sync and
 * +replconf; a server that is itself a replica gives one too. */
#ifndef SP_REDIS_SNAPSHOT_H
#define SP_REDIS_SNAPSHOT_H

#include <stdint.h>

#include "lib/base/err.h"

/* Synchronous, for tools. The file must not be there yet; its mode is 0600, and it
 * is synced. on_wait is called at least once a second, with the bytes that have
 * come so far; -1 from it gives up (err filled). A server that says nothing for 5
 * minutes while it makes the snapshot is given up. */
int redis_snapshot(const char *url, const char *path, int (*on_wait)(void *arg, uint64_t bytes, struct err *err),
		   void *arg, struct err *err);

#endif
