/* The sets of fields that make an ARC chain (RFC 8617, 4): what each holder of a message
 * that passed it on says about it. Here they are found and put in order; arc.h verifies. */
#ifndef SP_MAILAUTH_ARC_SET_H
#define SP_MAILAUTH_ARC_SET_H

#include "lib/dkim/header.h"
#include "lib/dkim/signature.h"

#define ARC_INSTANCES_MAX 50 /* RFC 8617, 4.2.1 */

/* cv=, and the state of a chain (4.1.3). */
enum arc_result { ARC_NONE, ARC_PASS, ARC_FAIL, ARC_TEMPERROR, ARC_RESULTS };

/* "temperror" is not one of RFC 8601's words for arc=, but of ours: a key cannot be looked up now. */
const char *arc_result_name(enum arc_result result);

/* ARC-Seal. Texts point into the field. */
struct arc_seal {
	struct str field; /* whole */
	enum dkim_algorithm algorithm;
	enum arc_result cv;
	struct str domain, selector;
	struct str signature;
};

struct arc_set {
	struct str results; /* ARC-Authentication-Results: the whole field */
	struct str payload; /* what follows its instance: "<authserv-id>; spf=..." */
	struct dkim_signature message;
	struct arc_seal seal;
};

struct arc_chain {
	struct arc_set *sets; /* in the arena; sets[0] is instance 1 */
	unsigned count;
};

/* now: unix seconds. NULL: the chain is well-formed, or there is none (count is 0). Else
 * why not; count then is its highest instance, if that could be told. */
const char *arc_chain_read(const struct dkim_fields *fields, int64_t now, struct arena *arena,
			   struct arc_chain *chain_out);

/* The digest that the seal of instance `instance` signs (5.1.1). */
void arc_seal_digest(const struct arc_chain *chain, unsigned instance, unsigned char digest_out[DKIM_DIGEST_BYTES]);

#endif
