/* Who sent it: SPF, DKIM, ARC and DMARC of one incoming message, while its client waits.
 *
 *	c = verify_check_begin(f, &options);
 *	verify_check_feed(c, piece); ...              with the first, SPF is asked about
 *	verify_check_end(c, on_end, arg);
 *	... on_end(arg, &outcome)
 *	verify_check_free(&c);                        at any time, also in on_end
 *
 * Nothing here judges: frontend/submit does. What DNS does not answer within the time limit
 * (settings:mail-auth time_limit, from verify_check_end() on) is a temperror. */
#ifndef SP_FRONTEND_VERIFY_CHECK_H
#define SP_FRONTEND_VERIFY_CHECK_H

#include "frontend/core/frontend.h"
#include "lib/base/ip.h"
#include "lib/mailauth/dmarc.h"
#include "lib/mailauth/result.h"

/* Borrowed for the call. */
struct verify_options {
	struct ip client;
	struct str helo;
	struct str reverse_path; /* normalised; empty: null */
	struct str authserv_id;	 /* who says it (RFC 8601) */
};

/* Its texts are those of the check. */
struct verify_outcome {
	struct str results;	/* value of Authentication-Results, folded, at most VERIFY_RESULTS_MAX bytes */
	const char *summary;	/* "spf=pass dkim=none dmarc=fail arc=none"; " (trusted)" at its end: see wanted */
	enum spf_result spf;	/* of the reverse-path; if that is null, of the HELO name */
	struct str spf_domain;	/* whose policy that was; may be empty */
	struct str explanation; /* with fail: that domain's words; empty: none */
	/* What the author's domain asks to be done with this message; DMARC_NONE if trusted ARC sealers saw it pass. */
	enum dmarc_policy wanted;
	struct str author;	/* the author's domain; empty: nobody is named, or is_author_unclear */
	bool is_author_unclear; /* no From field, several domains, something that is none, or the header is too large */
	/* The author's domain asks for quarantine or refusal, and a failure of DNS, which a forger
	 * may have chosen, leaves it open whether the message is from there. */
	bool is_unproved;
};

#define VERIFY_RESULTS_MAX 4096

struct verify_check;

struct verify_check *verify_check_begin(struct frontend *f, const struct verify_options *options);
void verify_check_free(struct verify_check **c);
/* The message as its client sent it, with CRLF line ends. */
void verify_check_feed(struct verify_check *c, struct str piece);
typedef void verify_on_end(void *arg, const struct verify_outcome *outcome);
/* cb is called once, never from within. */
void verify_check_end(struct verify_check *c, verify_on_end *cb, void *arg);

#endif
