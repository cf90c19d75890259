/* The SASL mechanisms, against the test's own SCRAM client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/sha.h>

#include "lib/base/arena.h"
#include "lib/base/base64.h"
#include "tests/unit/lib/auth/auth_fixture.h"

static struct auth_fixture fixture, *f = &fixture;
static const unsigned char exporter[32] = "the keying material of a session";

/* One exchange, seen from the protocol. */
struct dialogue {
	struct sasl *sasl;
	struct buf challenge;
	volatile bool challenged, done;
	enum auth_result result;
	char address[AUTH_ADDRESS_MAX];
	struct buf final_data;
};

static void
on_challenge(void *arg, struct str challenge)
{
	struct dialogue *d = arg;

	assert_false(d->done || d->challenged);
	buf_clear(&d->challenge);
	buf_add_str(&d->challenge, challenge);
	d->challenged = true;
}

static void
on_done(void *arg, enum auth_result result, const struct auth_identity *identity, struct str final_data)
{
	struct dialogue *d = arg;

	assert_false(d->done); /* exactly once */
	assert_true((identity != NULL) == (result == AUTH_OK));
	d->done = true;
	d->result = result;
	if (identity != NULL)
		strcpy(d->address, identity->address);
	buf_add_str(&d->final_data, final_data);
}

static bool
start(struct dialogue *d, const char *mechanism, const struct str *initial, bool plus, bool success_data)
{
	static const struct sasl_events events = {on_challenge, on_done};
	struct sasl_options options = {.success_data = success_data, .exporter = plus ? exporter : NULL};
	struct ip peer;

	*d = (struct dialogue){.done = false};
	assert_true(ip_parse(STR("192.0.2.1"), &peer));
	options.peer = &peer;
	d->sasl = sasl_start(f->nodes[0].auth, str_c(mechanism), initial, &options, &events, d);
	return d->sasl != NULL;
}

static void
wait_for_either(struct dialogue *d)
{
	int64_t until = clock_monotonic_ms() + 60000;

	while (!d->challenged && !d->done && clock_monotonic_ms() < until)
		auth_fixture_turn(f, 2);
	assert_true(d->challenged || d->done);
}

static void
respond(struct dialogue *d, struct str response)
{
	assert_true(d->challenged);
	d->challenged = false;
	sasl_respond(d->sasl, response);
	wait_for_either(d);
}

static enum auth_result
end(struct dialogue *d)
{
	enum auth_result result = d->result;

	assert_true(d->done);
	sasl_free(&d->sasl);
	assert_null(d->sasl);
	sasl_free(&d->sasl);
	buf_fini(&d->challenge);
	buf_fini(&d->final_data);
	return result;
}

static int
setup(void **state)
{
	(void)state;
	memset(f, 0, sizeof(*f));
	return auth_fixture_start(f);
}

static int
teardown(void **state)
{
	(void)state;
	auth_fixture_stop(f);
	return 0;
}

/* ---- base64 lines ---- */

static void
test_decode(void **state)
{
	static const struct {
		struct str line, data;
		bool good, aborted;
	} cases[] = {
		{STR(""), STR(""), true, false},	   {STR("="), STR(""), true, false},
		{STR("*"), STR(""), true, true},	   {STR("AGEAYg=="), STR("\0a\0b"), true, false},
		{STR("**"), STR(""), false, false},	   {STR("AGEAYg="), STR(""), false, false},
		{STR("AGEAYg== "), STR(""), false, false}, {STR("=="), STR(""), false, false},
		{STR("AG\0AYg=="), STR(""), false, false},
	};
	struct arena a;

	(void)state;
	arena_init(&a);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str data;
		bool aborted;
		assert_int_equal(sasl_decode(&a, cases[i].line, &data, &aborted), cases[i].good);
		assert_int_equal(aborted, cases[i].aborted);
		assert_true(!cases[i].good || str_eq(data, cases[i].data));
	}
	arena_fini(&a);
}

static void
test_mechanisms(void **state)
{
	struct dialogue d;

	(void)state;
	assert_true(sasl_is_known(STR("PLAIN")) && sasl_is_known(STR("login")));
	assert_true(sasl_is_known(STR("Scram-Sha-256")) && sasl_is_known(STR("SCRAM-SHA-256-PLUS")));
	assert_false(sasl_is_known(STR("")) || sasl_is_known(STR("PLAI")) || sasl_is_known(STR("CRAM-MD5")));
	assert_false(start(&d, "XYZ", NULL, false, false));
	assert_false(start(&d, "SCRAM-SHA-256-PLUS", NULL, false, false)); /* nothing to bind to */
}

/* ---- PLAIN and LOGIN ---- */

