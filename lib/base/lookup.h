/* The addresses of a host's name, without waiting for them: a resolver that says
 * nothing holds a thread, never the loop.
 *
 * For names that a process is given (where the store is, a broker), resolved as
 * the system does it (hosts file, resolv.conf). One thread a name: who asks for
 * it meanwhile waits for the same answer. */
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

/* host may be an address as text. One callback, never from within the call;
 * after limit_ms at the latest. */
struct lookup *lookup_start(struct event_base *base, const char *host, int64_t limit_ms, lookup_on_done *cb, void *arg);
/* No callback follows. NULLs *l; not after the callback. */
void lookup_cancel(struct lookup **l);

#endif
