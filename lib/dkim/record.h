/* Key records, as the owners of domains publish them (RFC 6376, 3.6.1; RFC 8463, 4), and
 * the verification of signatures with them. */
#ifndef SP_DKIM_RECORD_H
#define SP_DKIM_RECORD_H

#include <openssl/evp.h>

#include "lib/dkim/key.h"
#include "lib/dkim/result.h"

/* RFC 8301, 3.2. Above the upper limit verifying may take too long on an event loop. */
#define DKIM_RSA_BITS_LEAST 1024
#define DKIM_RSA_BITS_MOST  4096

struct dkim_record {
	EVP_PKEY *pkey; /* owner */
	unsigned bits;	/* RSA; 0 for Ed25519 */
	bool is_test;	/* t=y: the domain only tries DKIM out */
	bool is_strict; /* t=s: i= must be d=, not a subdomain */
};

/* NULL: a key for this algorithm. Else why not, and in *result_out how that counts. */
const char *dkim_record_parse(struct str text, enum dkim_algorithm algorithm, struct dkim_record *out,
			      enum dkim_result *result_out);
void dkim_record_fini(struct dkim_record *r);

/* signature: base64, with white space. RSA of 2048 bits takes 30 us, the slowest key that
 * dkim_record_parse() accepts less than 1 ms. */
bool dkim_record_verify(const struct dkim_record *r, struct str signature,
			const unsigned char digest[DKIM_DIGEST_BYTES]);

#endif
