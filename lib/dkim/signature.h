/* The fields that hold signatures: DKIM-Signature (RFC 6376, 3.5), and
 * ARC-Message-Signature (RFC 8617, 4.1.2), which differs in few tags. */
#ifndef SP_DKIM_SIGNATURE_H
#define SP_DKIM_SIGNATURE_H

#include <openssl/evp.h>

#include "lib/dkim/canon.h"
#include "lib/dkim/header.h"
#include "lib/dkim/key.h"
#include "lib/dkim/result.h"
#include "lib/dkim/tags.h"

#define DKIM_SIGNATURE_FIELD_MAX 16384 /* bytes; a longer one is not verified */
#define DKIM_SIGNED_NAMES_MAX	 400   /* in h= */

enum dkim_signature_kind { DKIM_SIGNATURE_FIELD, DKIM_ARC_MESSAGE_SIGNATURE };

/* Texts point into the field. */
struct dkim_signature {
	struct str field; /* whole */
	enum dkim_algorithm algorithm;
	enum dkim_canon header_canon, body_canon;
	struct str domain, selector;
	struct str identity_domain; /* of i=; for ARC it is domain */
	struct str names;	    /* h= */
	struct str signature;	    /* b=, base64 with white space */
	struct str body_hash;	    /* bh=, the same */
	uint64_t length;	    /* l=, or DKIM_WHOLE_BODY */
	bool is_expired;	    /* by x= */
};

/* now: unix seconds. NULL: it is well-formed. Else why not, and in *result_out how that
 * counts; domain and selector are set if they could be read, else empty. */
const char *dkim_signature_parse(struct str field, enum dkim_signature_kind kind, int64_t now,
				 struct dkim_signature *out, enum dkim_result *result_out);

/* Appends a field without the value of its b= (RFC 6376, 3.5), in canonical form, and
 * without its line end. signature: that value, a part of the field. */
void dkim_signature_canon(enum dkim_canon canon, struct str field, struct str signature, struct buf *out);

/* The digest of the fields named in h= (5.4.2), then of the signature's own field. */
void dkim_signature_digest(const struct dkim_signature *s, const struct dkim_fields *fields,
			   unsigned char digest_out[DKIM_DIGEST_BYTES]);

/* A d= or s=, which becomes a part of a name in DNS and is shown to users: labels of letters,
 * digits, "-" and "_". */
bool dkim_signature_is_domain(struct str s);

/* Does the base64 text hold these bytes? */
bool dkim_signature_has_hash(struct str base64, const unsigned char hash[DKIM_DIGEST_BYTES]);

#endif
