/* AUTH of the client: the example of RFC 7677, and servers that lie. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>
#include <stdio.h>

#include "delivery-worker/net/login.h"
#include "lib/base/base64.h"

static void
test_choice(void **state)
{
	static const struct {
		unsigned offered;
		bool is_private;
		const char *mechanism; /* NULL: none */
	} rows[] = {
		{SASL_PLAIN | SASL_LOGIN | SASL_SCRAM_SHA_256, true, "SCRAM-SHA-256"},
		{SASL_PLAIN | SASL_LOGIN, true, "PLAIN"},
		{SASL_LOGIN, true, "LOGIN"},
		{SASL_PLAIN | SASL_LOGIN, false, NULL},
		{SASL_PLAIN | SASL_SCRAM_SHA_256, false, "SCRAM-SHA-256"},
		{0, true, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct login *l = login_new(rows[i].offered, STR("user"), STR("pencil"), rows[i].is_private);

		if (rows[i].mechanism == NULL)
			assert_null(l);
		else
			assert_string_equal(login_mechanism(l), rows[i].mechanism);
		login_free(&l);
	}
}

/* The server's side of SCRAM, done over. */
static void
server_final(struct str auth_message, struct str salt, struct buf *out)
{
	unsigned char salted[32], key[32], signature[32];
	unsigned len = 32;

	PKCS5_PBKDF2_HMAC("pencil", 6, (const unsigned char *)salt.p, (int)salt.len, 4096, EVP_sha256(), 32, salted);
	HMAC(EVP_sha256(), salted, 32, (const unsigned char *)"Server Key", 10, key, &len);
	HMAC(EVP_sha256(), key, 32, (const unsigned char *)auth_message.p, auth_message.len, signature, &len);
	buf_add_c(out, "v=");
	base64_encode(str_of((const char *)signature, 32), out);
}

static void
test_scram(void **state)
{
	struct login *l = login_new(SASL_SCRAM_SHA_256, STR("us=er,"), STR("pencil"), false);
	struct buf first = BUF_EMPTY, challenge = BUF_EMPTY, final = BUF_EMPTY, auth = BUF_EMPTY, end = BUF_EMPTY;
	struct str proof;

	(void)state;
	assert_true(login_begin(l, &first));
	assert_true(str_starts(buf_str(&first), STR("n,,n=us=3Der=2C,r=")));
	buf_printf(&challenge, "r=%sserver,s=c2FsdA==,i=4096", first.data + 18);
	assert_true(login_answer(l, buf_str(&challenge), &final));
	assert_false(login_is_complete(l));
	assert_true(str_starts(buf_str(&final), STR("c=biws,r=")));
	proof = str_from(buf_str(&final), (size_t)(strstr(final.data, ",p=") - final.data));
	buf_printf(&auth, "%s,%s,%.*s", first.data + 3, challenge.data, (int)(final.len - proof.len), final.data);
	server_final(buf_str(&auth), STR("salt"), &end);
	buf_clear(&final);
	assert_true(login_answer(l, buf_str(&end), &final));
	assert_int_equal(final.len, 0);
	assert_true(login_is_complete(l));
	assert_false(login_answer(l, buf_str(&end), &final));
	login_free(&l);
	buf_fini(&first);
	buf_fini(&challenge);
	buf_fini(&final);
	buf_fini(&auth);
	buf_fini(&end);
}

static void
test_bad_challenges(void **state)
{
	static const char *const bad[] = {"",
					  "r=other,s=c2FsdA==,i=4096",
					  "r=%s,s=c2FsdA==,i=4096",
					  "r=%sx,s=*,i=4096",
					  "r=%sx,s=,i=4096",
					  "r=%sx,s=c2FsdA==,i=0",
					  "r=%sx,s=c2FsdA==,i=999999999",
					  "e=other-error",
					  "r=%sx,s=c2FsdA=="};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct login *l = login_new(SASL_SCRAM_SHA_256, STR("user"), STR("pencil"), false);
		struct buf first = BUF_EMPTY, answer = BUF_EMPTY;
		char challenge[200];

		assert_true(login_begin(l, &first));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(challenge, sizeof(challenge), bad[i], first.data + 10);
#pragma GCC diagnostic pop
		if (login_answer(l, str_c(challenge), &answer))
			fail_msg("'%s' is answered", challenge);
		login_free(&l);
		buf_fini(&first);
		buf_fini(&answer);
	}
}

/* Access tokens: what is sent, and a refusal with its reason (RFC 7628). */
static void
test_tokens(void **state)
{
	static const struct {
		unsigned offered;
		const char *mechanism, *initial, *acknowledgement;
	} rows[] = {
		{SASL_WITH_TOKEN, "XOAUTH2", "user=a=b\001auth=Bearer tok\001\001", ""},
		{SASL_OAUTHBEARER, "OAUTHBEARER", "n,a=a=3Db,\001auth=Bearer tok\001\001", "\001"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct login *l = login_new(rows[i].offered, STR("a=b"), STR("tok"), true);
		struct buf out = BUF_EMPTY;

		assert_string_equal(login_mechanism(l), rows[i].mechanism);
		assert_true(login_begin(l, &out));
		assert_string_equal(out.data, rows[i].initial);
		assert_true(login_is_complete(l));
		buf_clear(&out);
		assert_true(login_answer(l, STR("{\"status\":\"401\"}"), &out));
		assert_true(str_eq(buf_str(&out), str_c(rows[i].acknowledgement)));
		assert_true(str_eq(login_token_error(l), STR("{\"status\":\"401\"}")));
		assert_false(login_is_complete(l));
		assert_false(login_answer(l, STR("again"), &out));
		login_free(&l);
		buf_fini(&out);
	}
	assert_null(login_new(SASL_XOAUTH2, STR("a"), STR("tok"), false));
	assert_int_equal(login_read_offered(STR("GSSAPI plain XOAUTH2")), SASL_PLAIN | SASL_XOAUTH2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_scram),
		cmocka_unit_test(test_bad_challenges),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
