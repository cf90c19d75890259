/* The second factor, and when credentials were used. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <unistd.h>

#include "lib/auth/totp.h"
#include "lib/secret/seal.h"
#include "tests/unit/lib/auth/login_fixture.h"

/* ---- The second factor ---- */

static const char recovery_code[] = "abcd-efgh-jkmn-pqrs";

/* alice has one from now on. */
static struct secret_keys *
give_second_factor(void)
{
	struct secret_keys *seals = secret_keys_new(STR("k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="), NULL);
	struct auth_order o = {.done = false};
	struct buf sealed = BUF_EMPTY;
	char context[AUTH_TOTP_CONTEXT_MAX], hash[CREDENTIAL_HASH_MAX], secret[TOTP_SECRET_MAX];

	assert_non_null(seals);
	auth_set_seals(f->nodes[0].auth, seals);
	totp_make(secret);
	auth_totp_context(STR("alice@example.test"), context);
	assert_int_equal(secret_seal(seals, str_c(context), str_c(secret), &sealed, NULL), 0);
	assert_true(totp_hash_recovery(str_c(recovery_code), hash));
	directory_totp_set(f->tool, STR("alice@example.test"), buf_str(&sealed), str_c(hash), auth_on_ordered, &o);
	auth_fixture_wait(f, &o.done);
	assert_int_equal(o.err.code, ERR_NONE);
	buf_fini(&sealed);
	auth_fixture_turn(f, 100); /* the notice */
	return seals;
}

static enum auth_result
check(struct auth_request *(*begin_check)(struct auth *a, struct str address, struct str text, const struct ip *peer,
					  auth_on_result *cb, void *arg),
      const char *text)
{
	struct login l = {.done = false};
	struct ip ip = peer_of("192.0.2.1");

	begin_check(f->nodes[0].auth, STR("alice@example.test"), str_c(text), &ip, on_result, &l);
	auth_fixture_wait(f, &l.done);
	return l.result;
}

/* Whoever knows the password cannot make his wrong codes forgotten with it. */
static void
test_only_the_code_ends_the_count(void **state)
{
	static const char name[] = "account:alice@example.test";
	struct secret_keys *seals = give_second_factor();

	(void)state;
	auth_fixture_set(f, "totp_mail_password", "on");
	assert_int_equal(check(auth_check_code, "no code"), AUTH_FAILED);
	assert_int_equal(check(auth_check_main_password, "wrong"), AUTH_FAILED);
	assert_int_equal(failures_of(name), 2);
	assert_int_equal(check(auth_check_main_password, "wonderland"), AUTH_OK);
	memory_forget(f->nodes[0].auth, STR("alice@example.test"));
	assert_int_equal(login("alice@example.test", "wonderland"), AUTH_OK);
	auth_fixture_turn(f, 50);
	assert_int_equal(failures_of(name), 2);
	assert_int_equal(check(auth_check_code, recovery_code), AUTH_OK);
	auth_fixture_turn(f, 50);
	assert_int_equal(failures_of(name), -1);
	secret_keys_free(&seals);
}

/* The lines of the log with this text, while that many wrong codes are tried. */
static unsigned
warnings_of_wrong_codes(unsigned codes, const char *text)
{
	struct log_capture capture = log_capture_begin();

	for (unsigned i = 0; i < codes; i++)
		(void)check(auth_check_code, "no code");
	return log_capture_end(&capture, text, "alice@example.test");
}

static void
test_guessing_is_logged_once(void **state)
{
	struct secret_keys *seals = give_second_factor();

	(void)state;
	assert_int_equal(warnings_of_wrong_codes(9, "too many wrong second-factor codes"), 0);
	assert_int_equal(warnings_of_wrong_codes(1, "too many wrong second-factor codes"), 1);
	assert_int_equal(warnings_of_wrong_codes(3, "too many wrong second-factor codes"), 0);
	secret_keys_free(&seals);
}

/* ---- When credentials were used ---- */

static void
test_use_of_what_is_gone(void **state)
{
	struct credential c = {.kind = CREDENTIAL_TOKEN, .id = "00000001"};
	struct auth_reply r = {.done = false};

	(void)state;
	redis_callf(f->nodes[0].redis, auth_on_reply, &r, "HSET user:{alice@example.test} token:00000001 x");
	auth_fixture_wait(f, &r.done);
	used_note(f->nodes[0].auth, "alice@example.test", &c);
	assert_int_equal(auth_fixture_number(f, "HLEN", "auth:used:{alice@example.test}"), 1);
	/* Removed by another process, after it was read here. */
	strcpy(c.id, "00000002");
	used_note(f->nodes[0].auth, "alice@example.test", &c);
	assert_int_equal(auth_fixture_number(f, "HLEN", "auth:used:{alice@example.test}"), 1);
	strcpy(c.id, "00000003");
	used_note(f->nodes[0].auth, "nobody@example.test", &c);
	assert_int_equal(auth_fixture_number(f, "EXISTS", "auth:used:{nobody@example.test}"), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		AUTH_TEST(test_only_the_code_ends_the_count),
		AUTH_TEST(test_guessing_is_logged_once),
		AUTH_TEST(test_use_of_what_is_gone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
