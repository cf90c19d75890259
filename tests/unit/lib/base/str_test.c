/* Borrowed text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/mem.h"
#include "lib/base/str.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static int
sign(int n)
{
	return n < 0 ? -1 : n > 0;
}

static void
test_compare(void **state)
{
	static const struct {
		struct str a, b;
		bool eq, eq_ci;
		int order;
	} cases[] = {
		{STR(""), STR(""), true, true, 0},
		{STR_NONE, STR(""), true, true, 0},
		{STR("a"), STR("a"), true, true, 0},
		{STR("a"), STR("A"), false, true, 1},
		{STR("Z"), STR("z"), false, true, -1},
		{STR("["), STR("{"), false, false, -1}, /* 0x20 apart, but no letters */
		{STR("@"), STR("`"), false, false, -1},
		{STR("ab"), STR("abc"), false, false, -1},
		{STR("abc"), STR("ab"), false, false, 1},
		{STR("a\0b"), STR("a\0c"), false, false, -1},
		{STR("a\0b"), STR("A\0B"), false, true, 1},
		{STR("\xc3\xa4"), STR("\xc3\x84"), false, false, 1}, /* only ASCII is folded */
		{STR(""), STR("a"), false, false, -1},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(str_eq(cases[i].a, cases[i].b), cases[i].eq);
		assert_int_equal(str_eq_ci(cases[i].a, cases[i].b), cases[i].eq_ci);
		assert_int_equal(sign(str_cmp(cases[i].a, cases[i].b)), cases[i].order);
		assert_int_equal(sign(str_cmp(cases[i].b, cases[i].a)), -cases[i].order);
	}
}

