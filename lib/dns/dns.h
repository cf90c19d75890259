/* DNS through libunbound: asynchronous on the loop, cached, DNSSEC-aware. */
#ifndef SP_DNS_DNS_H
#define SP_DNS_DNS_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/err.h"
#include "lib/base/ip.h"
#include "lib/base/str.h"

struct dns;

/* resolver: "address@port" of a forwarder, or NULL: those of /etc/resolv.conf.
 * Hosts in /etc/hosts are also found (for A and AAAA). */
/* trust_anchor: file of DS or DNSKEY records to validate answers against; NULL: nothing is validated, so nothing is
 * secure. A file that cannot be read or has no records is an error. With validation the resolver must pass on the
 * records that DNSSEC needs; otherwise signed names give errors. */
struct dns *dns_new(struct event_base *base, const char *resolver, const char *trust_anchor, struct err *err);
void dns_free(struct dns **d); /* queries in progress end without a callback */
/* Off: every query goes to the resolver (settings:smtp-out enable_dns_caching). */
void dns_set_caching(struct dns *d, bool on);

struct dns_mx {
	uint16_t preference;
	struct str host; /* lower case, no final dot; empty: null MX (RFC 7505) */
};

/* RFC 6698, 2.1. */
struct dns_tlsa {
	uint8_t usage, selector, matching;
	struct str data;
};

/* RFC 2782. */
struct dns_srv {
	uint16_t priority, weight, port;
	struct str host; /* lower case, no final dot; empty: the service is not there */
};

struct dns_answer {
	const struct dns_mx *mx; /* sorted by preference, equal ones shuffled */
	unsigned mx_count;
	const struct ip *ips;
	unsigned ip_count;
	const struct str *texts; /* TXT: each record's strings joined */
	unsigned text_count;
	const struct str *names; /* PTR: host names, lower case, no final dot */
	unsigned name_count;
	const struct dns_tlsa *tlsa;
	unsigned tlsa_count;
	const struct dns_srv *srv; /* in the order of the answer */
	unsigned srv_count;
	bool exists;	      /* false: NXDOMAIN */
	bool secure;	      /* validated by DNSSEC */
	struct str canonical; /* name after CNAMEs; empty: the same */
};

/* err NULL: an answer, possibly empty. ERR_TIMEOUT, ERR_UNAVAILABLE (SERVFAIL),
 * ERR_CORRUPT (bogus): a temporary failure of the domain's own name servers.
 * ERR_IO: our own failure, no resolver can be reached from here. */
typedef void dns_on_answer(void *arg, const struct dns_answer *answer, const struct err *err);
struct dns_query;
struct dns_query *dns_query_mx(struct dns *d, struct str domain, dns_on_answer *cb, void *arg);
/* The same, with hosts that no mail server can have as a name ("a:b/c.example.org"): SPF matches them. */
struct dns_query *dns_query_mx_any(struct dns *d, struct str domain, dns_on_answer *cb, void *arg);
/* The names of an address, by in-addr.arpa or ip6.arpa. */
struct dns_query *dns_query_ptr(struct dns *d, const struct ip *ip, dns_on_answer *cb, void *arg);
/* A and AAAA together, as selected by want4 and want6. */
struct dns_query *dns_query_ips(struct dns *d, struct str host, bool want4, bool want6, dns_on_answer *cb, void *arg);
/* name: "_25._tcp.mx.example.org". */
struct dns_query *dns_query_tlsa(struct dns *d, struct str name, dns_on_answer *cb, void *arg);
/* name: "_imaps._tcp.example.org". */
struct dns_query *dns_query_srv(struct dns *d, struct str name, dns_on_answer *cb, void *arg);
/* Is the name itself an alias? `canonical` is its target, not followed further. */
struct dns_query *dns_query_cname(struct dns *d, struct str name, dns_on_answer *cb, void *arg);
struct dns_query *dns_query_txt(struct dns *d, struct str name, dns_on_answer *cb, void *arg);
/* The callback will not come. Sets *q to NULL. After the callback the handle is invalid. */
void dns_cancel(struct dns_query **q);

#endif
