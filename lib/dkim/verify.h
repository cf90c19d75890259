/* Verifies the signatures of a message as a stream: its body is hashed as it arrives,
 * once for each canonical form that is asked for, and the keys are looked up meanwhile.
 *
 *	v = dkim_verifier_new(base, dns, &options);
 *	dkim_verifier_feed(v, piece); ...
 *	dkim_verifier_end(v, on_verified, arg);
 *	... on_verified(arg, verdicts, count) ... dkim_verifier_free(&v);
 *
 * Everything runs on the loop, one signature at a time: with a key of 2048 bits one takes
 * less than 0.1 ms, and with the largest header and key that are accepted less than 2 ms. */
#ifndef SP_DKIM_VERIFY_H
#define SP_DKIM_VERIFY_H

#include <event2/event.h>

#include "lib/dkim/signature.h"
#include "lib/dns/dns.h"

/* From the top of the header; those below are not looked at. */
#define DKIM_SIGNATURES_MAX 8

struct dkim_verify_options {
	bool accepts_length; /* a signature of only a part of the body (l=) may pass */
	int64_t limit_ms;    /* for what is missing at dkim_verifier_end(); then it is a temperror */
};

/* Texts are those of the verifier. */
struct dkim_verdict {
	enum dkim_result result;
	struct str domain, selector; /* d=, s=; empty: they are malformed */
	struct str signature;	     /* b=, base64 with white space */
	enum dkim_algorithm algorithm;
	unsigned bits;	    /* of an RSA key; 0: another key, or it is not known */
	bool is_test;	    /* t=y: a failure counts as if there were no signature */
	bool is_partial;    /* it covers only the first bytes of the body */
	const char *reason; /* static, one phrase; NULL with pass */
};

struct dkim_verifier;

struct dkim_verifier *dkim_verifier_new(struct event_base *base, struct dns *dns,
					const struct dkim_verify_options *options);
/* At any time; a callback that has not come yet will not come. */
void dkim_verifier_free(struct dkim_verifier **v);
/* Feeds the message, with CRLF line ends, from the first byte of its header on. */
void dkim_verifier_feed(struct dkim_verifier *v, struct str piece);

/* In header order. The verdicts live as long as the verifier; NULL and 0: no signature. */
typedef void dkim_on_verified(void *arg, const struct dkim_verdict *verdicts, unsigned count);
/* cb is called once, never from within. */
void dkim_verifier_end(struct dkim_verifier *v, dkim_on_verified *cb, void *arg);

/* The header block, for other methods; empty if it is too large, or if there is none. Valid after the end. */
struct str dkim_verifier_header(const struct dkim_verifier *v);
/* More than DKIM_HEADER_MAX bytes: what is in it is not known. */
bool dkim_verifier_header_is_too_large(const struct dkim_verifier *v);

#endif
