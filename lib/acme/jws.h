/* Signed requests of ACME (RFC 8555, 6.2): JSON Web Signatures in the flattened
 * JSON form (RFC 7515), with the account's key (ES256), and what is made from that
 * key (RFC 7517, 7638). Pure, but for the randomness of signatures. */
#ifndef SP_ACME_JWS_H
#define SP_ACME_JWS_H

#include <openssl/evp.h>

#include "lib/base/buf.h"
#include "lib/base/err.h"
#include "lib/base/str.h"

/* The public part of a P-256 key as JSON, its members in the order that the
 * thumbprint needs. */
void jws_jwk(EVP_PKEY *key, struct buf *out);
/* "<token>.<thumbprint of the key>" (RFC 8555, 8.1). */
void jws_key_authorization(EVP_PKEY *key, struct str token, struct buf *out);

struct jws_header {
	const char *url, *nonce;
	const char *kid; /* the account's URL; NULL: the key itself is sent (new accounts) */
};
/* payload empty: POST-as-GET. */
void jws_sign(EVP_PKEY *key, const struct jws_header *header, struct str payload, struct buf *out);

/* The binding of a new account to one that the CA knows (RFC 8555, 7.3.4). mac_key:
 * base64url, as the CA gave it. ERR_INVALID: mac_key. */
int jws_bind(EVP_PKEY *account, const char *kid, struct str mac_key, const char *url, struct buf *out, struct err *err);

#endif
