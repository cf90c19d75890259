/* The mark by which a session knows its account's record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "lib/admin/sessions.h"
#include "lib/auth/credential.h"

static struct directory_user
plain_user(void)
{
	return (struct directory_user){
		.address = "alice@a.test",
		.created_ms = 1764510000000,
		.password = "$argon2id$x",
		.password_id = "",
		.scram_sha256 = "SCRAM-SHA-256$y",
		.roles = "domain_admin",
		.totp = "",
		.totp_changed = "",
	};
}

static void
expect_mark(const struct directory_user *user, const char *text)
{
	char mark[SESSION_HASH_MAX], expected[SESSION_HASH_MAX];

	admin_session_mark(user, mark);
	credential_hash(str_c(text), expected);
	assert_string_equal(mark, expected);
}

/* Frontends of older and newer versions, side by side, agree on records that have no newer field. */
static void
test_records_of_older_versions(void **state)
{
	struct directory_user user = plain_user();

	(void)state;
	expect_mark(&user, "alice@a.test\n$argon2id$x\nSCRAM-SHA-256$y\ndomain_admin\n0\n1764510000000");
	user.totp = "sealed";
	expect_mark(&user, "alice@a.test\n$argon2id$x\nSCRAM-SHA-256$y\ndomain_admin\n1\n1764510000000");
}

/* What ends sessions, and what does not. */
static void
test_changes(void **state)
{
	struct directory_user user = plain_user();
	char before[SESSION_HASH_MAX], now[SESSION_HASH_MAX];

	(void)state;
	user.password_id = "0123456789abcdef";
	admin_session_mark(&user, before);
#define EXPECT(field, value, stays) \
	do { \
		struct directory_user u = user; \
		u.field = value; \
		admin_session_mark(&u, now); \
		assert_int_equal(strcmp(before, now) == 0, stays); \
	} while (0)
	EXPECT(password, "$argon2id$z", true); /* a better hash of the same one */
	EXPECT(scram_sha256, "SCRAM-SHA-256$z", true);
	EXPECT(password_id, "fedcba9876543210", false);
	EXPECT(roles, "", false);
	EXPECT(totp, "sealed", false);
	EXPECT(totp_changed, "1764510000001", false);
	EXPECT(created_ms, 1, false);
#undef EXPECT
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_records_of_older_versions),
		cmocka_unit_test(test_changes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
