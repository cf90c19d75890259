/* Encoded-words and charsets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/mime/word.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
assert_str(struct str got, struct str expected)
{
	if (!str_eq(got, expected))
		fail_msg("\"%.*s\" is not \"%.*s\"", STR_ARG(got), STR_ARG(expected));
}

static void
test_words(void **state)
{
	static const struct {
		struct str raw, text;
	} cases[] = {
		{STR(""), STR("")},
		{STR("plain"), STR("plain")},
		/* The examples of RFC 2047, section 8. */
		{STR("=?ISO-8859-1?Q?a?="), STR("a")},
		{STR("=?ISO-8859-1?Q?a?= b"), STR("a b")},
		{STR("=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?="), STR("ab")},
		{STR("=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?="), STR("ab")},
		{STR("=?ISO-8859-1?Q?a_b?="), STR("a b")},
		{STR("=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?="), STR("a b")},
		{STR("=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>"), STR("Keith Moore <moore@cs.utk.edu>")},
		{STR("=?ISO-8859-1?Q?Patrik_F=E4ltstr=F6m?="), STR("Patrik F\xc3\xa4ltstr\xc3\xb6m")},
		{STR("=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= "
		     "=?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?="),
		 STR("If you can read this you understand the example.")},
		/* Between words and other text spaces stay. */
		{STR("x =?utf-8?q?a?= y"), STR("x a y")},
		{STR("x=?utf-8?q?a?=y"), STR("xay")},
		{STR("=?utf-8?q?a?= b =?utf-8?q?c?="), STR("a b c")},
		{STR("=?utf-8?q?a?==?utf-8?q?b?="), STR("ab")},
		/* A character cut in two by the writer. */
		{STR("=?UTF-8?B?4oI=?= =?UTF-8?B?rA==?="), STR("\xe2\x82\xac")},
		{STR("=?UTF-8?Q?=E2=82?= =?utf-8?B?rA==?="), STR("\xe2\x82\xac")},
		{STR("=?utf-8*en?q?a?="), STR("a")}, /* a language, RFC 2231 */
		{STR("=?utf-8?q?=e2=82=ac?="), STR("\xe2\x82\xac")},
		{STR("=?utf-8?q?"
		     "?="),
		 STR("")},
		{STR("=?utf-8?b?"
		     "?="),
		 STR("")},
		{STR("=?utf-8?b?w6Q?="), STR("\xc3\xa4")}, /* padding forgotten */
		{STR("=?iso-2022-jp?B?GyRCJDMbKEI=?="), STR("\xe3\x81\x93")},
		{STR("=?koi8-r?B?8NLJ18XU?="), STR("\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82")},
		/* What is none stays as it is. */
		{STR("=?"), STR("=?")},
		{STR("=?="), STR("=?=")},
		{STR("=?utf-8"), STR("=?utf-8")},
		{STR("=?utf-8?q"), STR("=?utf-8?q")},
		{STR("=?utf-8?q?a"), STR("=?utf-8?q?a")},
		{STR("=?utf-8?q?a?"), STR("=?utf-8?q?a?")},
		{STR("=?utf-8?x?a?="), STR("=?utf-8?x?a?=")},
		{STR("=?utf-8?qq?a?="), STR("=?utf-8?qq?a?=")},
		{STR("=??q?a?="), STR("=??q?a?=")},
		{STR("a=b=c"), STR("a=b=c")},
		/* Broken inside. */
		{STR("=?utf-8?q?a=?="), STR("a=")},
		{STR("=?utf-8?q?a=4?="), STR("a=4")},
		{STR("=?utf-8?q?a=zz?="), STR("a=zz")},
		{STR("=?utf-8?q?=ff?="), STR("\xc3\xbf")},
		{STR("=?unknown-charset?Q?a?="), STR("a")},
		{STR("=?unknown-charset?Q?=e9?="), STR("\xc3\xa9")},
		{STR("raw \xe9"), STR("raw \xc3\xa9")},
		{STR("raw \xc3\xa9"), STR("raw \xc3\xa9")},
		/* No control character comes through, not even by decoding. */
		{STR("a\tb\x01"), STR("a b ")},
		{STR("=?utf-8?q?a=0d=0ab=00?="), STR("a  b ")},
		{STR("a\0b"), STR("a b")},
		{STR("=?utf-16?b?AGEAAABi?="), STR("a b")},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_str(mime_decode_words(cases[i].raw, &arena), cases[i].text);
	arena_fini(&arena);
}

