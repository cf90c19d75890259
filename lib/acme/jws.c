#include "lib/acme/jws.h"

#include <cjson/cJSON.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "lib/acme/key.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"

enum { COORDINATE_BYTES = 32, MAC_KEY_MAX = 1024 };

/* ---- The key ---- */

static void
jws_coordinate(EVP_PKEY *key, const char *name, struct buf *out)
{
	unsigned char bytes[COORDINATE_BYTES];
	BIGNUM *number = NULL;

	CHECK(EVP_PKEY_get_bn_param(key, name, &number) == 1);
	CHECK(BN_bn2binpad(number, bytes, sizeof(bytes)) == sizeof(bytes));
	BN_free(number);
	base64url_encode(str_of((const char *)bytes, sizeof(bytes)), out);
}

void
jws_jwk(EVP_PKEY *key, struct buf *out)
{
	buf_add_c(out, "{\"crv\":\"P-256\",\"kty\":\"EC\",\"x\":\"");
	jws_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_X, out);
	buf_add_c(out, "\",\"y\":\"");
	jws_coordinate(key, OSSL_PKEY_PARAM_EC_PUB_Y, out);
	buf_add_c(out, "\"}");
}

void
jws_key_authorization(EVP_PKEY *key, struct str token, struct buf *out)
{
	unsigned char digest[SHA256_DIGEST_LENGTH];
	struct buf jwk = BUF_EMPTY;

	jws_jwk(key, &jwk);
	SHA256((const unsigned char *)jwk.data, jwk.len, digest);
	buf_fini(&jwk);
	buf_add_str(out, token);
	buf_add_byte(out, '.');
	base64url_encode(str_of((const char *)digest, sizeof(digest)), out);
}

/* ---- Signing ---- */

/* "r || s", each of 32 bytes, instead of DER (RFC 7518, 3.4). */
static void
jws_es256(EVP_PKEY *key, struct str data, unsigned char out[2 * COORDINATE_BYTES])
{
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char der[128];
	const unsigned char *at = der;
	size_t len = sizeof(der);
	ECDSA_SIG *signature;

	CHECK(md != NULL && EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, key) == 1 &&
	      EVP_DigestSign(md, der, &len, (const unsigned char *)data.p, data.len) == 1);
	EVP_MD_CTX_free(md);
	signature = d2i_ECDSA_SIG(NULL, &at, (long)len);
	CHECK(signature != NULL);
	CHECK(BN_bn2binpad(ECDSA_SIG_get0_r(signature), out, COORDINATE_BYTES) == COORDINATE_BYTES);
	CHECK(BN_bn2binpad(ECDSA_SIG_get0_s(signature), out + COORDINATE_BYTES, COORDINATE_BYTES) == COORDINATE_BYTES);
	ECDSA_SIG_free(signature);
}

/* {"protected": ..., "payload": ..., and where the text to sign, "<protected>.<payload>", is put. */
static void
jws_begin(struct str header, struct str payload, struct buf *signed_out, struct buf *out)
{
	size_t dot;

	base64url_encode(header, signed_out);
	dot = signed_out->len;
	buf_add_byte(signed_out, '.');
	base64url_encode(payload, signed_out);
	buf_printf(out, "{\"protected\":\"%.*s\",\"payload\":\"%s\",\"signature\":\"", (int)dot, signed_out->data,
		   signed_out->data + dot + 1);
}

static void
jws_add_member(struct buf *out, const char *name, const char *value)
{
	cJSON *text = cJSON_CreateString(value);
	char *quoted = cJSON_PrintUnformatted(text);

	CHECK(quoted != NULL);
	buf_printf(out, ",\"%s\":%s", name, quoted);
	cJSON_free(quoted);
	cJSON_Delete(text);
}

void
jws_sign(EVP_PKEY *key, const struct jws_header *h, struct str payload, struct buf *out)
{
	struct buf header = BUF_EMPTY, text = BUF_EMPTY;
	unsigned char signature[2 * COORDINATE_BYTES];

	buf_add_c(&header, "{\"alg\":\"ES256\"");
	if (h->kid != NULL) {
		jws_add_member(&header, "kid", h->kid);
	} else {
		buf_add_c(&header, ",\"jwk\":");
		jws_jwk(key, &header);
	}
	jws_add_member(&header, "nonce", h->nonce);
	jws_add_member(&header, "url", h->url);
	buf_add_byte(&header, '}');
	jws_begin(buf_str(&header), payload, &text, out);
	jws_es256(key, buf_str(&text), signature);
	base64url_encode(str_of((const char *)signature, sizeof(signature)), out);
	buf_add_c(out, "\"}");
	buf_fini(&header);
	buf_fini(&text);
}

int
jws_bind(EVP_PKEY *account, const char *kid, struct str mac_key, const char *url, struct buf *out, struct err *err)
{
	struct buf header = BUF_EMPTY, jwk = BUF_EMPTY, text = BUF_EMPTY, secret = BUF_EMPTY;
	unsigned char mac[SHA256_DIGEST_LENGTH];
	bool ok = base64url_decode(mac_key, &secret) && secret.len != 0 && secret.len <= MAC_KEY_MAX;

	if (ok) {
		buf_add_c(&header, "{\"alg\":\"HS256\"");
		jws_add_member(&header, "kid", kid);
		jws_add_member(&header, "url", url);
		buf_add_byte(&header, '}');
		jws_jwk(account, &jwk);
		jws_begin(buf_str(&header), buf_str(&jwk), &text, out);
		HMAC(EVP_sha256(), secret.data, (int)secret.len, (const unsigned char *)text.data, text.len, mac, NULL);
		base64url_encode(str_of((const char *)mac, sizeof(mac)), out);
		buf_add_c(out, "\"}");
	}
	acme_key_wipe(&secret);
	buf_fini(&header);
	buf_fini(&jwk);
	buf_fini(&text);
	return ok ? 0 : err_set(err, ERR_INVALID, "acme.eab_hmac_key is not a key in base64url");
}
