/* A context of libunbound, configured: whom it asks, what it trusts, what it remembers. */
#ifndef SP_DNS_CONTEXT_H
#define SP_DNS_CONTEXT_H

#include <event2/event.h>
#include <stdbool.h>

#include "lib/base/err.h"

struct dns_context_options {
	struct event_base *base;
	const char *resolver;	  /* NULL: resolv.conf */
	const char *trust_anchor; /* a file; NULL: none */
	bool caching;
};

struct ub_ctx;

/* ub_ctx_delete() frees it. NULL: err. */
struct ub_ctx *dns_context_new(const struct dns_context_options *o, struct err *err);

#endif
