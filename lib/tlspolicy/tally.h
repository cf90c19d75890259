/* Counts TLS sessions with remote servers for reports (RFC 8460): first in memory, then
 * every two seconds in the store, where the counts of all workers are added up.
 *
 * For each day ("2026-11-24", UTC) the store has
 *   tlsrpt:{day}:due         counted domains -> when their report is due (unix ms)
 *   tlsrpt:{day}:done        domains whose report is done -> the outcome
 *   tlsrpt:{day}:c:<domain>  the counts: entry -> sessions (below)
 *   tlsrpt:{day}:p:<domain>  the state of its report (delivery-worker/tlsrpt/)
 * for some days. An entry is a JSON array:
 *   [policy type, policy domain, [policy strings], [mx patterns], result,
 *    sending ip, mx host, mx helo, receiving ip, reason]
 * the last five are empty for a success. An entry that is not an array records a worker's
 * last batch, so that none is counted twice. */
#ifndef SP_TLSPOLICY_TALLY_H
#define SP_TLSPOLICY_TALLY_H

#include <event2/event.h>
#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ip.h"
#include "lib/base/str.h"
#include "lib/redis/redis.h"
#include "lib/tlspolicy/result.h"

#define TLS_POLICY_TYPES(P)	    P(NONE, "no-policy-found") P(TLSA, "tlsa") P(STS, "sts")
#define TLS_POLICY_ENUM(name, text) TLS_POLICY_##name,
enum tls_policy_type { TLS_POLICY_TYPES(TLS_POLICY_ENUM) TLS_POLICY_COUNT };
#undef TLS_POLICY_ENUM

struct tls_session {
	struct str domain; /* of the recipients, whose report it belongs to; A-labels, lower case */
	enum tls_policy_type policy;
	struct str policy_domain;  /* the domain of the policy (RFC 8460, 1.1); empty: the domain */
	const struct str *strings; /* the policy as found */
	unsigned string_count;
	const struct str *mx_patterns; /* STS */
	unsigned mx_pattern_count;
	enum tls_result result;
	/* For a failure; each may be empty. */
	struct ip sending_ip, receiving_ip;
	struct str mx_host, mx_helo;
	struct str reason; /* words */
};

struct tally;

struct tally *tally_new(struct event_base *base, struct redis *r);
void tally_free(struct tally **t); /* counts that are not in the store are lost */

/* Sets when the report of a day is due: a minute after its end and up to
 * `spread` later, depending on the domain and the reporter (RFC 8460, 4.1). */
void tally_set_spread(struct tally *t, int64_t spread_ms, struct str reporter);
int64_t tally_due_ms(const char *day, struct str domain, struct str reporter, int64_t spread_ms);

/* Copies everything. Never waits, never fails: beyond its limits it counts
 * without the details of failures, and then not at all. */
void tally_count(struct tally *t, int64_t unix_ms, const struct tls_session *session);

/* Writes what there is now. on_end is called once that is answered, or at once
 * if there is nothing. */
void tally_drain(struct tally *t, void (*on_end)(void *arg), void *arg);

/* ---- Days ---- */
#define TALLY_DAY_MAX 11 /* with NUL */
void tally_day(int64_t unix_ms, char out[TALLY_DAY_MAX]);
/* The day's first ms; false: not a day. */
bool tally_day_parse(struct str day, int64_t *unix_ms_out);
#define TALLY_DAY_MS	(INT64_C(86400000))
#define TALLY_KEPT_DAYS 5 /* counted from its beginning */

#endif
