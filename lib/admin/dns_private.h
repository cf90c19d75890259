/* What the files about DNS records share. Private to lib/admin.
 *
 *	dns.c          the call: domain, keys, records, the check, the result
 *	dns_records.c  which records a domain needs
 *	dns_judge.c    is what DNS answers what it should be? */
#ifndef SP_ADMIN_DNS_PRIVATE_H
#define SP_ADMIN_DNS_PRIVATE_H

#include "lib/admin/private.h"
#include "lib/dkim/keys.h"
#include "lib/dns/dns.h"
#include "lib/settings/settings.h"

enum dns_kind {
	DNS_KIND_ADDRESS,
	DNS_KIND_MX,
	DNS_KIND_SPF,
	DNS_KIND_DKIM,
	DNS_KIND_DMARC,
	DNS_KIND_STS,
	DNS_KIND_TLSRPT,
	DNS_KIND_ALIAS,
	DNS_KIND_SERVICE,
};

/* In the order of their names in results. */
enum dns_state { DNS_UNKNOWN, DNS_RIGHT, DNS_MISSING, DNS_WRONG };

/* All texts lie in the call's arena. */
struct dns_record {
	struct admin_call *call; /* borrowed */
	enum dns_kind kind;
	struct str name;  /* without the final dot */
	struct str value; /* as a zone file has it, TXT without quotes; empty: DNS_KIND_ADDRESS */
	struct str host;  /* it points to, of kinds with one */
	unsigned port;	  /* of a service */
	const char *note; /* NULL: none */
	bool optional;	  /* it may be missing */
	/* Of the check: */
	struct dns_query *query; /* under way; NULL: none */
	enum dns_state state;
	const char *problem; /* NULL: none */
	struct str *found;
	unsigned found_count;
	struct ip *ips;
	unsigned ip_count;
	struct dns_record *target; /* of an alias: the record of its host */
	struct dns_record *next;
};

struct dns_records {
	struct arena *arena; /* borrowed */
	struct str domain;   /* canonical */
	struct str hostname;
	const struct settings *settings; /* borrowed */
	struct dns_record *first, *last;
};

const char *dns_record_type(const struct dns_record *record);
const char *dns_record_kind(const struct dns_record *record);

/* All but those of keys; records_out has arena, domain, hostname and settings. */
void dns_records_make(struct dns_records *records);
void dns_records_add_key(struct dns_records *records, const struct dkim_key *key);

/* ---- dns_judge.c ---- */
/* Asks what is there under the record's name. */
struct dns_query *dns_record_ask(struct dns *dns, struct dns_record *record, dns_on_answer *cb, void *arg);
/* Takes an answer, and judges it. */
void dns_record_take(struct dns_record *record, const struct dns_answer *answer);
/* Of an alias, once all answers are taken: addresses instead of a CNAME are fine if
 * they are the host's. */
void dns_record_compare(struct dns_record *record);

#endif
