/* Signed requests: thumbprints, and signatures that the public key confirms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "lib/acme/jws.h"
#include "lib/acme/key.h"
#include "lib/base/base64.h"

/* The key of RFC 7515, A.3, as PKCS #8. */
static const char rfc_key[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
			      "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
			      "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
			      "-----END PRIVATE KEY-----\n";

static void
test_jwk(void **state)
{
	EVP_PKEY *key = acme_key_read(str_c(rfc_key));
	struct buf jwk = BUF_EMPTY, pem = BUF_EMPTY;

	(void)state;
	assert_non_null(key);
	jws_jwk(key, &jwk);
	assert_string_equal(jwk.data, "{\"crv\":\"P-256\",\"kty\":\"EC\","
				      "\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\","
				      "\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}");
	acme_key_write(key, &pem);
	assert_non_null(strstr(pem.data, "BEGIN PRIVATE KEY"));
	buf_fini(&jwk);
	acme_key_wipe(&pem);
	EVP_PKEY_free(key);
	assert_null(acme_key_read(STR("nonsense")));
}

static struct buf
member_of(const cJSON *o, const char *name)
{
	struct buf out = BUF_EMPTY;

	assert_true(base64url_decode(str_c(cJSON_GetStringValue(cJSON_GetObjectItem(o, name))), &out));
	return out;
}

static bool
is_signed_by(EVP_PKEY *key, const cJSON *o)
{
	struct buf raw = member_of(o, "signature"), text = BUF_EMPTY;
	ECDSA_SIG *signature = ECDSA_SIG_new();
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	unsigned char *der = NULL;
	int len;
	bool ok;

	assert_int_equal(raw.len, 64);
	ECDSA_SIG_set0(signature, BN_bin2bn((unsigned char *)raw.data, 32, NULL),
		       BN_bin2bn((unsigned char *)raw.data + 32, 32, NULL));
	len = i2d_ECDSA_SIG(signature, &der);
	buf_printf(&text, "%s.%s", cJSON_GetStringValue(cJSON_GetObjectItem(o, "protected")),
		   cJSON_GetStringValue(cJSON_GetObjectItem(o, "payload")));
	EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, key);
	ok = EVP_DigestVerify(md, der, (size_t)len, (unsigned char *)text.data, text.len) == 1;
	EVP_MD_CTX_free(md);
	ECDSA_SIG_free(signature);
	OPENSSL_free(der);
	buf_fini(&raw);
	buf_fini(&text);
	return ok;
}

/* Often, because a coordinate or a half of a signature may begin with zeros. */
static void
test_signatures(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 600; i++) {
		EVP_PKEY *key = acme_key_make(ACME_P256);
		const struct jws_header header = {"https://ca/\"x", "n-1", i % 2 != 0 ? "https://ca/account" : NULL};
		struct buf out = BUF_EMPTY, head, payload;
		cJSON *o, *parsed;

		jws_sign(key, &header, STR("{\"a\":1}"), &out);
		o = cJSON_Parse(out.data);
		head = member_of(o, "protected");
		payload = member_of(o, "payload");
		parsed = cJSON_Parse(head.data);
		assert_string_equal(payload.data, "{\"a\":1}");
		assert_string_equal(cJSON_GetObjectItem(parsed, "url")->valuestring, header.url);
		assert_int_equal(cJSON_HasObjectItem(parsed, "kid"), i % 2);
		assert_int_equal(cJSON_HasObjectItem(parsed, "jwk"), i % 2 == 0);
		assert_true(is_signed_by(key, o));
		cJSON_Delete(o);
		cJSON_Delete(parsed);
		buf_fini(&head);
		buf_fini(&payload);
		buf_fini(&out);
		EVP_PKEY_free(key);
	}
}

