#include "lib/dkim/record.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "lib/base/base64.h"
#include "lib/dkim/tags.h"

#define ED25519_BYTES	  32
#define KEY_BYTES_MAX	  2048 /* of RSA with 4096 bits: 550 */
#define EXPONENT_BITS_MAX 64   /* usual: 17. A long exponent makes verifying as slow as signing. */

/* "rsa" keys are a SubjectPublicKeyInfo; some are a bare RSAPublicKey (RFC 6376, erratum 3017). */
static EVP_PKEY *
record_read_rsa(struct str der)
{
	const unsigned char *p = (const unsigned char *)der.p;
	EVP_PKEY *pkey = d2i_PUBKEY(NULL, &p, (long)der.len);

	if (pkey == NULL) {
		p = (const unsigned char *)der.p;
		pkey = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)der.len);
	}
	ERR_clear_error();
	return pkey;
}

static const char *
record_judge_rsa(struct dkim_record *r, enum dkim_result *result_out)
{
	BIGNUM *exponent = NULL;
	int exponent_bits = 0;

	if (EVP_PKEY_get_base_id(r->pkey) != EVP_PKEY_RSA)
		return "its key is not of RSA";
	if (EVP_PKEY_get_bn_param(r->pkey, OSSL_PKEY_PARAM_RSA_E, &exponent) == 1)
		exponent_bits = BN_num_bits(exponent);
	BN_free(exponent);
	r->bits = (unsigned)EVP_PKEY_get_bits(r->pkey);
	if (r->bits > DKIM_RSA_BITS_MOST || exponent_bits < 2 || exponent_bits > EXPONENT_BITS_MAX)
		return "its key is too large";
	if (r->bits < DKIM_RSA_BITS_LEAST) {
		*result_out = DKIM_RESULT_POLICY;
		return "its key is too small";
	}
	return NULL;
}

static const char *
record_read_key(struct str base64, enum dkim_algorithm algorithm, struct dkim_record *out, enum dkim_result *result_out)
{
	struct buf text = BUF_EMPTY, bytes = BUF_EMPTY;
	const char *problem = "its key is malformed";

	dkim_tag_squeeze(base64, &text);
	if (text.len <= KEY_BYTES_MAX && base64_decode(buf_str(&text), &bytes)) {
		if (algorithm == DKIM_RSA)
			out->pkey = record_read_rsa(buf_str(&bytes));
		else if (bytes.len == ED25519_BYTES)
			out->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL,
								(const unsigned char *)bytes.data, bytes.len);
	}
	if (out->pkey != NULL)
		problem = algorithm == DKIM_RSA ? record_judge_rsa(out, result_out) : NULL;
	buf_fini(&text);
	buf_fini(&bytes);
	return problem;
}

const char *
dkim_record_parse(struct str text, enum dkim_algorithm algorithm, struct dkim_record *out, enum dkim_result *result_out)
{
	struct dkim_tags tags;
	const struct dkim_tag *version, *hashes, *key;
	struct str flags, services;
	const char *problem;

	*out = (struct dkim_record){0};
	*result_out = DKIM_RESULT_PERMERROR;
	if (!dkim_tags_parse(text, &tags))
		return "its key record is malformed";
	version = dkim_tags_find(&tags, STR("v"));
	if (version != NULL && (version != &tags.items[0] || !str_eq(version->value, STR("DKIM1"))))
		return "its key record has an unknown version";
	key = dkim_tags_find(&tags, STR("p"));
	if (key == NULL)
		return "its key record has no key";
	if (key->value.len == 0)
		return "its key was revoked";
	if (!str_eq_ci(dkim_tags_value(&tags, "k", "rsa"), str_c(dkim_algorithm_name(algorithm))))
		return "its key is for another algorithm";
	hashes = dkim_tags_find(&tags, STR("h"));
	if (hashes != NULL && !dkim_tag_has_item(hashes->value, STR("sha256")))
		return "its key is not for SHA-256";
	services = dkim_tags_value(&tags, "s", "*");
	if (!dkim_tag_has_item(services, STR("*")) && !dkim_tag_has_item(services, STR("email")))
		return "its key is not for mail";
	flags = dkim_tags_value(&tags, "t", "");
	out->is_test = dkim_tag_has_item(flags, STR("y"));
	out->is_strict = dkim_tag_has_item(flags, STR("s"));
	problem = record_read_key(key->value, algorithm, out, result_out);
	if (problem != NULL)
		dkim_record_fini(out);
	return problem;
}

void
dkim_record_fini(struct dkim_record *r)
{
	EVP_PKEY_free(r->pkey);
	r->pkey = NULL;
}

/* ---- Verifying ---- */
static bool
record_verify_rsa(EVP_PKEY *pkey, struct str signature, const unsigned char *digest)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(pkey, NULL);
	bool good =
		ctx != NULL && EVP_PKEY_verify_init(ctx) == 1 &&
		EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
		EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
		EVP_PKEY_verify(ctx, (const unsigned char *)signature.p, signature.len, digest, DKIM_DIGEST_BYTES) == 1;

	EVP_PKEY_CTX_free(ctx);
	return good;
}

static bool
record_verify_ed25519(EVP_PKEY *pkey, struct str signature, const unsigned char *digest)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good = ctx != NULL && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, pkey) == 1 &&
		    EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.len, digest,
				     DKIM_DIGEST_BYTES) == 1;

	EVP_MD_CTX_free(ctx);
	return good;
}

bool
dkim_record_verify(const struct dkim_record *r, struct str signature, const unsigned char digest[DKIM_DIGEST_BYTES])
{
	struct buf text = BUF_EMPTY, bytes = BUF_EMPTY;
	bool good;

	dkim_tag_squeeze(signature, &text);
	good = base64_decode(buf_str(&text), &bytes) &&
	       (r->bits > 0 ? record_verify_rsa : record_verify_ed25519)(r->pkey, buf_str(&bytes), digest);
	buf_fini(&text);
	buf_fini(&bytes);
	ERR_clear_error();
	return good;
}
