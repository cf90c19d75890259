/* Looks up the addresses of a host name without blocking: a resolver that does
 * not answer blocks a thread, never the loop.
 *
 * For configured names (the store, a broker), resolved the way the system does
 * it (hosts file, resolv.conf). There is one thread per name; further requests
 * for the same name wait for the same answer. */
#ifndef SP_BASE_LOOKUP_H
#define SP_BASE_LOOKUP_H

#include <event2/event.h>

#include "lib/base/err.h"
#include "lib/base/ip.h"

enum { LOOKUP_MAX = 8 };

struct lookup;

/* err NULL: 1 to LOOKUP_MAX addresses, the best first; borrowed for the call.
 * Else count is 0: ERR_NOT_FOUND, ERR_TIMEOUT or ERR_UNAVAILABLE. */
typedef void lookup_on_done(void *arg, const struct ip *addresses, unsigned count, const struct err *err);

/* host may be an address as text. One callback, never from within the call,
 * after limit_ms at the latest. */
struct lookup *lookup_start(struct event_base *base, const char *host, int64_t limit_ms, lookup_on_done *cb, void *arg);
/* The callback will not be called. Sets *l to NULL. Not allowed after the callback. */
void lookup_cancel(struct lookup **l);

#endif