static void
test_binding(void **state)
{
	EVP_PKEY *key = acme_key_make(ACME_P256);
	struct buf out = BUF_EMPTY;
	struct err err;

	(void)state;
	assert_int_equal(jws_bind(key, "kid", STR("zWNDZM6eQGHWpSRTPal5eIUYFTu7EajV"), "https://ca/new", &out, &err),
			 0);
	assert_non_null(strstr(out.data, "\"signature\":\""));
	assert_int_equal(jws_bind(key, "kid", STR("not base64"), "https://ca/new", &out, &err), -1);
	assert_int_equal(err.code, ERR_INVALID);
	assert_int_equal(jws_bind(key, "kid", STR(""), "https://ca/new", &out, &err), -1);
	buf_fini(&out);
	EVP_PKEY_free(key);
}

static void
test_requests_for_odd_names(void **state)
{
	static const char *const bad[] = {"a,DNS:evil.test", "a b", "DNS:x"};
	EVP_PKEY *key = acme_key_make(ACME_P384);
	struct acme_validity validity;
	struct buf der = BUF_EMPTY;
	struct err err;

	(void)state;
	assert_int_equal(acme_csr(key, "mail.example.com", &der, &err), 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(acme_csr(key, bad[i], &der, &err), -1);
	assert_int_equal(acme_chain_check(STR("nothing"), key, "x", 0, &validity, &err), -1);
	buf_fini(&der);
	EVP_PKEY_free(key);
}

/* Appends a certificate for a.test, in PEM; times in seconds (unix). */
static void
add_certificate(EVP_PKEY *key, int64_t from, int64_t until, struct buf *pem_out)
{
	X509 *c = X509_new();
	X509_EXTENSION *names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:a.test");
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	assert_int_equal(X509_set_version(c, 2), 1);
	ASN1_TIME_set(X509_getm_notBefore(c), from);
	ASN1_TIME_set(X509_getm_notAfter(c), until);
	assert_int_equal(X509_set_pubkey(c, key), 1);
	assert_int_equal(X509_add_ext(c, names, -1), 1);
	assert_true(X509_sign(c, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_bio_X509(bio, c), 1);
	len = BIO_get_mem_data(bio, &text);
	buf_add(pem_out, text, (size_t)len);
	X509_EXTENSION_free(names);
	X509_free(c);
	BIO_free(bio);
}

static void
test_chains(void **state)
{
	enum { NOW = 1000000000, DAY = 24 * 3600 };
	static const char encrypted[] = "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
					"DEK-Info: DES-EDE3-CBC,0123456789ABCDEF\n\nAAAA\n"
					"-----END CERTIFICATE-----\n";
	static const struct {
		int64_t from, until;
		const char *behind;
		bool good;
	} cases[] = {
		{NOW - 1, NOW + DAY, "", true},
		{NOW - 1, NOW + DAY, "\nwords of the CA\n", true},
		{NOW - 2, NOW - 1, "", false},
		{NOW + DAY / 2, NOW + 2 * DAY, "", true}, /* a clock that is behind */
		{NOW + 2 * DAY, NOW + 3 * DAY, "", false},
		{NOW + DAY / 2, NOW + DAY / 2, "", false},
		{NOW - 1, NOW + DAY, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", false},
		{NOW - 1, NOW + DAY, "-----BEGIN CERTIFICATE-----\nAAAA\n", false},
		{NOW - 1, NOW + DAY, encrypted, false},
	};
	EVP_PKEY *key = acme_key_make(ACME_P256), *other = acme_key_make(ACME_P256);
	struct acme_validity validity;
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf chain = BUF_EMPTY;
		int64_t now_ms = (int64_t)NOW * 1000;

		add_certificate(key, cases[i].from, cases[i].until, &chain);
		add_certificate(other, NOW - 1, NOW + 1, &chain);
		buf_add_c(&chain, cases[i].behind);
		assert_int_equal(acme_chain_check(buf_str(&chain), key, "a.test", now_ms, &validity, &err),
				 cases[i].good ? 0 : -1);
		assert_int_equal(acme_chain_check(buf_str(&chain), key, "b.test", now_ms, &validity, &err), -1);
		assert_int_equal(acme_chain_check(buf_str(&chain), other, "a.test", now_ms, &validity, &err), -1);
		buf_fini(&chain);
	}
	EVP_PKEY_free(key);
	EVP_PKEY_free(other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_jwk),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_requests_for_odd_names),
		cmocka_unit_test(test_chains),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
