/* Signed requests: base64url, thumbprints, and signatures that the public key confirms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include <cjson/cJSON.h>
#include <openssl/ecdsa.h>
#include <string.h>

#include "lib/acme/jws.h"
#include "lib/acme/key.h"

/* The key of RFC 7515, A.3, as PKCS #8. */
static const char rfc_key[] = "-----BEGIN PRIVATE KEY-----\n"
			      "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgjpsQnnGQmL+YBIff\n"
			      "H1136cspYG6+0iY7X1fCE9+E9LKhRANCAAR/zc4ncPbEXUGDy+5v20t7WAczNXvp\n"
			      "7xO6z248e9FURcfxRM0bvZt+hyzf7bnuufSzaV1uqQskrYpGIyiFiOWt\n"
			      "-----END PRIVATE KEY-----\n";

static void
test_base64url(void **state)
{
	static const struct {
		struct str plain;
		const char *text;
	} cases[] = {
		{STR(""), ""},
		{STR("f"), "Zg"},
		{STR("fo"), "Zm8"},
		{STR("foo"), "Zm9v"},
		{STR("\xff\xef\xbe"), "_---"},
		{STR("\xfb\xff"), "-_8"},
	};
	static const char *const bad[] = {"a", "ab=", "a+b/", "ab c", "_-=="};
	struct buf out = BUF_EMPTY;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		buf_clear(&out);
		jws_base64url(cases[i].plain, &out);
		assert_true(str_eq(buf_str(&out), str_c(cases[i].text)));
		buf_clear(&out);
		assert_true(jws_base64url_decode(str_c(cases[i].text), &out));
		assert_true(str_eq(buf_str(&out), cases[i].plain));
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(jws_base64url_decode(str_c(bad[i]), &out));
	buf_fini(&out);
}

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

	assert_true(jws_base64url_decode(str_c(cJSON_GetStringValue(cJSON_GetObjectItem(o, name))), &out));
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base64url),
		cmocka_unit_test(test_jwk),
		cmocka_unit_test(test_signatures),
		cmocka_unit_test(test_binding),
		cmocka_unit_test(test_requests_for_odd_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
