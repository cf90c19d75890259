/* SCRAM-SHA-256 verifiers and proofs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "lib/auth/private.h"
#include "lib/base/base64.h"

/* The example of RFC 7677, section 3. */
static const unsigned char salt[] = "\x5b\x6d\x99\x68\x9d\x12\x35\x8e\xec\xa0\x4b\x14\x12\x36\xfa\x81";
static const struct str auth_message =
	STR("n=user,r=rOprNGfwEbeRWgbNEkqO,"
	    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
	    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
static const struct str proof = STR("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=");
static const char *const server_signature = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

static void
test_rfc7677(void **state)
{
	unsigned char signature[SCRAM_KEY_BYTES];
	struct buf text = BUF_EMPTY;
	struct scram_verifier v;

	(void)state;
	scram_verifier_make(STR("pencil"), salt, 16, 4096, &v);
	assert_true(scram_proof_fits(&v, auth_message, proof));
	scram_server_signature(&v, auth_message, signature);
	base64_encode(str_of((const char *)signature, sizeof(signature)), &text);
	assert_string_equal(text.data, server_signature);
	buf_fini(&text);
}

static void
test_wrong_proofs(void **state)
{
	static const struct str wrong[] = {
		STR("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVU="), /* malformed: a bit that no byte uses */
		STR("eHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="),
		STR("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndQ=="), /* a byte less */
		STR("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQA"), /* a byte more */
		STR("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ"),
		STR("=="),
		STR(""),
	};
	struct scram_verifier v, other;

	(void)state;
	scram_verifier_make(STR("pencil"), salt, 16, 4096, &v);
	for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_false(scram_proof_fits(&v, auth_message, wrong[i]));
	assert_false(scram_proof_fits(&v, str_first(auth_message, auth_message.len - 1), proof));
	scram_verifier_make(STR("Pencil"), salt, 16, 4096, &other);
	assert_false(scram_proof_fits(&other, auth_message, proof));
	scram_verifier_make(STR("pencil"), salt, 16, 4095, &other);
	assert_false(scram_proof_fits(&other, auth_message, proof));
	scram_verifier_make(STR("pencil"), salt, 15, 4096, &other);
	assert_false(scram_proof_fits(&other, auth_message, proof));
}

static void
test_text(void **state)
{
	char text[AUTH_VERIFIER_MAX], again[AUTH_VERIFIER_MAX];
	struct scram_verifier v, back;
	unsigned char long_salt[SCRAM_SALT_MAX];
	struct err err;

	(void)state;
	memset(long_salt, 0xff, sizeof(long_salt));
	scram_verifier_make(STR(""), long_salt, sizeof(long_salt), 1, &v);
	v.iterations = 10000000; /* the most; not to be waited for */
	scram_verifier_text(&v, text);
	assert_true(scram_verifier_parse(str_c(text), &back));
	assert_int_equal(back.iterations, 10000000);
	assert_int_equal(back.salt_len, SCRAM_SALT_MAX);
	assert_memory_equal(back.salt, v.salt, SCRAM_SALT_MAX);
	assert_memory_equal(back.stored_key, v.stored_key, SCRAM_KEY_BYTES);
	assert_memory_equal(back.server_key, v.server_key, SCRAM_KEY_BYTES);
	assert_int_equal(auth_make_scram_sha256(STR("secret"), text, &err), 0);
	assert_int_equal(auth_make_scram_sha256(STR("secret"), again, &err), 0);
	assert_string_not_equal(text, again); /* a salt of its own */
	assert_true(scram_verifier_parse(str_c(text), &back));
	assert_true(back.iterations >= 4096);
}

#define KEY  "V5ABkhJIlXMoxrVSsqbTiFVVVPDHC6wOSjISJBPYvQk="
#define SALT "W22ZaJ0SNY7soEsUEjb6gQ=="

static void
test_malformed(void **state)
{
	static const struct {
		struct str text;
		bool good;
	} cases[] = {
		{STR("SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY), true},
		{STR("SCRAM-SHA-256$1:QQ==$" KEY ":" KEY), true},
		{STR(""), false},
		{STR("SCRAM-SHA-256"), false},
		{STR("SCRAM-SHA-1$4096:" SALT "$" KEY ":" KEY), false},
		{STR("scram-sha-256$4096:" SALT "$" KEY ":" KEY), false},
		{STR("SCRAM-SHA-256$0:" SALT "$" KEY ":" KEY), false},
		{STR("SCRAM-SHA-256$-1:" SALT "$" KEY ":" KEY), false},
		{STR("SCRAM-SHA-256$10000001:" SALT "$" KEY ":" KEY), false},
		{STR("SCRAM-SHA-256$:" SALT "$" KEY ":" KEY), false},
		{STR("SCRAM-SHA-256$4096:$" KEY ":" KEY), false},
		{STR("SCRAM-SHA-256$4096:?$" KEY ":" KEY), false},
		{STR("SCRAM-SHA-256$4096:" KEY KEY "$" KEY ":" KEY), false}, /* '=' in the middle */
		{STR("SCRAM-SHA-256$4096:" SALT "$" KEY), false},
		{STR("SCRAM-SHA-256$4096:" SALT "$" KEY ":"), false},
		{STR("SCRAM-SHA-256$4096:" SALT "$:" KEY), false},
		{STR("SCRAM-SHA-256$4096:" SALT "$" SALT ":" KEY), false},
		{STR("SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY " "), false},
		{STR("SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY ":" KEY), false},
		{STR("SCRAM-SHA-256$4096:" SALT "$" KEY ":" KEY "\0"), false},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scram_verifier v;
		assert_int_equal(scram_verifier_parse(cases[i].text, &v), cases[i].good);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rfc7677),
		cmocka_unit_test(test_wrong_proofs),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_malformed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
