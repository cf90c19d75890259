/* Folded texts, previews, ranges of results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/imap/parse/fold.h"
#include "frontend/imap/parse/partial.h"
#include "frontend/imap/preview.h"

static void
test_fold_contains(void **state)
{
	static const struct {
		const char *text, *needle;
		bool contained;
	} cases[] = {
		{"Hello World", "WORLD", true},
		{"Hello World", "hello world", true},
		{"Hello World", "hello world!", false},
		{"Hello", "", true},
		{"", "x", false},
		{"", "", true},
		{"aaab", "aab", true},
		{"x@[\\]^_y", "@[\\]^_", true},
		{"Straße", "STRASSE", true},
		{"STRASSE", "straße", true},
		{"GRÜSSE", "grüße", true},
		{"caf\u00e9", "cafe\u0301", true},	 /* composed and decomposed */
		{"cafe\u0301 au lait", "CAF\u00c9 AU", true},
		{"caf\u00e9", "cafe", true},		 /* RFC 5051: what is decomposed is found */
		{"Ⅷ", "viii", true},			 /* compatibility */
		{"ΣΊΣΥΦΟΣ", "σίσυφος", true},
		{"МОСКВА", "москва", true},
		{"\xff\xfe", "x", false},		 /* malformed */
		{"a\xff" "b", "B", true},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str needle = imap_fold(str_c(cases[i].needle), &arena);
		struct str folded = imap_fold(str_c(cases[i].text), &arena);
		if (imap_fold_contains(str_c(cases[i].text), needle, &arena) != cases[i].contained)
			fail_msg("\"%s\" in \"%s\"", cases[i].needle, cases[i].text);
		/* The quick way and the other say the same. */
		assert_int_equal(needle.len == 0 || (folded.len != 0 && memmem(folded.p, folded.len, needle.p, needle.len) != NULL),
				 cases[i].contained);
	}
	arena_fini(&arena);
}

static void
test_fold_order(void **state)
{
	static const char *const sorted[] = {"", "10", "2", "Abc", "abd", "eclair", "Éclair2", "f", "Zz", "_x"};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 1; i < sizeof(sorted) / sizeof(sorted[0]); i++)
		if (str_cmp(imap_fold(str_c(sorted[i - 1]), &arena), imap_fold(str_c(sorted[i]), &arena)) >= 0)
			fail_msg("%s before %s", sorted[i], sorted[i - 1]);
	arena_fini(&arena);
}

