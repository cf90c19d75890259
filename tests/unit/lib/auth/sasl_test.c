/* The SASL mechanisms with a plain password, and lines in base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/arena.h"
#include "tests/unit/lib/auth/dialogue_fixture.h"

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_decode), SASL_TEST(test_mechanisms), SASL_TEST(test_plain),
		SASL_TEST(test_login),	       SASL_TEST(test_too_long),   SASL_TEST(test_out_of_turn),
		SASL_TEST(test_without_redis),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
