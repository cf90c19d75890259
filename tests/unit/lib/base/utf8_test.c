/* UTF-8 in pieces: the same answer as for the whole text, wherever it is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

#include "lib/base/utf8.h"

/* True if it is well-formed and nothing is cut at its end. */
static bool
check_cut(struct str text, size_t at)
{
	struct utf8_check u = {0};

	return utf8_feed(&u, str_first(text, at)) && utf8_feed(&u, str_from(text, at)) && utf8_is_whole(&u);
}

static void
test_texts(void **state)
{
	static const char *const texts[] = {
		"", "plain", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80", "\xef\xbf\xbf",
		"\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5",
		/* malformed */
		"\x80", "\xbf", "\xc0\x80", "\xc1\xbf", "\xc3", "\xe0\x9f\xbf", "\xe2\x82", "\xed\xa0\x80", "\xed\xbf\xbf",
		"\xf0\x8f\xbf\xbf", "\xf0\x90\x80", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff", "\xfe", "\xc3(",
		"\xe2(\xa1", "\xe2\x82(", "\xf0(\x8c\xbc", "\xf0\x90(\xbc", "\xf0\x90\x8c(",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t at = 0; at <= strlen(texts[i]); at++)
			assert_int_equal(check_cut(str_c(texts[i]), at), str_is_utf8(str_c(texts[i])));
}

/* All sequences of up to three bytes of every kind. */
static void
test_all_short(void **state)
{
	static const unsigned char kinds[] = {0x00, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xc1, 0xc2,
					      0xdf, 0xe0, 0xe1, 0xec, 0xed, 0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
	enum { KINDS = sizeof(kinds), LONGEST = 4 };
	char text[LONGEST];

	(void)state;
	for (unsigned n = 0; n < KINDS * KINDS * KINDS * KINDS; n++) {
		unsigned rest = n;
		for (unsigned i = 0; i < LONGEST; i++, rest /= KINDS)
			text[i] = (char)kinds[rest % KINDS];
		for (size_t len = 1; len <= LONGEST; len++)
			if (check_cut(str_of(text, len), len / 2) != str_is_utf8(str_of(text, len)))
				fail_msg("%02x %02x %02x %02x, %zu", (unsigned char)text[0], (unsigned char)text[1],
					 (unsigned char)text[2], (unsigned char)text[3], len);
	}
}

/* What is wrong is told at once, not at the end. */
static void
test_at_once(void **state)
{
	struct utf8_check u = {0};

	(void)state;
	assert_true(utf8_feed(&u, STR("\xed")));
	assert_false(utf8_is_whole(&u));
	assert_false(utf8_feed(&u, STR("\xa0")));
}

static void
test_clean_text(void **state)
{
	static const struct {
		struct str text;
		size_t max;
		struct str clean;
	} cases[] = {
		{STR(""), 10, STR("")},
		{STR_NONE, 10, STR("")},
		{STR("550 no such user"), 400, STR("550 no such user")},
		{STR("a\r\nb\tc\0d\x7f"), 400, STR("a  b c d ")},
		{STR("12345"), 3, STR("123")},
		{STR("12345"), 0, STR("")},
		{STR("m\xc3\xbc"), 400, STR("m\xc3\xbc")},
		{STR("m\xc3\xbc"), 2, STR("m")}, /* cut between characters */
		{STR("m\xc3\xbc"), 3, STR("m\xc3\xbc")},
		{STR("\xe2\x82\xac"), 2, STR("")},
		{STR("m\xfc"), 400, STR("m?")}, /* not UTF-8 */
		{STR("\x80\x80\x80"), 2, STR("")},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got = utf8_clean_text(&arena, cases[i].text, cases[i].max);
		assert_true(str_eq(got, cases[i].clean));
		assert_int_equal(got.p[got.len], '\0');
	}
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_texts),
		cmocka_unit_test(test_all_short),
		cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_clean_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