static void
test_previews(void **state)
{
	static const struct {
		bool html;
		const char *text, *preview;
	} cases[] = {
		{false, "", ""},
		{false, " \r\n\t ", ""},
		{false, "Hello,\r\n\r\n  this is\tit.\r\n", "Hello, this is it."},
		{false, "1 < 2 &amp; 3", "1 < 2 &amp; 3"},
		{true, "<html><head><title>No</title><style>p { color: red }</style></head><body><p>Hello</p><p>World</p>", "Hello World"},
		{true, "a<!-- no > no -->b<script>x<y</script>c", "ab c"},
		{true, "1 &lt; 2 &amp;&nbsp;3 &#8364; &#x41; &nosuch; &", "1 < 2 & 3 \u20ac A &nosuch; &"},
		{true, "&#0;&#xD800;&#99999999;", "&#0;&#xD800;&#99999999;"},
		{true, "<", "<"},
		{true, "1 < 2 <3 <p>x", "1 < 2 <3 x"},
		{true, "&eacute;&Eacute;&euro;&hellip;&rsquo;&zcaron;&Zcaron;&amp;&AMP", "\u00e9\u00c9\u20ac\u2026\u2019\u017e\u017d&&"},
		{true, "caf&eacute, &copy 2026 a&b &hellip&zwj;x", "caf\u00e9, \u00a9 2026 a&b &hellip\u200dx"},
		{true, "&#146;&#x80;&#8217 &#10;&#13;x", "\u2019\u20ac\u2019 x"},
		{true, "<img alt='a>b' title=\"c > d\" x=y>e", "e"},
		{true, "<a title = 'a>b'>x</a>", "x"},
		{true, "it's <b>f</b>ine", "it's fine"},
		{true, "<p class=it's>a</p><p>it's</p>", "a it's"},
		{true, "<a b='>x <a b='>y", "y"},
		{true, "<a b='>x <a c=>y", "x y"},
		{true, "<b>W</b>orld<br>two<span> </span>three<td>four</td>five", "World two three four five"},
		{true, "<HEAD><meta x><base y>no</HEAD><body>yes", "yes"},
		{true, "<head>no end <style>no</style>x", "no end x"},
		{true, "<header>yes</header><styles>yes</styles>", "yes yes"},
		{true, "<style>a</styles>b</style >c<script>\"</p>\"</script>d", "c d"},
		{true, "<!--[if mso]><xml>no</xml><![endif]-->a<![if !mso]>b<![endif]><!-->c", "a b c"},
		{true, "<?xml version='1.0'?><!DOCTYPE html \"x>y\"><html>a", "y\"> a"},
		{true, "&zwnj;&nbsp;&zwnj;&nbsp;\u034f \ufeff\u00ad a\u200cb", "a\u200cb"},
		{true, "<style", ""},
		{true, "text <a href=\"x", "text"},
		{false, "\u00a0no\u00a0break", "no break"},
		{false, "\u3000a\x01\x7f\xc2\x85\u2003z\u2028", "a z"},
	};
	char letters[1000];
	struct arena arena;
	bool full;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct str got = imap_preview(str_c(cases[i].text), cases[i].html, &arena, &full);
		assert_false(full);
		if (!str_eq(got, str_c(cases[i].preview)))
			fail_msg("\"%.*s\", not \"%s\"", STR_ARG(got), cases[i].preview);
	}
	memset(letters, 'x', sizeof(letters));
	assert_int_equal(imap_preview(str_of(letters, sizeof(letters)), false, &arena, &full).len, IMAP_PREVIEW_CHARS);
	for (unsigned i = 0; i < sizeof(letters); i += 2)
		memcpy(letters + i, "\xc3\xa4", 2);
	assert_int_equal(imap_preview(str_of(letters, sizeof(letters)), false, &arena, &full).len, IMAP_PREVIEW_CHARS * 2);
	assert_true(full);
	arena_fini(&arena);
}

static void
test_partials(void **state)
{
	static const struct {
		const char *text;
		uint32_t count, begin, end;
	} cases[] = {
		{"1:10", 100, 0, 10},	   {"10:1", 100, 0, 10},     {"5:5", 100, 4, 5},	{"-1:-10", 100, 90, 100},
		{"-10:-1", 100, 90, 100}, {"1:10", 3, 0, 3},	     {"4:10", 3, 0, 0},		{"-1:-10", 3, 0, 3},
		{"-4:-10", 3, 0, 0},	   {"1:10", 0, 0, 0},	     {"-1:-1", 1, 0, 1},	{"1:4294967295", 7, 0, 7},
		{"-1:-4294967295", 7, 0, 7},
	};
	static const char *const bad[] = {"", "1", "1:", ":1", "0:1", "1:0", "-1:1", "1:-1", "--1:-2", "1:4294967296", "a:b"};
	struct imap_partial p;
	struct imap_lexer l;
	struct arena arena;
	uint32_t begin, end;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		imap_lex_init(&l, str_c(cases[i].text), &arena, false);
		assert_true(imap_lex_partial(&l, &p) && imap_lex_end(&l));
		imap_partial_range(&p, cases[i].count, &begin, &end);
		if (begin != cases[i].begin || end != cases[i].end)
			fail_msg("%s of %u: %u to %u", cases[i].text, cases[i].count, begin, end);
	}
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		imap_lex_init(&l, str_c(bad[i]), &arena, false);
		if (imap_lex_partial(&l, &p) && imap_lex_end(&l))
			fail_msg("%s", bad[i]);
	}
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold_contains),
		cmocka_unit_test(test_fold_order),
		cmocka_unit_test(test_previews),
		cmocka_unit_test(test_partials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
