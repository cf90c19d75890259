/* A consistent snapshot of a whole Redis server, taken by the replication
 * protocol (SYNC): the server forks, and sends its data to us as an RDB file.
 * Nothing else is blocked meanwhile. An ACL user needs +sync and +replconf; a
 * server that is itself a replica can be used too. */
#ifndef SP_REDIS_SNAPSHOT_H
#define SP_REDIS_SNAPSHOT_H

#include <stdint.h>

#include "lib/base/err.h"

/* Synchronous, for tools. The file must not exist yet; its mode is 0600, and it is
 * synced. on_wait is called at least once a second with the number of bytes
 * received so far; if it returns -1 (with err filled), the snapshot is abandoned.
 * So is a server that sends nothing for 5 minutes while it makes the snapshot. */
int redis_snapshot(const char *url, const char *path, int (*on_wait)(void *arg, uint64_t bytes, struct err *err),
		   void *arg, struct err *err);

#endif
