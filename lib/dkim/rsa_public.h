/* Reads public RSA keys. OpenSSL's own decoder (d2i_PUBKEY) takes 150 us for what is a few
 * bytes of ASN.1, seven times as long as verifying a signature with the key. */
#ifndef SP_DKIM_RSA_PUBLIC_H
#define SP_DKIM_RSA_PUBLIC_H

#include <openssl/evp.h>
#include <stdbool.h>

#include "lib/base/str.h"

struct dkim_rsa_numbers {
	struct str modulus, exponent; /* big-endian, without leading zeros; they point into the key */
};

/* der: a SubjectPublicKeyInfo (RFC 5280) for rsaEncryption, or a bare RSAPublicKey (RFC 8017,
 * A.1.1). False: it is neither. What follows the key is ignored. */
bool dkim_rsa_read(struct str der, struct dkim_rsa_numbers *out);
unsigned dkim_rsa_bits(struct str number);
/* NULL: OpenSSL does not take it. */
EVP_PKEY *dkim_rsa_make(const struct dkim_rsa_numbers *numbers);

#endif
