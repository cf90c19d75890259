/* Keys of accounts and certificates, and what ACME (RFC 8555) makes of them:
 * certificate requests, and the check of the certificate that comes back. */
#ifndef SP_ACME_KEY_H
#define SP_ACME_KEY_H

#include <openssl/evp.h>
#include <stdint.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/* In the order of the words of the setting acme.key_type. */
enum acme_key_type { ACME_P256, ACME_P384 };

/* NULL never; a millisecond of work. Free it with EVP_PKEY_free(). */
EVP_PKEY *acme_key_make(enum acme_key_type type);
/* PKCS #8 as PEM, unencrypted; wipe it after use. */
void acme_key_write(EVP_PKEY *key, struct buf *pem_out);
/* NULL: not a key. */
EVP_PKEY *acme_key_read(struct str pem);
/* Frees a buffer that held a secret. */
void acme_key_wipe(struct buf *secret);

/* A certificate request (PKCS #10, DER) for one host name. */
int acme_csr(EVP_PKEY *key, const char *name, struct buf *der_out, struct err *err);

struct acme_validity {
	int64_t from_ms, until_ms; /* unix */
};
/* Is the first certificate of the chain (PEM) for this key and this name, and valid
 * now, or in a day at the latest? Are the others certificates? ERR_INVALID: no. */
int acme_chain_check(struct str chain, EVP_PKEY *key, const char *name, int64_t now_ms, struct acme_validity *out,
		     struct err *err);

#endif
