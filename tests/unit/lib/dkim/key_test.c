/* Keys: as text, as records, and what they sign. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/base64.h"
#include "lib/dkim/canon.h"
#include "lib/dkim/key.h"

/* RFC 8463, A.1 and A.2, the private key as PKCS #8 (RFC 8410). */
#define RFC_KEY	   "ed25519 active 1528637909000 MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
#define RFC_RECORD "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="

static void
test_record_of_the_rfc(void **state)
{
	struct buf record = BUF_EMPTY, text = BUF_EMPTY;
	struct dkim_key key;
	struct err err;

	(void)state;
	assert_int_equal(dkim_key_read(STR("brisbane"), STR(RFC_KEY), &key, &err), 0);
	assert_int_equal(key.algorithm, DKIM_ED25519);
	assert_int_equal(key.state, DKIM_ACTIVE);
	assert_int_equal(key.created_ms, 1528637909000);
	dkim_key_record(&key, &record);
	assert_true(str_eq(buf_str(&record), STR(RFC_RECORD)));
	dkim_key_write(&key, &text);
	assert_true(str_eq(buf_str(&text), STR(RFC_KEY)));
	dkim_key_fini(&key);
	buf_fini(&record);
	buf_fini(&text);
}

/* RFC 8463, A.3: Ed25519 signs the same twice. */
static void
test_signature_of_the_rfc(void **state)
{
	static const char *const fields[] = {
		"From: Joe SixPack <joe@football.example.com>\r\n",
		"To: Suzie Q <suzie@shopping.example.net>\r\n",
		"Subject: Is dinner ready?\r\n",
		"Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r\n",
		"Message-ID: <20030712040037.46341.5F8J@football.example.com>\r\n",
		"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r\n"
		" d=football.example.com; i=@football.example.com;\r\n"
		" q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r\n"
		" subject : date : message-id : from : subject : date;\r\n"
		" bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r\n"
		" b=\r\n",
	};
	struct buf canonical = BUF_EMPTY, signature = BUF_EMPTY;
	unsigned char digest[DKIM_DIGEST_BYTES];
	unsigned int len;
	struct dkim_key key;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		dkim_canon_field(str_c(fields[i]), &canonical);
	assert_int_equal(EVP_Digest(canonical.data, canonical.len - 2, digest, &len, EVP_sha256(), NULL), 1);
	assert_int_equal(dkim_key_read(STR("brisbane"), STR(RFC_KEY), &key, &err), 0);
	assert_int_equal(dkim_key_sign(&key, digest, &signature, &err), 0);
	assert_true(str_eq(buf_str(&signature), STR("/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus"
						    "Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==")));
	dkim_key_fini(&key);
	buf_fini(&canonical);
	buf_fini(&signature);
}

static void
test_rsa(void **state)
{
	unsigned char digest[DKIM_DIGEST_BYTES] = {1, 2, 3};
	struct buf text = BUF_EMPTY, base64 = BUF_EMPTY, signature = BUF_EMPTY, zone = BUF_EMPTY;
	struct dkim_key made, key;
	EVP_PKEY_CTX *ctx;
	struct err err;

	(void)state;
	assert_int_equal(dkim_key_make(DKIM_RSA, STR("s1.mail"), 12345, &made, &err), 0);
	assert_int_equal(made.state, DKIM_WAITING);
	dkim_key_write(&made, &text);
	assert_int_equal(dkim_key_read(STR("s1.mail"), buf_str(&text), &key, &err), 0);
	assert_int_equal(EVP_PKEY_eq(made.pkey, key.pkey), 1);
	assert_int_equal(EVP_PKEY_get_bits(key.pkey), 2048);

	assert_int_equal(dkim_key_sign(&key, digest, &base64, &err), 0);
	assert_true(base64_decode(buf_str(&base64), &signature));
	ctx = EVP_PKEY_CTX_new(made.pkey, NULL);
	assert_int_equal(EVP_PKEY_verify_init(ctx), 1);
	assert_int_equal(EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()), 1);
	assert_int_equal(EVP_PKEY_verify(ctx, (unsigned char *)signature.data, signature.len, digest, sizeof(digest)),
			 1);
	EVP_PKEY_CTX_free(ctx);

	/* Two strings of a TXT record, neither over 255 bytes. */
	dkim_key_zone_line(&key, STR("example.test"), &zone);
	assert_true(
		str_starts(buf_str(&zone), STR("s1.mail._domainkey.example.test. IN TXT ( \"v=DKIM1; k=rsa; p=MII")));
	assert_true(memmem(zone.data, zone.len, "\" \"", 3) != NULL);
	dkim_key_fini(&made);
	dkim_key_fini(&key);
	buf_fini(&text);
	buf_fini(&base64);
	buf_fini(&signature);
	buf_fini(&zone);
}

static void
test_selectors(void **state)
{
	static const struct {
		const char *selector;
		bool good;
	} cases[] = {
		{"s20261123", true}, {"a.b", true},	  {"A-1_b", true}, {"", false},	      {".a", false},
		{"a.", false},	     {"a..b", false},	  {"-a", false},   {"a-", false},     {"a-.b", false},
		{"a b", false},	     {"\xc3\xa9", false}, {"a;b", false},  {"a\r\nb", false},
	};
	char longest[DKIM_SELECTOR_MAX + 1];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(dkim_selector_is_valid(str_c(cases[i].selector)), cases[i].good);
	memset(longest, 'a', sizeof(longest));
	assert_true(dkim_selector_is_valid(str_of(longest, DKIM_SELECTOR_MAX - 1)));
	assert_false(dkim_selector_is_valid(str_of(longest, DKIM_SELECTOR_MAX)));
}

static void
test_damaged(void **state)
{
	static const char *const cases[] = {
		"",
		"rsa",
		"rsa active",
		"rsa active 1",
		"rsa active 1 ",
		"rsa active 1 AAAA",
		"rsa active 1 ???",
		"rsa active x MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
		"rsa sleeping 1 MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
		"dsa active 1 MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
		/* A key of another algorithm than it says. */
		"rsa active 1 MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g",
	};
	struct dkim_key key;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(dkim_key_read(STR("s"), str_c(cases[i]), &key, &err), -1);
		assert_int_equal(err.code, ERR_CORRUPT);
		assert_null(key.pkey);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_record_of_the_rfc),
		cmocka_unit_test(test_signature_of_the_rfc),
		cmocka_unit_test(test_rsa),
		cmocka_unit_test(test_selectors),
		cmocka_unit_test(test_damaged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
