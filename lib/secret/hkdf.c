/* HKDF with SHA-256, by OpenSSL. */
#include "lib/secret/hkdf.h"

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include "lib/base/check.h"

/* OpenSSL takes non-const pointers but does not write through them. An empty
 * piece must not be NULL. */
static OSSL_PARAM
hkdf_octets(const char *name, struct str piece)
{
	const char *p = piece.p != NULL ? piece.p : "";

	return OSSL_PARAM_construct_octet_string(name, (void *)(uintptr_t)p, piece.len);
}

void
hkdf_sha256(struct str salt, struct str secret, struct str info, void *out, size_t len)
{
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	OSSL_PARAM params[] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t) "SHA256", 0),
		hkdf_octets(OSSL_KDF_PARAM_KEY, secret),
		hkdf_octets(OSSL_KDF_PARAM_SALT, salt),
		hkdf_octets(OSSL_KDF_PARAM_INFO, info),
		OSSL_PARAM_construct_end(),
	};

	CHECK(len <= HKDF_MAX);
	CHECK(ctx != NULL && EVP_KDF_derive(ctx, out, len, params) == 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}
