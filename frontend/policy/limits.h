/* How many messages and recipients a client may send in a time, over all frontends together: an account, or an address
 * that is not logged in (IPv6: its network of 64 bits). A limit that is not set costs nothing. While the store is away
 * there is no limit: mail that comes is worth more than the limit. */
#ifndef SP_FRONTEND_POLICY_LIMITS_H
#define SP_FRONTEND_POLICY_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ip.h"
#include "lib/redis/redis.h"
#include "lib/settings/settings.h"

enum limits_of { LIMITS_MESSAGES, LIMITS_RECIPIENTS };

struct limits_client {
	const char *account; /* canonical; NULL: not logged in */
	const struct ip *ip;
};

struct limits_ask;
/* wait_ms: 0: it may; else when it may again. */
typedef void limits_on_judged(void *arg, int64_t wait_ms);

/* Takes one more. NULL: it may, and nobody is asked. Else on_judged is called once, later. */
struct limits_ask *limits_take(struct redis *r, const struct settings *settings, const struct limits_client *client,
			       enum limits_of what, limits_on_judged *on_judged, void *arg);
/* on_judged is not called any more. Sets *ask to NULL; NULL is allowed. */
void limits_cancel(struct limits_ask **ask);

#endif
