/* Where mail for a destination is sent: the hosts, in the order in which they
 * are tried (RFC 5321, 5.1; RFC 7505). Pure functions of the DNS answers. */
#ifndef SP_WORKER_REMOTE_ROUTE_H
#define SP_WORKER_REMOTE_ROUTE_H

#include "delivery-worker/jobs/job.h"
#include "lib/base/ip.h"
#include "lib/dns/dns.h"

#define ROUTE_HOSTS_MAX 10

struct route_host {
	struct str name;   /* owner: an arena */
	struct ip literal; /* family 0: to be looked up */
	/* DANE (dane.c). */
	struct str tlsa_base;	     /* the name that has the records; empty: there are none */
	const struct dns_tlsa *tlsa; /* the usable ones */
	unsigned tlsa_count;	     /* 0, with a base: TLS, whatever the certificate */
	unsigned tlsa_total;	     /* including the unusable ones after them */
};

struct route {
	struct route_host hosts[ROUTE_HOSTS_MAX];
	unsigned count;
	uint16_t port;
	bool is_secure; /* DNSSEC secures the hosts' names, or they do not come from DNS */
	bool is_relay;	/* a relay host of ours: no MX, no loops */
};

/* Why there is no route; permanent ones end in FAILED. */
struct route_refusal {
	bool permanent;
	const char *code;
	const char *text;
};

/* A relay host, as lib/base/host_port.h reads it. */
bool route_from_relay(struct str relay, uint16_t default_port, struct arena *arena, struct route *route_out);
/* A destination that is an address literal; false when it is none. */
bool route_from_literal(struct str destination, uint16_t port, struct arena *arena, struct route *route_out);
/* By MX records. answer NULL: the lookup failed for now. NULL: there is a
 * route. own_name: a host with this name is this system; it and those no better
 * than it are left out, so that mail never goes in circles. */
const struct route_refusal *route_from_mx(const struct dns_answer *answer, struct str domain, struct str own_name,
					  uint16_t port, struct arena *arena, struct route *route_out);

extern const struct route_refusal route_loops, route_no_address, route_dns_failed;

#endif
