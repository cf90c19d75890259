/* Reads the answer section of a DNS message (RFC 1035, 4). Private to lib/dns
 * and its fuzz target. */
#ifndef SP_DNS_MESSAGE_H
#define SP_DNS_MESSAGE_H

#include "lib/base/arena.h"
#include "lib/dns/dns.h"

enum dns_type {
	DNS_A = 1,
	DNS_CNAME = 5,
	DNS_PTR = 12,
	DNS_MX = 15,
	DNS_TXT = 16,
	DNS_AAAA = 28,
	DNS_SRV = 33,
	DNS_TLSA = 52
};

#define DNS_NAME_MAX	254 /* text, without NUL */
#define DNS_RECORDS_MAX 256 /* per answer; more are ignored */

/* Which names in MX, SRV and PTR records are used: a record with another one is left out. */
enum dns_names {
	DNS_HOST_NAMES, /* letters, digits, "-" and "_" */
	DNS_ANY_NAMES,	/* any visible ASCII but the backslash, and no dot within a label */
};

/* Adds the records of `type` to answer (mx, ips, texts, names, tlsa or srv, in the order of
 * the message) and sets exists and canonical. Everything is in the arena. The message's
 * return code is evaluated: NOERROR and NXDOMAIN are answers, any other gives
 * ERR_UNAVAILABLE. A malformed message gives ERR_CORRUPT. */
int dns_message_read(struct str packet, enum dns_type type, enum dns_names names, struct arena *arena,
		     struct dns_answer *answer, struct err *err);

#endif
