/* App passwords and tokens: made, kept, found again; what is none is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "lib/auth/credential.h"
#include "lib/base/buf.h"

/* A record with one credential. */
struct record_of_one {
	struct directory_user user;
	struct directory_credential credential;
	char field[30];
	struct buf value;
};

static void
record_put(struct record_of_one *r, const struct credential *c)
{
	struct str prefix = credential_prefix(c->kind);

	memset(r, 0, sizeof(*r));
	snprintf(r->field, sizeof(r->field), "%.*s%s", STR_ARG(prefix), c->id);
	credential_print(c, &r->value);
	r->credential = (struct directory_credential){r->field, r->value.data};
	r->user = (struct directory_user){.credentials = &r->credential, .credential_count = 1};
}

static struct credential
credential_of(enum credential_kind kind)
{
	struct credential c = {.kind = kind, .created_ms = 5, .ends_ms = 1000, .name = "my  phone", .role = ""};

	if (kind == CREDENTIAL_TOKEN)
		strcpy(c.role, "user");
	return c;
}

static void
test_app_password(void **state)
{
	struct credential c = credential_of(CREDENTIAL_APP), found;
	char text[CREDENTIAL_TEXT_MAX], upper[CREDENTIAL_TEXT_MAX] = "", plain[CREDENTIAL_TEXT_MAX] = "";
	struct record_of_one r;

	(void)state;
	credential_make(&c, STR("alice@example.test"), text);
	assert_int_equal(strlen(text), 24);
	record_put(&r, &c);
	for (size_t i = 0; i < strlen(text); i++) {
		upper[i] = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 32) : text[i];
		if (text[i] != '-')
			plain[strlen(plain)] = text[i];
	}
	assert_true(credential_find(&r.user, CREDENTIAL_APP, str_c(text), 999, &found));
	assert_string_equal(found.name, "my  phone");
	assert_string_equal(found.id, c.id);
	assert_int_equal(found.created_ms, 5);
	assert_true(credential_find(&r.user, CREDENTIAL_APP, str_c(upper), 999, &found));
	assert_true(credential_find(&r.user, CREDENTIAL_APP, str_c(plain), 999, &found));
	assert_true(credential_get(&r.user, CREDENTIAL_APP, c.id, 999, &found));
	/* Its time is over. */
	assert_false(credential_find(&r.user, CREDENTIAL_APP, str_c(text), 1000, &found));
	assert_false(credential_get(&r.user, CREDENTIAL_APP, c.id, 1000, &found));
	/* Another kind, or not it. */
	assert_false(credential_find(&r.user, CREDENTIAL_TOKEN, str_c(text), 999, &found));
	assert_false(credential_find(&r.user, CREDENTIAL_APP, str_first(str_c(text), 23), 999, &found));
	assert_false(credential_find(&r.user, CREDENTIAL_APP, STR(""), 999, &found));
	assert_false(credential_find(&r.user, CREDENTIAL_APP, STR_NONE, 999, &found));
	text[3] = text[3] == 'a' ? 'b' : 'a';
	assert_false(credential_find(&r.user, CREDENTIAL_APP, str_c(text), 999, &found));
	buf_fini(&r.value);
}

static void
test_token(void **state)
{
	static const struct str addresses[] = {STR("alice@example.test"), STR("a@b.test"), STR("ab@b.test"),
					       STR("\xc3\xbc\xc3\xbf~~?@example.test")};
	struct credential c = credential_of(CREDENTIAL_TOKEN), found;
	char text[CREDENTIAL_TEXT_MAX], address[DIRECTORY_ADDRESS_MAX];
	struct record_of_one r;
	struct str secret;

	(void)state;
	for (size_t i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		credential_make(&c, addresses[i], text);
		record_put(&r, &c);
		assert_true(credential_split_token(str_c(text), address, &secret));
		assert_true(str_eq(addresses[i], str_c(address)));
		assert_int_equal(strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_."),
				 strlen(text));
		assert_true(credential_find(&r.user, CREDENTIAL_TOKEN, secret, 999, &found));
		assert_string_equal(found.role, "user");
		assert_false(credential_find(&r.user, CREDENTIAL_APP, secret, 999, &found));
		assert_false(credential_find(&r.user, CREDENTIAL_TOKEN, str_c(text), 999, &found));
		buf_fini(&r.value);
	}
}

static void
test_no_tokens(void **state)
{
	static const char *const texts[] = {"", "stp", "stp.", "stp..", "stp.YQ.x", "stp.YWxpY2VAZXhhbXBsZS50ZXN0",
					    "stx.YWxpY2VAZXhhbXBsZS50ZXN0.x", "stp.YWxp Y2VAZXhhbXBsZS50ZXN0.x",
					    "stp.YWxpY2VAZXhhbXBsZS50ZXN0====.x"};
	char address[DIRECTORY_ADDRESS_MAX], text[2000];
	struct str secret;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_false(credential_split_token(str_c(texts[i]), address, &secret));
	memset(text, 'a', sizeof(text));
	assert_false(credential_split_token(str_of(text, sizeof(text)), address, &secret));
	memcpy(text, "stp.", 4);
	assert_false(credential_split_token(str_of(text, sizeof(text)), address, &secret));
}

static void
test_fields(void **state)
{
	static const struct {
		const char *field, *value;
		bool is_token;
	} cases[] = {
		{"token:abc", "00 1 2 user a name", true}, {"token:abc", "00 1 2 user ", true},
		{"app:abc", "00 1 2 user name", false},	   {"token:123456789", "00 1 2 user name", false},
		{"token:abc", "00 1 2 user", false},	   {"token:abc", "00 x 2 user name", false},
		{"token:abc", "00 1", false},		   {"token:abc", "", false},
		{"token", "00 1 2 user name", false},
	};
	struct credential c;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct directory_credential field = {cases[i].field, cases[i].value};
		assert_int_equal(credential_parse(&field, CREDENTIAL_TOKEN, &c), cases[i].is_token);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_app_password),
		cmocka_unit_test(test_token),
		cmocka_unit_test(test_no_tokens),
		cmocka_unit_test(test_fields),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
