/* SCRAM, against the test's own client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "lib/base/base64.h"
#include "tests/unit/lib/auth/dialogue_fixture.h"

/* What a client sends; the fields that are NULL are made as they should be. */
struct client {
	const char *mechanism;
	bool plus;	  /* the server could bind */
	const char *gs2;  /* "n,," */
	const char *name; /* as it stands in the message */
	const char *password;
	const char *bound;     /* what is bound, 32 bytes; NULL: nothing */
	const char *channel;   /* instead of the whole "c=" value */
	const char *nonce;     /* instead of the server's nonce */
	const char *extension; /* in front of ",p=" */
	const char *proof;
	enum auth_result result;
};

static void
sha_hmac(const unsigned char *key, struct str text, unsigned char out[32])
{
	unsigned len = 32;
	HMAC(EVP_sha256(), key, 32, (const unsigned char *)text.p, text.len, out, &len);
}

/* The proof, and the signature that the server is to show. */
static void
client_proof(const char *password, struct str salt, unsigned iterations, struct str auth_message, struct buf *proof_out,
	     struct buf *signature_out)
{
	unsigned char salted[32], key[32], stored[32], signature[32], server[32];

	PKCS5_PBKDF2_HMAC(password, -1, (const unsigned char *)salt.p, (int)salt.len, (int)iterations, EVP_sha256(), 32,
			  salted);
	sha_hmac(salted, STR("Client Key"), key);
	SHA256(key, 32, stored);
	sha_hmac(stored, auth_message, signature);
	for (unsigned i = 0; i < 32; i++)
		key[i] ^= signature[i];
	base64_encode(str_of((char *)key, 32), proof_out);
	sha_hmac(salted, STR("Server Key"), server);
	sha_hmac(server, auth_message, signature);
	base64_encode(str_of((char *)signature, 32), signature_out);
}

static void
channel_binding(const struct client *c, struct buf *out)
{
	struct buf raw = BUF_EMPTY;

	if (c->channel != NULL) {
		buf_add_c(out, c->channel);
		return;
	}
	buf_add_c(&raw, c->gs2);
	if (c->bound != NULL)
		buf_add(&raw, c->bound, 32);
	base64_encode(buf_str(&raw), out);
	buf_fini(&raw);
}

/* "r=...,s=...,i=..." */
static void
read_server_first(struct str text, struct str *nonce_out, struct buf *salt_out, unsigned *iterations_out)
{
	struct str salt, iterations = STR_NONE;
	uint64_t number = 0;

	assert_true(str_cut(text, ',', nonce_out, &salt) && str_cut(salt, ',', &salt, &iterations));
	assert_true(str_starts(*nonce_out, STR("r=CLIENT-nonce")) && nonce_out->len > 14 + 20);
	*nonce_out = str_from(*nonce_out, 2);
	assert_true(str_starts(salt, STR("s=")) && base64_decode(str_from(salt, 2), salt_out));
	assert_true(str_starts(iterations, STR("i=")) && str_to_u64(str_from(iterations, 2), &number));
	*iterations_out = (unsigned)number;
}

/* The client's second message, and what the server must answer. */
static void
make_client_final(const struct client *c, struct str first_bare, struct str server_first, struct buf *out,
		  struct buf *expected)
{
	struct buf salt = BUF_EMPTY, message = BUF_EMPTY, proof = BUF_EMPTY, signature = BUF_EMPTY;
	struct str nonce;
	unsigned iterations;

	read_server_first(server_first, &nonce, &salt, &iterations);
	buf_add_c(out, "c=");
	channel_binding(c, out);
	buf_printf(out, ",r=%.*s%s", c->nonce != NULL ? 0 : (int)nonce.len, nonce.p, c->nonce != NULL ? c->nonce : "");
	buf_add_c(out, c->extension != NULL ? c->extension : "");
	buf_printf(&message, "%.*s,%.*s,%s", STR_ARG(first_bare), STR_ARG(server_first), out->data);
	client_proof(c->password, buf_str(&salt), iterations, buf_str(&message), &proof, &signature);
	buf_printf(out, ",p=%s", c->proof != NULL ? c->proof : proof.data);
	buf_printf(expected, "v=%s", signature.data);
	buf_fini(&salt);
	buf_fini(&message);
	buf_fini(&proof);
	buf_fini(&signature);
}

static void
run_client(const struct client *c, bool success_data)
{
	struct buf first = BUF_EMPTY, final = BUF_EMPTY, expected = BUF_EMPTY;
	struct str initial;
	struct dialogue d;

	buf_printf(&first, "%sn=%s,r=CLIENT-nonce", c->gs2, c->name);
	initial = buf_str(&first);
	assert_true(start(&d, c->mechanism, &initial, c->plus, success_data));
	wait_for_either(&d);
	if (!d.done) {
		make_client_final(c, str_from(initial, strlen(c->gs2)), buf_str(&d.challenge), &final, &expected);
		respond(&d, buf_str(&final));
	}
	if (c->result == AUTH_OK && !success_data) {
		assert_true(str_eq(buf_str(&d.challenge), buf_str(&expected)));
		respond(&d, STR_NONE);
	} else if (c->result == AUTH_OK) {
		assert_true(str_eq(buf_str(&d.final_data), buf_str(&expected)));
	}
	if (d.result == AUTH_OK)
		assert_string_equal(d.address, "alice@example.test");
	assert_int_equal(end(&d), c->result);
	buf_fini(&first);
	buf_fini(&final);
	buf_fini(&expected);
}

