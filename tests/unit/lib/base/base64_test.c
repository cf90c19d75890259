/* base64 and base64url, strict. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/base64.h"

static void
test_vectors(void **state)
{
	/* RFC 4648, section 10, and bytes that are no text. */
	static const struct {
		struct str data;
		const char *text;
	} cases[] = {
		{STR(""), ""},
		{STR("f"), "Zg=="},
		{STR("fo"), "Zm8="},
		{STR("foo"), "Zm9v"},
		{STR("foob"), "Zm9vYg=="},
		{STR("fooba"), "Zm9vYmE="},
		{STR("foobar"), "Zm9vYmFy"},
		{STR("\xff\xfe\xfd"), "//79"},
		{STR("\0"), "AA=="},
		{STR("\xfb\xef"), "++8="},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text = BUF_EMPTY, data = BUF_EMPTY;
		base64_encode(cases[i].data, &text);
		assert_true(str_eq(buf_str(&text), str_c(cases[i].text)));
		assert_true(base64_decode(str_c(cases[i].text), &data));
		assert_true(str_eq(buf_str(&data), cases[i].data));
		buf_fini(&text);
		buf_fini(&data);
	}
}

static void
test_malformed(void **state)
{
	static const struct str cases[] = {
		STR("A"),
		STR("AA"),
		STR("AAA"),
		STR("AAAAA"),
		STR("===="),
		STR("A==="),
		STR("AA=A"),
		STR("=AAA"),
		STR("AA==AA=="),
		STR("AA A"),
		STR("AAA\n"),
		STR("Zm9v\r\n"),
		STR("AA-_"),
		STR("AA\0A"),
		STR("Zh=="),
		STR("Zm9="),
		STR("\xff\xff\xff\xff"),
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf data = BUF_EMPTY;
		assert_false(base64_decode(cases[i], &data));
		buf_fini(&data);
	}
}

static void
test_url_vectors(void **state)
{
	/* The same without padding, with "-" and "_". */
	static const struct {
		struct str data;
		const char *text;
	} cases[] = {
		{STR(""), ""},
		{STR("f"), "Zg"},
		{STR("fo"), "Zm8"},
		{STR("foo"), "Zm9v"},
		{STR("foob"), "Zm9vYg"},
		{STR("fooba"), "Zm9vYmE"},
		{STR("foobar"), "Zm9vYmFy"},
		{STR("\xff\xef\xbe"), "_---"},
		{STR("\xfb\xff"), "-_8"},
		{STR("\0"), "AA"},
		{STR("\xff\xff\xff\xff"), "_____w"},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text = BUF_EMPTY, data = BUF_EMPTY;
		/* Appended to what is there. */
		buf_add_c(&text, ">=");
		buf_add_c(&data, "<");
		base64url_encode(cases[i].data, &text);
		assert_true(str_eq(str_from(buf_str(&text), 2), str_c(cases[i].text)));
		assert_true(base64url_decode(str_c(cases[i].text), &data));
		assert_true(str_eq(str_from(buf_str(&data), 1), cases[i].data));
		buf_fini(&text);
		buf_fini(&data);
	}
}

static void
test_url_malformed(void **state)
{
	static const struct str cases[] = {
		STR("A"),    STR("AAAAA"), STR("Zg=="), STR("Zm8="), STR("="),      STR("AA="),
		STR("===="), STR("+-AA"),  STR("AA/A"), STR("AA A"), STR("AAA\n"),  STR("Zm9v\r\n"),
		STR("Zh"),   STR("Zm9"),   STR("-_9"),  STR("A\0"),  STR("AAAAAB"), STR("\xff\xff"),
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf data = BUF_EMPTY;
		assert_false(base64url_decode(cases[i], &data));
		buf_fini(&data);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors), cmocka_unit_test(test_malformed),
					   cmocka_unit_test(test_url_vectors), cmocka_unit_test(test_url_malformed)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
