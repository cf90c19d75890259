/* DMARC (RFC 7489, with np=, psd= and t= of RFC 9989): does what SPF and DKIM have
 * proved belong to the author's domain, and what does its owner ask for if not?
 *
 * The organizational domain comes from the public suffix list (RFC 7489, 3.2), not
 * from the tree walk of RFC 9989: at most three records are asked for, one after
 * another: that of the author's domain, of its organizational domain, and of the
 * public suffix above that if it says psd=y. */
#ifndef SP_MAILAUTH_DMARC_H
#define SP_MAILAUTH_DMARC_H

#include "lib/dns/dns.h"
#include "lib/mailauth/dmarc_record.h"
#include "lib/mailauth/org_domain.h"
#include "lib/mailauth/result.h"

enum dmarc_method { DMARC_BY_SPF, DMARC_BY_DKIM };

/* A domain that a method has proved, or may yet prove. */
struct dmarc_identifier {
	enum dmarc_method method;
	struct str domain; /* SPF: of the reverse-path, or the HELO name if that is null; DKIM: d= */
	bool is_temporary; /* it was a temperror instead of a pass */
};

#define DMARC_IDENTIFIERS_MAX 16 /* more are ignored */

/* All borrowed for the call. */
struct dmarc_question {
	struct str from; /* the author's domain: A-labels, lower case */
	const struct dmarc_identifier *identifiers;
	unsigned count;
};

/* Borrowed for the callback. */
struct dmarc_answer {
	enum dmarc_result result;
	struct str from;
	struct str policy_domain; /* whose record counts; empty: there is none */
	struct dmarc_record record;
	enum dmarc_policy policy;	      /* for this author's domain: p=, sp= or np= */
	bool is_spf_aligned, is_dkim_aligned; /* and passed */
	const char *problem;		      /* with temperror and permerror: why; else NULL */
};

struct dmarc_check;
typedef void dmarc_on_answer(void *arg, const struct dmarc_answer *answer);

/* cb is called once, never from within; then the check is gone. o must outlive it. There
 * is no time limit but those of lib/dns: the caller cancels. */
struct dmarc_check *dmarc_check_start(struct dns *dns, const struct org_domains *o,
				      const struct dmarc_question *question, dmarc_on_answer *cb, void *arg);
/* The callback will not come. Sets *c to NULL; NULL is allowed. */
void dmarc_check_cancel(struct dmarc_check **c);

/* What the owner asks to be done with this message: his policy if it failed, one step
 * milder if he is testing (t=y) or if the message is not among the pct= percent. draw:
 * a random number from 0 to 99. */
enum dmarc_policy dmarc_disposition(const struct dmarc_answer *answer, unsigned draw);

#endif