#define ALICE	     "alice@example.test"
#define PLAIN_CLIENT "SCRAM-SHA-256", false
#define PLUS_CLIENT  "SCRAM-SHA-256-PLUS", true
static const char *const bound = (const char *)exporter;

static void
test_scram(void **state)
{
	const struct client cases[] = {
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", .result = AUTH_OK},
		{PLAIN_CLIENT, "y,,", ALICE, "wonderland", .result = AUTH_OK},
		{PLAIN_CLIENT, "n,,", "ALICE@Example.TEST", "wonderland", .result = AUTH_OK},
		{PLAIN_CLIENT, "n,a=" ALICE ",", ALICE, "wonderland", .result = AUTH_OK},
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", .extension = ",x=later", .result = AUTH_OK},
		{PLUS_CLIENT, "p=tls-exporter,,", ALICE, "wonderland", bound, .result = AUTH_OK},
		/* The server can bind, the client does not want to. */
		{"SCRAM-SHA-256", true, "n,,", ALICE, "wonderland", .result = AUTH_OK},
		/* The client could, and was told that the server cannot: somebody is between. */
		{"SCRAM-SHA-256", true, "y,,", ALICE, "wonderland", .result = AUTH_FAILED},
		{PLUS_CLIENT, "p=tls-exporter,,", ALICE, "wonderland", "the keying material of another!!",
		 .result = AUTH_FAILED},
		{PLUS_CLIENT, "p=tls-exporter,,", ALICE, "wonderland", .result = AUTH_FAILED}, /* nothing bound */
		{PLUS_CLIENT, "p=tls-unique,,", ALICE, "wonderland", bound, .result = AUTH_FAILED},
		{PLUS_CLIENT, "n,,", ALICE, "wonderland", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "p=tls-exporter,,", ALICE, "wonderland", bound, .result = AUTH_FAILED},
		/* Bound to nothing, but more said than was agreed. */
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", bound, .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", .channel = "eSws", .result = AUTH_FAILED}, /* "y,," */
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", .channel = "", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,a=bob@example.test,", ALICE, "wonderland", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", ALICE, "Wonderland", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", ALICE, "", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", "dave@example.test", "wonderland", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", "no address", "wonderland", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", "carol@example.test", "closed", .result = AUTH_DISABLED},
		{PLAIN_CLIENT, "n,,", "carol@example.test", "wrong", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", .nonce = "CLIENT-nonce", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", .nonce = "", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", .proof = "", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland", .proof = "AAAA", .result = AUTH_FAILED},
		{PLAIN_CLIENT, "n,,", ALICE, "wonderland",
		 .proof = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", .result = AUTH_FAILED},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (int success_data = 0; success_data < 2; success_data++)
			run_client(&cases[i], success_data != 0);
}

static void
test_scram_malformed_first(void **state)
{
	static const struct str cases[] = {
		STR(""),
		STR("n"),
		STR("n,"),
		STR("n,,"),
		STR(",,n=a,r=b"),
		STR("x,,n=a,r=b"),
		STR("nn,,n=a,r=b"),
		STR("p,,n=a,r=b"),
		STR("n,bob,n=a,r=b"),
		STR("n,a=,n=a,r=b"),
		STR("n,a=b=c,n=a,r=b"),
		STR("n,,n=a"),
		STR("n,,r=b"),
		STR("n,,n=a,"),
		STR("n,,n=a,r"),
		STR("n,,n=a,r="),
		STR("n,,n=,r=b"),
		STR("n,,r=b,n=a"),
		STR("n,,n=a=2c,r=b"), /* the codes are upper case */
		STR("n,,n=a=,r=b"),
		STR("n,,n=a=2,r=b"),
		STR("n,,m=x,n=a,r=b"), /* an extension that must be understood */
		STR("n,,n=a\0,r=b"),
		STR("n,,n=a,r=b\0"),
		STR("n,,n=a,r=b\x01"),
		STR("n,,n=\xff,r=b"),
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dialogue d;
		assert_true(start(&d, "SCRAM-SHA-256", &cases[i], false, false));
		assert_true(d.done); /* at once: the store is not asked */
		assert_int_equal(end(&d), AUTH_MALFORMED);
	}
}

static void
test_scram_malformed_final(void **state)
{
	static const struct str cases[] = {
		STR(""),
		STR_NONE,
		STR("c=biws"),
		STR("c=biws,r=x"),
		STR("r=x,p=AAAA"),
		STR("p=AAAA"),
		STR(",p="),
		STR("c=biws,p=AAAA"),
		STR("c,r=x,p=AA=="),
		STR("x=y,c=biws,r=x,p=AAAA"),
		STR("c=biws,r=\0,p="),
	};
	struct str first = STR("n,,n=" ALICE ",r=b");

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct dialogue d;
		assert_true(start(&d, "SCRAM-SHA-256", &first, false, false));
		wait_for_either(&d);
		respond(&d, cases[i]);
		assert_int_equal(end(&d), AUTH_MALFORMED);
	}
}

