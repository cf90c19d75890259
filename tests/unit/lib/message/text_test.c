/* The words of texts, plain and HTML. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/message/text.h"

enum { CHARS = 200 };

static void
test_words(void **state)
{
	static const struct {
		bool html;
		const char *text, *words;
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
		struct str got = message_text_words(str_c(cases[i].text), cases[i].html, CHARS, &arena, &full);
		assert_false(full);
		if (!str_eq(got, str_c(cases[i].words)))
			fail_msg("\"%.*s\", not \"%s\"", STR_ARG(got), cases[i].words);
	}
	memset(letters, 'x', sizeof(letters));
	assert_int_equal(message_text_words(str_of(letters, sizeof(letters)), false, CHARS, &arena, &full).len, CHARS);
	for (unsigned i = 0; i < sizeof(letters); i += 2)
		memcpy(letters + i, "\xc3\xa4", 2);
	assert_int_equal(message_text_words(str_of(letters, sizeof(letters)), false, CHARS, &arena, &full).len, CHARS * 2);
	assert_true(full);
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
