/* Does the resolver answer at all? libunbound says SERVFAIL alike when a domain's
 * own servers are broken, which is their trouble, and when its forwarder cannot be
 * reached from here, which is ours. So the forwarder is asked, straight, for
 * something that needs no other server. */
#ifndef SP_DNS_REACH_H
#define SP_DNS_REACH_H

#include <event2/event.h>
#include <stdbool.h>

struct reach;

/* resolver: "address@port" as dns_new() has it; NULL: the name servers of
 * resolv.conf. With none at all there is nothing to ask, and nothing is doubted. */
struct reach *reach_new(struct event_base *base, const char *resolver);
/* Those that wait get no answer. */
void reach_free(struct reach **r);

/* reachable: one of them has answered, whatever it said. */
typedef void reach_on_answer(void *arg, bool reachable);
/* Answers within a second or so, never from within the call; many who ask at
 * once share one exchange. It cannot be taken back. */
void reach_ask(struct reach *r, reach_on_answer *cb, void *arg);

#endif
