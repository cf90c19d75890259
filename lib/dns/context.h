/* libunbound as we configure it. Private to lib/dns. */
#ifndef SP_DNS_CONTEXT_H
#define SP_DNS_CONTEXT_H

#include <event2/event.h>
#include <stdbool.h>
#include <unbound.h>

#include "lib/base/err.h"

/* resolver, trust_anchor: as for dns_new(). NULL: err. The caller deletes it. */
struct ub_ctx *dns_context_new(struct event_base *base, const char *resolver, const char *trust_anchor, bool caching,
			       struct err *err);

#endif
