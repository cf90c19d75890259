/* DANE for one host that a message may go to (RFC 7672). */
#ifndef SP_WORKER_REMOTE_DANE_H
#define SP_WORKER_REMOTE_DANE_H

#include "delivery-worker/remote/route.h"

struct remote_work;

/* known false: the records cannot be looked up, and nothing may be sent there now
 * (2.1.3); the trouble is noted. ours: a trouble of our own, instead of either. */
typedef void dane_on_end(struct remote_work *w, bool known, const struct err *ours);

struct dane {
	dane_on_end *on_end;
	struct dns_query *query; /* under way */
	struct route_host *host; /* asked about; borrowed from the route */
	const struct ip *ips;	 /* its addresses; in the arena */
	unsigned ip_count;
	struct str original, base; /* its name as it was, and at the end of its aliases */
};

void dane_init(struct remote_work *w, dane_on_end *on_end);
/* The TLSA records of the host, into it; answer: its addresses. on_end comes
 * once, maybe from within. */
void dane_look_up(struct remote_work *w, struct route_host *h, const struct dns_answer *answer);
void dane_cancel(struct remote_work *w);

#endif
