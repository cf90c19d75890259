/* A small HTTP server for an internal address, where monitors and probes read pages:
 * GET and HEAD, one request a connection, the whole page at once.
 *
 * It bears what is not friendly: few connections, small heads, little time. Where
 * there are too many, the oldest makes room, so that a probe always gets through. */
#ifndef SP_SERVICE_MONITOR_H
#define SP_SERVICE_MONITOR_H

#include <event2/event.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"

#define MONITOR_CONNECTIONS_MAX 64
#define MONITOR_HEAD_MAX	8192  /* bytes; more: 431 */
#define MONITOR_LONGEST_MS	10000 /* from its beginning to its end a connection has */

struct monitor;

struct monitor_page {
	const char *path; /* NULL ends a table */
	const char *type;
	int (*make)(void *arg, struct buf *body); /* appends the page; its status */
};

/* address: also "::", which is both families, and IPv4 alone on a host without IPv6.
 * pages and base are borrowed. NULL: the port cannot be opened. */
struct monitor *monitor_new(struct event_base *base, const char *address, int port, const struct monitor_page *pages,
			    void *arg, struct err *err);
/* NULLs *m, which may be NULL. */
void monitor_free(struct monitor **m);

#endif
