/* Hashes of passwords that come from other systems. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/auth/private.h"

/* Made by Python's crypt and hashlib. */
static const struct {
	const char *hash, *password;
} known[] = {
	{"{CRYPT}$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", "secret"},
	{"$1$abcdefgh$cHJi5PXp/ki/ktXzqlk6I1", "secret"},
	{"{CRYPT}$5$abcdefghijklmnop$i7zHaTeYqXlesRXJ8dXj6o.MEFQdzfIJpJpcWAtszs6", "secret"},
	{"$5$abcdefghijklmnop$i7zHaTeYqXlesRXJ8dXj6o.MEFQdzfIJpJpcWAtszs6", "secret"},
	{"{CRYPT}$6$abcdefghijklmnop$J/AWykHqo2Tx5UtavGnFc3ytI33la50JpzLTarSWVhkIXK6wOjNwwZjsrIw2UgmrER2EKrSHCeQyAINEEXAk1/", "secret"},
	{"$6$abcdefghijklmnop$J/AWykHqo2Tx5UtavGnFc3ytI33la50JpzLTarSWVhkIXK6wOjNwwZjsrIw2UgmrER2EKrSHCeQyAINEEXAk1/", "secret"},
	{"{CRYPT}$6$rounds=10000$abcdefghijklmnop$6QctMxoh6hR78vLc/SVxX1W5gSiammzcZKdjANEs7hkTBmDgTkY4Fa37dUzcj6zGJ59nWEt3rB3ztKoIHQcES.", "secret"},
	{"$6$rounds=10000$abcdefghijklmnop$6QctMxoh6hR78vLc/SVxX1W5gSiammzcZKdjANEs7hkTBmDgTkY4Fa37dUzcj6zGJ59nWEt3rB3ztKoIHQcES.", "secret"},
	{"{CRYPT}$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "secret"},
	{"$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", "secret"},
	{"{CRYPT}$y$j9T$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", "secret"},
	{"$y$j9T$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", "secret"},
	{"{CRYPT}abNANd1rDfiNc", "secret"},
	{"{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=", "secret"},
	{"{SSHA}1G904nLkTkGWjKNnQuB/hpWXC/hzYWx0c2FsdA==", "secret"},
	{"{SHA256}K7gNU3sdo+OL0wNhqoVWhr3g6s1xYv72ol/pe/Unols=", "secret"},
	{"{SSHA256}oBmrdHcA6OZEkkCLeXh71YAerbvhXz1qqwjrPsXmEtNzYWx0c2FsdA==", "secret"},
	{"{SHA512}vSsar3708Jvp9Szi2NWZZ02Bqp1qRCFpbcTZPdBhnWgs5WtNZKnvCXdhztmeD2cmW192CF5bDufKRpayrW/isg==", "secret"},
	{"{SSHA512}aCu7JRc+kLsuEmFs1zTY+AiP7DSGnjjG+dH28Dp+E5usqoAixeTPihKqZmkWal4mUfp63tqvCAkFV1LKTDFH6XNhbHRzYWx0", "secret"},
	{"{MD5}Xr4ilOzQ4PCOq3aQ0qbuaQ==", "secret"},
	{"{SMD5}VAfQ6nCkaw9o3u+x706wnXNhbHRzYWx0", "secret"},
};

static void
test_known(void **state)
{
	char out[AUTH_VERIFIER_MAX];

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (!auth_read_hash(str_c(known[i].hash), out))
			fail_msg("%s is not read", known[i].hash);
		if (!auth_password_fits(out, str_c(known[i].password)))
			fail_msg("%s does not fit %s", known[i].password, known[i].hash);
		assert_false(auth_password_fits(out, STR("another")));
		assert_false(auth_password_fits(out, STR("")));
		/* What is stored is read again as the same. */
		char again[AUTH_VERIFIER_MAX];
		assert_true(auth_read_hash(str_c(out), again));
		assert_string_equal(out, again);
	}
	char made[AUTH_VERIFIER_MAX], prefixed[AUTH_VERIFIER_MAX + 10] = "{ARGON2}";
	assert_int_equal(auth_make_argon2id(STR("secret"), made, NULL), 0);
	strcat(prefixed, made);
	assert_true(auth_read_hash(str_c(prefixed), out));
	assert_string_equal(out, made);
	assert_true(auth_password_fits(out, STR("secret")));
}