/* After the server's proof only an empty answer is one. */
static void
test_scram_answer_to_the_proof(void **state)
{
	const struct client c = {PLAIN_CLIENT, "n,,", ALICE, "wonderland", .result = AUTH_OK};
	struct str first = STR("n,,n=" ALICE ",r=CLIENT-nonce");
	struct buf final = BUF_EMPTY, expected = BUF_EMPTY;
	struct dialogue d;

	(void)state;
	assert_true(start(&d, "SCRAM-SHA-256", &first, false, false));
	wait_for_either(&d);
	make_client_final(&c, str_from(first, 3), buf_str(&d.challenge), &final, &expected);
	respond(&d, buf_str(&final));
	assert_true(d.challenged);
	respond(&d, STR("x"));
	assert_int_equal(end(&d), AUTH_MALFORMED);
	buf_fini(&final);
	buf_fini(&expected);
}

/* An account that does not exist shows a salt like others: always the same. */
static void
test_unknown_accounts_show_a_salt(void **state)
{
	static const struct {
		const char *first;
		bool same; /* as the one before */
	} cases[] = {
		{"n,,n=dave@example.test,r=CLIENT-nonce", false}, {"n,,n=dave@example.test,r=CLIENT-nonce", true},
		{"n,,n=DAVE@EXAMPLE.test,r=CLIENT-nonce", true},  {"n,,n=\"dave\"@example.test,r=CLIENT-nonce", true},
		{"n,,n=eve@example.test,r=CLIENT-nonce", false},  {"n,,n=x=2Cy,r=CLIENT-nonce", false},
	};
	struct buf before = BUF_EMPTY;

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str first = str_c(cases[i].first), nonce;
		struct buf salt = BUF_EMPTY;
		unsigned iterations;
		struct dialogue d;
		assert_true(start(&d, "SCRAM-SHA-256", &first, false, false));
		wait_for_either(&d);
		read_server_first(buf_str(&d.challenge), &nonce, &salt, &iterations);
		assert_int_equal(salt.len, 16);
		assert_int_equal(iterations, 10000);
		assert_int_equal(str_eq(buf_str(&salt), buf_str(&before)), cases[i].same);
		buf_clear(&before);
		buf_add_str(&before, buf_str(&salt));
		buf_fini(&salt);
		respond(&d, STR("x"));
		end(&d);
	}
	buf_fini(&before);
}

/* Wrong proofs count like wrong passwords. */
static void
test_scram_failures_count(void **state)
{
	const struct client wrong = {PLAIN_CLIENT, "n,,", "\"Alice\"@example.test", "wrong", .result = AUTH_FAILED};
	const struct client right = {PLAIN_CLIENT, "n,,", ALICE, "wonderland", .result = AUTH_OK};

	(void)state;
	run_client(&wrong, false);
	run_client(&wrong, false);
	assert_int_equal(auth_fixture_number(f, "GET", "auth:fail:{account:alice@example.test}"), 2);
	assert_int_equal(auth_fixture_number(f, "GET", "auth:fail:{address:192.0.2.1}"), 2);
	run_client(&right, false);
	assert_int_equal(auth_fixture_number(f, "GET", "auth:fail:{account:alice@example.test}"), -1);
}

static int64_t
failures_of_alice(void)
{
	auth_fixture_turn(f, 50);
	return auth_fixture_number(f, "GET", "auth:fail:{account:" ALICE "}");
}

/* A password alone ends the count, but not where a second factor is asked for. */
static void
test_scram_and_second_factor(void **state)
{
	const struct client right = {PLAIN_CLIENT, "n,,", ALICE, "wonderland", .result = AUTH_OK},
			    wrong = {PLAIN_CLIENT, "n,,", ALICE, "wrong", .result = AUTH_FAILED};
	struct auth_order o = {.done = false};

	(void)state;
	auth_fixture_set(f, "totp_mail_password", "on");
	run_client(&wrong, false);
	assert_int_equal(failures_of_alice(), 1);
	run_client(&right, false);
	assert_int_equal(failures_of_alice(), -1);
	directory_totp_set(f->tool, STR(ALICE), STR("sealed"), STR("hash"), auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	auth_fixture_turn(f, 100); /* the notice */
	run_client(&wrong, false);
	run_client(&right, false);
	assert_int_equal(failures_of_alice(), 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		SASL_TEST(test_scram),
		SASL_TEST(test_scram_malformed_first),
		SASL_TEST(test_scram_malformed_final),
		SASL_TEST(test_scram_answer_to_the_proof),
		SASL_TEST(test_unknown_accounts_show_a_salt),
		SASL_TEST(test_scram_failures_count),
		SASL_TEST(test_scram_and_second_factor),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
