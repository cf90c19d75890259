/* One-time codes: RFC 6238's examples, the skew that is allowed, recovery codes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/auth/credential.h"
#include "lib/auth/totp.h"

/* "12345678901234567890" */
#define SECRET STR("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ")

static void
test_examples(void **state)
{
	/* Appendix B, the last six of eight digits. */
	static const struct {
		int64_t seconds;
		const char *code;
	} cases[] = {
		{59, "287082"},		{1111111109, "081804"}, {1111111111, "050471"},
		{1234567890, "005924"}, {2000000000, "279037"}, {20000000000, "353130"},
	};
	int64_t step;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t ms = cases[i].seconds * 1000;
		assert_true(totp_fits(SECRET, str_c(cases[i].code), ms, &step));
		assert_int_equal(step, cases[i].seconds / 30);
		/* One step early, one late, and not two. */
		assert_true(totp_fits(SECRET, str_c(cases[i].code), ms - 30000, &step));
		assert_true(totp_fits(SECRET, str_c(cases[i].code), ms + 30000, &step));
		assert_int_equal(step, cases[i].seconds / 30);
		assert_false(ms > 60000 && totp_fits(SECRET, str_c(cases[i].code), ms - 60000, &step));
		assert_false(totp_fits(SECRET, str_c(cases[i].code), ms + 60000, &step));
	}
}

static void
test_what_is_no_code(void **state)
{
	static const struct str codes[] = {STR_NONE, STR(""), STR("28708"), STR("2870820"), STR("94287082"), STR("28708\0"),
					   STR("287083")};
	int64_t step;

	(void)state;
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		assert_false(totp_fits(SECRET, codes[i], 59000, &step));
	assert_false(totp_fits(STR("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJ"), STR("287082"), 59000, &step));
	assert_false(totp_fits(STR("gezdgnbvgy3tqojqgezdgnbvgy3tqojq"), STR("287082"), 59000, &step));
	assert_false(totp_fits(STR_NONE, STR("287082"), 59000, &step));
}

static void
test_making(void **state)
{
	char secret[TOTP_SECRET_MAX], other[TOTP_SECRET_MAX];
	struct buf uri = BUF_EMPTY;

	(void)state;
	totp_make(secret);
	totp_make(other);
	assert_string_not_equal(secret, other);
	assert_int_equal(strspn(secret, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 32);
	totp_uri(SECRET, STR("a&b@example.test"), &uri);
	assert_string_equal(uri.data, "otpauth://totp/Stagepost:a%26b%40example.test?secret="
				      "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Stagepost");
	buf_fini(&uri);
}

static void
test_recovery(void **state)
{
	char code[TOTP_RECOVERY_MAX], hash[CREDENTIAL_HASH_MAX], same[CREDENTIAL_HASH_MAX];

	(void)state;
	totp_make_recovery(code);
	assert_int_equal(strlen(code), TOTP_RECOVERY_MAX - 1);
	assert_true(totp_hash_recovery(str_c(code), hash));
	code[4] = ' ';
	assert_true(totp_hash_recovery(str_c(code), same));
	assert_string_equal(hash, same);
	assert_false(totp_hash_recovery(STR("123456"), same));
	assert_false(totp_hash_recovery(STR("abcd-efgh-jkmn-pqrst"), same));
	assert_false(totp_hash_recovery(STR_NONE, same));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_what_is_no_code),
		cmocka_unit_test(test_making),
		cmocka_unit_test(test_recovery),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
