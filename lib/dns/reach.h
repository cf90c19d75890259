/* Checks whether the resolver answers at all. libunbound returns SERVFAIL both
 * when a domain's own servers are broken, which is their problem, and when our
 * forwarder cannot be reached, which is ours. So the forwarder is asked directly
 * for something that needs no other server. */
#ifndef SP_DNS_REACH_H
#define SP_DNS_REACH_H

#include <event2/event.h>
#include <stdbool.h>

struct reach;

/* resolver: "address@port" as for dns_new(); NULL: the name servers of resolv.conf.
 * If there are none, there is nothing to ask, and the resolver counts as reachable. */
struct reach *reach_new(struct event_base *base, const char *resolver);
/* Waiting callers get no answer. */
void reach_free(struct reach **r);

/* reachable: at least one of them has answered, whatever the answer. */
typedef void reach_on_answer(void *arg, bool reachable);
/* Answers within a second or so, never from within the call. Simultaneous
 * requests share one exchange. It cannot be cancelled. */
void reach_ask(struct reach *r, reach_on_answer *cb, void *arg);

#endif