static void
test_plain(void **state)
{
	static const struct {
		struct str message;
		enum auth_result result;
	} cases[] = {
		{STR("\0alice@example.test\0wonderland"), AUTH_OK},
		{STR("alice@example.test\0alice@example.test\0wonderland"), AUTH_OK},
		{STR("ALICE@example.test\0alice@example.test\0wonderland"), AUTH_OK},
		{STR("bob@example.test\0alice@example.test\0wonderland"), AUTH_FAILED},
		{STR("x\0alice@example.test\0wonderland"), AUTH_FAILED},
		{STR("\0alice@example.test\0wrong"), AUTH_FAILED},
		{STR("\0carol@example.test\0closed"), AUTH_DISABLED},
		{STR(""), AUTH_MALFORMED},
		{STR("\0"), AUTH_MALFORMED},
		{STR("\0\0"), AUTH_MALFORMED},
		{STR("\0alice@example.test"), AUTH_MALFORMED},
		{STR("\0alice@example.test\0"), AUTH_MALFORMED},
		{STR("\0\0wonderland"), AUTH_MALFORMED},
		{STR("\0alice@example.test\0wonderland\0"), AUTH_MALFORMED},
		{STR("\0alice@example.test\0won\0derland"), AUTH_MALFORMED},
		{STR("alice@example.test wonderland"), AUTH_MALFORMED},
	};
	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct dialogue d;
		if (i % 2 == 0) {
			assert_true(start(&d, "plain", &cases[i / 2].message, false, false));
			wait_for_either(&d);
		} else {
			assert_true(start(&d, "PLAIN", NULL, false, false));
			assert_int_equal(d.challenge.len, 0);
			respond(&d, cases[i / 2].message);
		}
		if (d.result == AUTH_OK)
			assert_string_equal(d.address, "alice@example.test");
		assert_int_equal(end(&d), cases[i / 2].result);
	}
}

static void
test_login(void **state)
{
	static const struct {
		struct str user, password;
		enum auth_result result;
	} cases[] = {
		{STR("alice@example.test"), STR("wonderland"), AUTH_OK},
		{STR("alice@example.test"), STR("wrong"), AUTH_FAILED},
		{STR("alice@example.test"), STR(""), AUTH_FAILED},
		{STR(""), STR("wonderland"), AUTH_FAILED},
		{STR("alice@example.test\0"), STR("wonderland"), AUTH_FAILED},
		{STR("carol@example.test"), STR("closed"), AUTH_DISABLED},
	};
	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		struct dialogue d;
		if (i % 2 == 0) {
			assert_true(start(&d, "LOGIN", &cases[i / 2].user, false, false));
		} else {
			assert_true(start(&d, "LOGIN", NULL, false, false));
			assert_string_equal(d.challenge.data, "Username:");
			respond(&d, cases[i / 2].user);
		}
		assert_string_equal(d.challenge.data, "Password:");
		respond(&d, cases[i / 2].password);
		assert_int_equal(end(&d), cases[i / 2].result);
	}
}

static void
test_too_long(void **state)
{
	static const char *const mechanisms[] = {"PLAIN", "LOGIN", "SCRAM-SHA-256"};
	char *text = mem_zalloc(20000);

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		struct dialogue d;
		assert_true(start(&d, mechanisms[i], NULL, false, false));
		respond(&d, str_of(text, 20000));
		assert_int_equal(end(&d), AUTH_MALFORMED);
	}
	mem_free(text);
}

/* Whoever speaks out of turn, or again after the end, gains nothing. */
static void
test_out_of_turn(void **state)
{
	struct str message = STR("\0alice@example.test\0wonderland");
	struct dialogue d;

	(void)state;
	assert_true(start(&d, "PLAIN", &message, false, false));
	sasl_respond(d.sasl, message); /* while the password is being checked */
	assert_true(d.done);
	auth_fixture_turn(f, 100);
	sasl_respond(d.sasl, message);
	assert_int_equal(end(&d), AUTH_MALFORMED);
	/* Given up half-way: nothing comes any more. */
	assert_true(start(&d, "PLAIN", &message, false, false));
	sasl_free(&d.sasl);
	assert_true(start(&d, "SCRAM-SHA-256", &STR("n,,n=dave@example.test,r=abc"), false, false));
	sasl_free(&d.sasl);
	auth_fixture_turn(f, 100);
	assert_false(d.done || d.challenged);
}

/* ---- SCRAM ---- */

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

static void
test_without_redis(void **state)
{
	struct str plain = STR("\0bob@example.test\0builder"), scram = STR("n,,n=bob@example.test,r=b");
	struct dialogue d;

	(void)state;
	redis_fixture_kill(&f->server);
	while (redis_is_connected(f->nodes[0].redis))
		auth_fixture_turn(f, 5);
	assert_true(start(&d, "PLAIN", &plain, false, false));
	wait_for_either(&d);
	assert_int_equal(end(&d), AUTH_UNAVAILABLE);
	assert_true(start(&d, "SCRAM-SHA-256", &scram, false, false));
	wait_for_either(&d);
	assert_int_equal(end(&d), AUTH_UNAVAILABLE);
}

#define SASL_TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode),
		SASL_TEST(test_mechanisms),
		SASL_TEST(test_plain),
		SASL_TEST(test_login),
		SASL_TEST(test_too_long),
		SASL_TEST(test_out_of_turn),
		SASL_TEST(test_scram),
		SASL_TEST(test_scram_malformed_first),
		SASL_TEST(test_scram_malformed_final),
		SASL_TEST(test_scram_answer_to_the_proof),
		SASL_TEST(test_unknown_accounts_show_a_salt),
		SASL_TEST(test_scram_failures_count),
		SASL_TEST(test_scram_and_second_factor),
		SASL_TEST(test_without_redis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