static void
test_charsets(void **state)
{
	static const struct {
		const char *charset;
		struct str data, text;
	} cases[] = {
		{"", STR("a"), STR("a")},
		{"", STR("\xc3\xa4"), STR("\xc3\xa4")},
		{"", STR("\xe4"), STR("\xc3\xa4")},
		{"", STR("\x80"), STR("\xe2\x82\xac")}, /* windows-1252 */
		{"utf-8", STR("\xc3\xa4"), STR("\xc3\xa4")},
		{"UTF-8", STR("\xe4"), STR("\xc3\xa4")},
		{"us-ascii", STR("\xc3\xa4"), STR("\xc3\xa4")}, /* more than was said, and clear */
		{"iso-8859-1", STR("\xe4"), STR("\xc3\xa4")},
		{"ISO-8859-15", STR("\xa4"), STR("\xe2\x82\xac")},
		{"windows-1251", STR("\xcf"), STR("\xd0\x9f")},
		{"shift_jis", STR("\x82\xb1"), STR("\xe3\x81\x93")},
		{"gb18030", STR("\xc4\xe3"), STR("\xe4\xbd\xa0")},
		{"big5", STR("\xa7\x41"), STR("\xe4\xbd\xa0")},
		{"utf-16be", STR("\0a"), STR("a")},
		{"utf-16be", STR("\xd8\x3d\xdc\xec"), STR("\xf0\x9f\x93\xac")},
		{"utf-7", STR("+AOQ-"), STR("\xc3\xa4")},
		{"nonsense", STR("a"), STR("a")},
		{"nonsense", STR("\xc3\xa4"), STR("\xc3\xa4")},
		{"../../etc/passwd", STR("a"), STR("a")},
		{"a-name-that-is-longer-than-any-charset-has-that-anybody-ever-registered", STR("a"), STR("a")},
		{"iso-8859-1", STR(""), STR("")},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_str(mime_to_utf8(str_c(cases[i].charset), cases[i].data, &arena), cases[i].text);
	arena_fini(&arena);
}

/* Whatever the bytes: the result is UTF-8. */
static void
test_always_utf8(void **state)
{
	static const char *const charsets[] = {"",	 "utf-8",      "iso-2022-jp", "iso-2022-kr", "utf-7", "utf-16",
					       "utf-32", "gb18030",    "big5-hkscs",  "hz-gb-2312",  "scsu",  "bocu-1",
					       "ibm-37", "x-nonsense", "us-ascii",    "euc-jp"};
	char bytes[512];
	uint32_t random = 1;

	(void)state;
	for (unsigned round = 0; round < 50; round++)
		for (size_t i = 0; i < COUNT(charsets); i++) {
			struct arena arena;
			struct str got;
			size_t len = round * 10;
			arena_init(&arena);
			for (size_t j = 0; j < len; j++)
				bytes[j] = (char)((random = random * 1664525 + 1013904223) >> 24);
			got = mime_to_utf8(str_c(charsets[i]), str_of(bytes, len), &arena);
			assert_true(str_is_utf8(got));
			assert_true(str_is_utf8(mime_decode_words(str_of(bytes, len), &arena)));
			arena_fini(&arena);
		}
}

static void
test_a_megabyte(void **state)
{
	static const char *const repeated[] = {"=?utf-8?q?a?= ",
					       "=?utf-8?q?a?= =?iso-8859-1?q?b?= ",
					       "=?x-unknown?q?=e4?=",
					       "=?utf-8?q?a?==?utf-8?b?YQ==?=",
					       "=?",
					       "=?a?",
					       "=?a?q?",
					       "=?utf-8?q?a ",
					       "=",
					       "?=",
					       "=?iso-2022-jp?B?GyRC?= x"};
	(void)state;
	for (size_t i = 0; i < COUNT(repeated); i++) {
		struct buf text = BUF_EMPTY;
		struct arena arena;
		arena_init(&arena);
		while (text.len < 1024 * 1024)
			buf_add_c(&text, repeated[i]);
		assert_true(str_is_utf8(mime_decode_words(buf_str(&text), &arena)));
		arena_fini(&arena);
		buf_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
		cmocka_unit_test(test_charsets),
		cmocka_unit_test(test_always_utf8),
		cmocka_unit_test(test_a_megabyte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
