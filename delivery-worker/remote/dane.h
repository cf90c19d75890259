/* DANE for one host that a message may be sent to (RFC 7672). */
#ifndef SP_WORKER_REMOTE_DANE_H
#define SP_WORKER_REMOTE_DANE_H

#include "delivery-worker/remote/route.h"

struct remote_work;

/* known false: the records cannot be looked up, and nothing may be sent to the
 * host now (2.1.3); the trouble is noted. ours: trouble of our own, instead of
 * either. */
typedef void dane_on_end(struct remote_work *w, bool known, const struct err *ours);

struct dane {
	dane_on_end *on_end;
	struct dns_query *query; /* in progress */
	struct route_host *host; /* the host in question; borrowed from the route */
	const struct ip *ips;	 /* its addresses; in the arena */
	unsigned ip_count;
	struct str original, base; /* its original name, and the one at the end of its aliases */
};

void dane_init(struct remote_work *w, dane_on_end *on_end);
/* Looks up the TLSA records of the host; answer: its addresses. on_end is called once, possibly from within. */
void dane_look_up(struct remote_work *w, struct route_host *h, const struct dns_answer *answer);
void dane_cancel(struct remote_work *w);

#endif
