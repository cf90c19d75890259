/* Sender Policy Framework (RFC 7208): may this client send mail for this domain?
 *
 *	check = spf_check_start(base, dns, &question, on_result, arg);
 *	... on_result(arg, &answer), or spf_check_cancel(&check)
 *
 * All queries go through lib/dns, one after another; nothing blocks. A check is
 * bounded: 10 terms that ask DNS, 10 names of an MX or PTR answer, 2 queries
 * without an answer (RFC 7208, 4.6.4), and the caller's time limit. */
#ifndef SP_MAILAUTH_SPF_H
#define SP_MAILAUTH_SPF_H

#include <event2/event.h>

#include "lib/base/ip.h"
#include "lib/base/str.h"
#include "lib/dns/dns.h"
#include "lib/mailauth/result.h"

#define SPF_EXPLANATION_MAX 400 /* bytes: it goes into one SMTP reply */

/* All borrowed for the call. Domains as A-labels. */
struct spf_question {
	struct ip client;
	struct str helo; /* as the client said it */
	/* Identity MAIL FROM: the reverse-path without <>. Empty, for the identity HELO
	 * or the null reverse-path: postmaster at the HELO name (RFC 7208, 2.4). */
	struct str sender;
	struct str receiver; /* our own name, for %{r} */
	int64_t limit_ms;    /* for the whole check; then it is a temperror. RFC 7208 asks for 20 s at least. */
};

/* Borrowed for the callback. */
struct spf_answer {
	enum spf_result result;
	struct str domain;	/* whose policy was asked for */
	struct str mechanism;	/* that decided, as written in the record; empty: none did */
	struct str explanation; /* with fail: the domain owner's words, printable ASCII; empty: none */
	const char *problem;	/* with none, temperror and permerror: why; else NULL */
};

struct spf_check;
typedef void spf_on_answer(void *arg, const struct spf_answer *answer);

/* cb is called once, never from within; then the check is gone. */
struct spf_check *spf_check_start(struct event_base *base, struct dns *dns, const struct spf_question *question,
				  spf_on_answer *cb, void *arg);
/* The callback will not come. Sets *c to NULL; NULL is allowed. */
void spf_check_cancel(struct spf_check **c);

#endif