static void
test_ends(void **state)
{
	static const struct {
		struct str s, part;
		bool starts, starts_ci, ends_ci;
	} cases[] = {
		{STR("spool:1"), STR("spool:"), true, true, false},
		{STR("Spool:1"), STR("spool:"), false, true, false},
		{STR("spool"), STR("spool:"), false, false, false},
		{STR("x"), STR(""), true, true, true},
		{STR_NONE, STR(""), true, true, true},
		{STR_NONE, STR("x"), false, false, false},
		{STR("a.ORG"), STR(".org"), false, false, true},
		{STR("org"), STR(".org"), false, false, false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(str_starts(cases[i].s, cases[i].part), cases[i].starts);
		assert_int_equal(str_starts_ci(cases[i].s, cases[i].part), cases[i].starts_ci);
		assert_int_equal(str_ends_ci(cases[i].s, cases[i].part), cases[i].ends_ci);
	}
}

static void
test_parts(void **state)
{
	struct str s = STR("hello"), head, tail;

	(void)state;
	assert_true(str_eq(str_from(s, 2), STR("llo")));
	assert_true(str_eq(str_from(s, 5), STR("")));
	assert_true(str_eq(str_from(s, 6), STR("")));
	assert_true(str_eq(str_from(STR_NONE, 3), STR("")));
	assert_true(str_eq(str_first(s, 2), STR("he")));
	assert_true(str_eq(str_first(s, 9), s));
	assert_int_equal(str_index(s, 'l'), 2);
	assert_int_equal(str_rindex(s, 'l'), 3);
	assert_int_equal(str_index(s, 'x'), -1);
	assert_int_equal(str_rindex(STR_NONE, 'x'), -1);
	assert_true(str_cut(s, 'l', &head, &tail));
	assert_true(str_eq(head, STR("he")) && str_eq(tail, STR("lo")));
	assert_true(str_cut(STR("x="), '=', &head, &tail));
	assert_true(str_eq(head, STR("x")) && tail.len == 0);
	assert_false(str_cut(s, '=', &head, &tail));
	assert_true(str_eq(head, s) && tail.len == 0);
}

static void
test_trim(void **state)
{
	static const struct {
		struct str in, out;
	} cases[] = {
		{STR(""), STR("")},	 {STR_NONE, STR("")},		{STR(" \t\r\n"), STR("")},
		{STR("a"), STR("a")},	 {STR(" a b\r\n"), STR("a b")}, {STR("\va"), STR("\va")},
		{STR("\0 "), STR("\0")},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_true(str_eq(str_trim(cases[i].in), cases[i].out));
}

static void
test_words(void **state)
{
	static const struct {
		struct str text;
		const char *separators;
		unsigned count;
		const char *words[4];
	} cases[] = {
		{STR(""), " ,", 0, {0}},	{STR(" ,, "), " ,", 0, {0}},
		{STR("one"), " ,", 1, {"one"}}, {STR(" a, b,,c "), " ,", 3, {"a", "b", "c"}},
		{STR("a b"), ",", 1, {"a b"}},
	};
	struct str rest = STR("a\0b c"), word;

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str left = cases[i].text;
		for (unsigned j = 0; j < cases[i].count; j++) {
			assert_true(str_next_word(&left, cases[i].separators, &word));
			assert_true(str_eq(word, str_c(cases[i].words[j])));
		}
		assert_false(str_next_word(&left, cases[i].separators, &word));
	}
	/* A NUL is a byte like others, not the end of the separators. */
	assert_true(str_next_word(&rest, " ", &word));
	assert_true(str_eq(word, STR("a\0b")));
}

static void
test_numbers(void **state)
{
	static const struct {
		struct str text;
		bool is_u64, is_i64;
		uint64_t u64;
		int64_t i64;
	} cases[] = {
		{STR("0"), true, true, 0, 0},
		{STR("007"), true, true, 7, 7},
		{STR("9223372036854775807"), true, true, INT64_MAX, INT64_MAX},
		{STR("9223372036854775808"), true, false, (uint64_t)INT64_MAX + 1, 0},
		{STR("18446744073709551615"), true, false, UINT64_MAX, 0},
		{STR("18446744073709551616"), false, false, 0, 0},
		{STR("99999999999999999999"), false, false, 0, 0},
		{STR("-1"), false, true, 0, -1},
		{STR("-0"), false, true, 0, 0},
		{STR("-9223372036854775808"), false, true, 0, INT64_MIN},
		{STR("-9223372036854775809"), false, false, 0, 0},
		{STR("-"), false, false, 0, 0},
		{STR("--1"), false, false, 0, 0},
		{STR("+1"), false, false, 0, 0},
		{STR(" 1"), false, false, 0, 0},
		{STR("1 "), false, false, 0, 0},
		{STR("1\0"), false, false, 0, 0},
		{STR("0x1"), false, false, 0, 0},
		{STR("\xb2"), false, false, 0, 0},
		{STR(""), false, false, 0, 0},
		{STR_NONE, false, false, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t u64;
		int64_t i64;
		assert_int_equal(str_to_u64(cases[i].text, &u64), cases[i].is_u64);
		if (cases[i].is_u64)
			assert_true(u64 == cases[i].u64);
		assert_int_equal(str_to_i64(cases[i].text, &i64), cases[i].is_i64);
		if (cases[i].is_i64)
			assert_true(i64 == cases[i].i64);
	}
}

static void
test_copies(void **state)
{
	static const struct {
		struct str s;
		size_t size;
		bool whole;
		const char *copy;
	} cases[] = {
		{STR("abc"), 4, true, "abc"}, {STR("abc"), 3, false, "ab"}, {STR("abc"), 1, false, ""},
		{STR(""), 1, true, ""},	      {STR_NONE, 1, true, ""},
	};
	char copy[8], mixed[] = "aZ[\xc3\x84";
	char *dup = str_dup(STR_NONE);

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		memset(copy, 'x', sizeof(copy));
		assert_int_equal(str_copy(cases[i].s, copy, cases[i].size), cases[i].whole);
		assert_string_equal(copy, cases[i].copy);
		assert_int_equal(copy[cases[i].size], 'x'); /* nothing behind it is touched */
	}
	assert_string_equal(dup, "");
	mem_free(dup);
	str_lower(mixed, sizeof(mixed) - 1);
	assert_string_equal(mixed, "az[\xc3\x84");
}

static void
test_characters(void **state)
{
	static const struct {
		struct str s;
		bool printable, utf8;
	} cases[] = {
		{STR(""), true, true},
		{STR("az ~"), true, true},
		{STR("\x7f"), false, true},
		{STR("\x1f"), false, true},
		{STR("a\0"), false, true},
		{STR("\xc3\xa4"), false, true},
		{STR("\x80"), false, false},
		{STR("\xc0\x80"), false, false}, /* overlong */
		{STR("\xc1\xbf"), false, false}, /* overlong */
		{STR("\xc2"), false, false},	 /* cut */
		{STR("\xc2\x41"), false, false},
		{STR("\xe0\x9f\xbf"), false, false}, /* overlong */
		{STR("\xe0\xa0\x80"), false, true},
		{STR("\xed\x9f\xbf"), false, true},
		{STR("\xed\xa0\x80"), false, false}, /* surrogate */
		{STR("\xef\xbf\xbf"), false, true},
		{STR("\xe2\x82"), false, false},
		{STR("\xf0\x8f\xbf\xbf"), false, false}, /* overlong */
		{STR("\xf0\x90\x80\x80"), false, true},
		{STR("\xf4\x8f\xbf\xbf"), false, true},
		{STR("\xf4\x90\x80\x80"), false, false}, /* past U+10FFFF */
		{STR("\xf8\x88\x80\x80\x80"), false, false},
		{STR("\xff"), false, false},
		{STR("ok\xe2\x82\xac!\xf0\x9f\x93\xac"), false, true},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(str_is_printable_ascii(cases[i].s), cases[i].printable);
		assert_int_equal(str_is_utf8(cases[i].s), cases[i].utf8);
	}
}

static void
test_distance(void **state)
{
	char longest[65];
	static const struct {
		struct str a, b;
		unsigned distance;
	} cases[] = {
		{STR(""), STR(""), 0},
		{STR("abc"), STR(""), 3},
		{STR("banner"), STR("banner"), 0},
		{STR("Banner"), STR("bannr"), 1},
		{STR("kitten"), STR("sitting"), 3},
		{STR("ab"), STR("ba"), 2},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		assert_int_equal(str_distance(cases[i].a, cases[i].b), cases[i].distance);
		assert_int_equal(str_distance(cases[i].b, cases[i].a), cases[i].distance);
	}
	memset(longest, 'a', sizeof(longest));
	assert_int_equal(str_distance(str_of(longest, 64), str_of(longest, 64)), 0);
	assert_int_equal(str_distance(str_of(longest, 65), str_of(longest, 65)), 64);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_compare), cmocka_unit_test(test_ends),	   cmocka_unit_test(test_parts),
		cmocka_unit_test(test_trim),	cmocka_unit_test(test_words),	   cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_copies),	cmocka_unit_test(test_characters), cmocka_unit_test(test_distance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
