/* The MTA-STS policies of domains (RFC 8461): found by DNS and https, kept for
 * all workers in the store (tlspolicy:sts:{domain}, for as long as each is
 * valid), and for a minute in memory.
 *
 * A known policy stays in force until it expires, whatever DNS and the web server
 * answer meanwhile, or even if they do not. If it cannot be determined whether a policy
 * is known (the store is unreachable, or its data is damaged), the result is
 * STS_UNKNOWN, and no mail may be sent. */
#ifndef SP_TLSPOLICY_STS_H
#define SP_TLSPOLICY_STS_H

#include <event2/event.h>

#include "lib/dns/dns.h"
#include "lib/net/web.h"
#include "lib/redis/redis.h"
#include "lib/tlspolicy/result.h"
#include "lib/tlspolicy/sts_policy.h"

struct sts;

struct sts_options {
	struct event_base *base; /* all borrowed */
	struct dns *dns;
	struct web_client *http;
	struct redis *redis;
	const char *ca_file; /* NULL: the system's authorities */
	uint16_t https_port;
};

struct sts *sts_new(const struct sts_options *options);
void sts_free(struct sts **s); /* lookups in progress end without a callback */

enum sts_state { STS_NONE, STS_FOUND, STS_UNKNOWN };

struct sts_answer {
	enum sts_state state;
	struct str policy; /* STS_FOUND: the text, for sts_policy_parse() */
	/* The problem with the domain's current policy, if any; a previously
	 * known one may still be in force. */
	enum tls_result problem;
	const char *reason; /* the text for that, and for STS_UNKNOWN; never NULL */
};

/* Borrowed for the call. */
typedef void sts_on_answer(void *arg, const struct sts_answer *answer);

/* What is known without any query. False: use sts_find(). */
bool sts_known(struct sts *s, struct str domain, struct sts_answer *answer_out);

struct sts_lookup;
/* domain: A-labels, lower case. cb is called once, never from within. */
struct sts_lookup *sts_find(struct sts *s, struct str domain, sts_on_answer *cb, void *arg);
/* The callback will not come. Sets *l to NULL. After the callback the handle is invalid. */
void sts_cancel(struct sts_lookup **l);

#endif
