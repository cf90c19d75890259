/* Sealed secrets: their form, and which keys and contexts open them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/secret/seal.h"

/* The vectors were computed by another implementation (python3-cryptography's
 * AESGCM), with key 00..1f and nonce 00..0b. */
#define KEY_A "a:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
#define KEY_B "b://///////////////////////////////////////v8="

static struct secret_keys *
keys(const char *text)
{
	struct err err;
	struct secret_keys *k = secret_keys_new(str_c(text), &err);

	assert_non_null(k);
	return k;
}

static void
test_vectors(void **state)
{
	static const struct {
		const char *context, *sealed, *plain;
	} cases[] = {
		{"", "v1.a.AAECAwQFBgcICQoLgvNG8jmdvUeVUUUoVj0TZg==", ""},
		{"retrieve:{alice@example.test}/1", "v1.a.AAECAwQFBgcICQoLNGe1aaCRDX2qwfRw0tzJKxALM9OpWg==", "secret"},
		{"c",
		 "v1.a.AAECAwQFBgcICQoLJiK6dKuCp2mtMvLow4wMQaOh712TE38UWRTF6HIbZZJ1eM+Sj658/"
		 "VTGE4Lr7AhXiHkhyAncX0OA5ZbyEE+DVD2/IEUi",
		 "a longer secret, which has more than one block of AES"},
	};
	struct secret_keys *k = keys(KEY_A);

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf plain = BUF_EMPTY;
		assert_int_equal(secret_open(k, str_c(cases[i].context), str_c(cases[i].sealed), &plain, NULL), 0);
		assert_true(str_eq(buf_str(&plain), str_c(cases[i].plain)));
		buf_fini(&plain);
	}
	secret_keys_free(&k);
}

static void
test_there_and_back(void **state)
{
	static const struct str plains[] = {STR(""), STR("p"), STR("secret"), STR("a\0b"), STR("\xff\xfe")};
	struct secret_keys *k = keys(KEY_B " " KEY_A);

	(void)state;
	for (unsigned i = 0; i < sizeof(plains) / sizeof(plains[0]); i++) {
		struct buf sealed = BUF_EMPTY, again = BUF_EMPTY, plain = BUF_EMPTY;
		buf_add_c(&plain, "before ");
		assert_int_equal(secret_seal(k, STR("c"), plains[i], &sealed, NULL), 0);
		assert_int_equal(secret_seal(k, STR("c"), plains[i], &again, NULL), 0);
		assert_true(str_starts(buf_str(&sealed), STR("v1.b.")));
		assert_true(secret_is_current(k, buf_str(&sealed)));
		assert_false(str_eq(buf_str(&sealed), buf_str(&again))); /* a nonce of its own */
		assert_int_equal(secret_open(k, STR("c"), buf_str(&sealed), &plain, NULL), 0);
		assert_true(str_eq(str_from(buf_str(&plain), 7), plains[i]));
		buf_fini(&sealed);
		buf_fini(&again);
		buf_fini(&plain);
	}
	secret_keys_free(&k);
}

static void
test_current(void **state)
{
	struct secret_keys *k = keys(KEY_B " " KEY_A), *none = keys("");

	(void)state;
	assert_true(secret_is_current(k, STR("v1.b.x")));
	assert_false(secret_is_current(k, STR("v1.a.x")));
	assert_false(secret_is_current(k, STR("v1.bb.x")));
	assert_false(secret_is_current(k, STR("v1.b")));
	assert_false(secret_is_current(k, STR("")));
	assert_false(secret_is_current(none, STR("v1.a.x")));
	assert_true(str_eq(secret_current_id(k), STR("b")) && secret_current_id(none).len == 0);
	assert_true(str_eq(secret_key_id(STR("v1.old-1.x")), STR("old-1")));
	assert_true(secret_key_id(STR("v2.b.x")).len == 0 && secret_key_id(STR("v1.b")).len == 0);
	assert_true(secret_key_id(STR("v1..x")).len == 0 && secret_key_id(STR("v1.a b.x")).len == 0);
	secret_keys_free(&k);
	secret_keys_free(&none);
}

static void
test_keys_change(void **state)
{
	struct secret_keys *old = keys(KEY_A), *both = keys(KEY_B "," KEY_A), *new = keys(KEY_B);
	struct buf sealed = BUF_EMPTY, plain = BUF_EMPTY;
	struct err err;

	(void)state;
	assert_int_equal(secret_seal(old, STR_NONE, STR("secret"), &sealed, NULL), 0);
	assert_int_equal(secret_open(both, STR_NONE, buf_str(&sealed), &plain, NULL), 0);
	assert_string_equal(plain.data, "secret");
	assert_int_equal(secret_open(new, STR_NONE, buf_str(&sealed), &plain, &err), -1);
	assert_int_equal(err.code, ERR_NOT_FOUND);
	buf_fini(&sealed);
	buf_fini(&plain);
	secret_keys_free(&old);
	secret_keys_free(&both);
	secret_keys_free(&new);
}

/* Every byte changed, every length cut: nothing but the whole opens. */
static void
test_damage(void **state)
{
	struct secret_keys *k = keys(KEY_A);
	struct buf sealed = BUF_EMPTY, plain = BUF_EMPTY;
	struct err err;

	(void)state;
	assert_int_equal(secret_seal(k, STR("retrieve:{a}"), STR("secret"), &sealed, NULL), 0);
	assert_int_equal(secret_open(k, STR("retrieve:{b}"), buf_str(&sealed), &plain, &err), -1);
	assert_int_equal(err.code, ERR_CORRUPT);
	for (size_t i = 0; i < sealed.len; i++) {
		char was = sealed.data[i];
		sealed.data[i] = was == 'A' ? 'B' : 'A';
		assert_int_equal(secret_open(k, STR("retrieve:{a}"), buf_str(&sealed), &plain, &err), -1);
		sealed.data[i] = was;
		assert_int_equal(secret_open(k, STR("retrieve:{a}"), str_first(buf_str(&sealed), i), &plain, &err), -1);
	}
	assert_int_equal(plain.len, 0);
	buf_fini(&sealed);
	buf_fini(&plain);
	secret_keys_free(&k);
}

static void
test_bad_keys(void **state)
{
	static const char *const bad[] = {
		"a",
		"a:",
		":AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		"a:AAECAwQ=",
		"a.b:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
		KEY_A "," KEY_A,
		KEY_A ",b:not base64",
	};
	struct secret_keys *none = keys("");
	struct buf sealed = BUF_EMPTY;
	struct err err;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_null(secret_keys_new(str_c(bad[i]), &err));
		assert_int_equal(err.code, ERR_INVALID);
		assert_null(strstr(err.text, "AAEC"));
	}
	assert_int_equal(secret_seal(none, STR_NONE, STR("x"), &sealed, &err), -1);
	assert_int_equal(err.code, ERR_DENIED);
	secret_keys_free(&none);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors), cmocka_unit_test(test_there_and_back),
		cmocka_unit_test(test_current), cmocka_unit_test(test_keys_change),
		cmocka_unit_test(test_damage),	cmocka_unit_test(test_bad_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