/* Kinds without a limit, and costs that would hold a thread for long, up to days. */
static void
test_costs(void **state)
{
	static const struct {
		const char *hash;
		bool is_read;
	} rows[] = {
		{"$y$j9T$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", true},
		{"$gy$j9T$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", true},
		{"$y$j75$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", true},
		{"$y$jBT$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", true},
		{"$y$jCT$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", false},
		{"$y$jFT$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", false},
		{"$y$j9z$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", false},
		/* With further parameters: lanes, time. */
		{"$y$j9T0x$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", false},
		{"$gy$jFT$abcdefghijklmnop$3dL1LkYnZM.OVXuVdnnaKVDlLYT92dRwOzDZ5XiVCe.", false},
		{"$7$CU..../....abcdefghijklmnop$KqBO6lLvyTxS1a2bnpwp0xBXKlJY2SNeYYvMxm2Ub4.", false},
		{"$sha1$4294967295$abcdefgh$aaaaaaaaaaaaaaaaaaaaaaaaaaaa", false},
		{"$md5,rounds=4294963199$abcdefgh$$aaaaaaaaaaaaaaaaaaaaaa", false},
		{"$md5$abcdefgh$$aaaaaaaaaaaaaaaaaaaaaa", false},
		{"$3$$8846f7eaee8fb117ad06bdd830b7586c", false},
		{"_zzzzabcdaaaaaaaaaaa", false},
		{"$2y$14$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", true},
		{"$2y$15$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a", false},
		{"$2$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0aa", false},
		{"$5$rounds=1000001$abcdefghijklmnop$i7zHaTeYqXlesRXJ8dXj6o.MEFQdzfIJpJpcWAtszs6", false},
		{"$6$rounds=999999999$abcdefghijklmnop$i7zHaTeYqXlesRXJ8dXj6o.MEFQdzfIJpJpcWAtszs6", false},
		{"$argon2id$v=19$m=65536,t=4,p=4$YWJjZGVmZ2g$YWJjZGVmZ2hpamtsbW5vcA", true},
		{"$argon2id$v=19$m=262144,t=4,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hpamtsbW5vcA", true},
		{"$argon2id$v=19$m=262144,t=20,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hpamtsbW5vcA", false},
		{"$argon2id$v=19$m=65536,t=2,p=8192$YWJjZGVmZ2g$YWJjZGVmZ2hpamtsbW5vcA", false},
		{"$argon2id$v=19$m=8,t=4294967295,p=1$YWJjZGVmZ2g$YWJjZGVmZ2hpamtsbW5vcA", false},
	};
	char out[AUTH_VERIFIER_MAX], stored[AUTH_VERIFIER_MAX];

	(void)state;
	alarm(20);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (auth_read_hash(str_c(rows[i].hash), out) != rows[i].is_read)
			fail_msg("%s is %sread", rows[i].hash, rows[i].is_read ? "not " : "");
		if (rows[i].is_read)
			continue;
		/* In a record all the same: it is not even tried. */
		snprintf(stored, sizeof(stored), "%s%s", rows[i].hash[1] == 'a' ? "" : "{CRYPT}", rows[i].hash);
		assert_false(auth_password_fits(stored, STR("secret")));
	}
	alarm(0);
}

static void
test_refused(void **state)
{
	static const char *const bad[] = {
		"", "secret", "{SSHA}", "{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9gxMjM0",
		"{SHA512}AAAA", "{NOPE}abc", "{CRYPT}*", "{CRYPT}!", "!", "$9$abc$def", "{CRYPT}$6$rounds=9999999$abc$def",
		"{CRYPT}$2y$31$abcdefghijklmnopqrstuuO0Zt0000000000000000000000000000000000", "$argon2id$v=19$m=4194304,t=2,p=1$YWJjZGVmZ2g$YWJj",
		"$argon2i$v=19$m=4096,t=2,p=1$YWJjZGVmZ2g$YWJj",
	};
	char out[AUTH_VERIFIER_MAX], longest[AUTH_VERIFIER_MAX + 10];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (auth_read_hash(str_c(bad[i]), out))
			fail_msg("%s is read", bad[i]);
	memset(longest, 'a', sizeof(longest));
	assert_false(auth_read_hash(str_of(longest, sizeof(longest)), out));
	/* A bad record does not let anybody in. */
	assert_false(auth_password_fits("{SSHA}AAAA", STR("x")));
	assert_false(auth_password_fits("{CRYPT}", STR("x")));
	assert_false(auth_password_fits("{CRYPT}*0", STR("x")));
	assert_false(auth_password_fits("{", STR("x")));
	assert_true(auth_is_scram_sha256(STR("SCRAM-SHA-256$10000:AqB6M7aNikNgA3icWIEKDQ==$"
					     "ETQsEcF/GegyB9HoeyVrPSPuSqr4JxzVdsj3XQlMSy4=:"
					     "2ep/09Y60oskiJUGJxCvdg7rkOLwpdKxaQJKbDhkrqw=")));
	assert_false(auth_is_scram_sha256(STR("SCRAM-SHA-256$1:x$y:z")));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_known), cmocka_unit_test(test_costs),
					   cmocka_unit_test(test_refused)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
