/* hiredis's asynchronous context on a libevent loop. Private to lib/redis.
 *
 * Writes wait for the loop's next turn, so that all commands given in one turn
 * go out with one system call. */
#ifndef SP_REDIS_ADAPTER_H
#define SP_REDIS_ADAPTER_H

#include <event2/event.h>
#include <hiredis/async.h>

/* hiredis calls back into the adapter until the context is freed. */
void redis_adapter_attach(redisAsyncContext *ac, struct event_base *base);

#endif
