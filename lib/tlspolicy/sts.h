/* The MTA-STS policies of domains (RFC 8461): found by DNS and https, kept for
 * all workers in the store (tlspolicy:sts:{domain}, for as long as each is
 * valid), and for a minute in memory.
 *
 * What is known stays in force until it runs out, whatever DNS and the web
 * server say meanwhile, or do not say. And where the store cannot tell whether
 * something is known (it is away; what it has is damaged), nothing is: STS_UNKNOWN, and
 * no mail may go. */
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
	const char *ca_file; /* NULL: the authorities of the system */
	uint16_t https_port;
};

struct sts *sts_new(const struct sts_options *options);
void sts_free(struct sts **s); /* lookups under way end without a callback */

enum sts_state { STS_NONE, STS_FOUND, STS_UNKNOWN };

struct sts_answer {
	enum sts_state state;
	struct str policy; /* STS_FOUND: the text, which sts_policy_parse() takes */
	/* What is wrong with the policy that the domain has now, if anything: one
	 * that was known before may still be in force. */
	enum tls_result problem;
	const char *reason; /* words for that, and for STS_UNKNOWN; never NULL */
};

/* Borrowed for the call. */
typedef void sts_on_answer(void *arg, const struct sts_answer *answer);

/* What is known without asking anyone. False: sts_find(). */
bool sts_known(struct sts *s, struct str domain, struct sts_answer *answer_out);

struct sts_lookup;
/* domain: A-labels, lower case. cb comes once, never from within. */
struct sts_lookup *sts_find(struct sts *s, struct str domain, sts_on_answer *cb, void *arg);
/* The callback will not come. NULLs *l. After the callback the handle is gone. */
void sts_cancel(struct sts_lookup **l);

#endif
