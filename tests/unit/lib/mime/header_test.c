/* Header fields, the values of MIME fields, dates, message ids. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/base/mem.h"
#include "lib/mime/header.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
assert_str(struct str got, struct str expected)
{
	if (!str_eq(got, expected))
		fail_msg("\"%.*s\" is not \"%.*s\"", STR_ARG(got), STR_ARG(expected));
}

/* ---- Fields ---- */

static void
test_fields(void **state)
{
	/* "name=value|" of each. */
	static const struct {
		struct str header, fields;
	} cases[] = {
		{STR(""), STR("")},
		{STR("\r\n"), STR("")},
		{STR("A: b\r\n"), STR("A= b|")},
		{STR("A: b"), STR("A= b|")},
		{STR("A:b\nC:d\n"), STR("A=b|C=d|")},
		{STR("A:\r\n"), STR("A=|")},
		{STR("A: b\r\n\r\nC: body\r\n"), STR("A= b|")},
		{STR("A: b\n\nC: body\n"), STR("A= b|")},
		{STR("A: b\r\n c\r\n\td\r\nE: f\r\n"), STR("A= b\r\n c\r\n\td|E= f|")},
		{STR("A: b\r\n \r\nC: d\r\n"), STR("A= b\r\n |C= d|")}, /* a line of spaces ends nothing */
		{STR("A: b\r\n c"), STR("A= b\r\n c|")},
		{STR("A : b\r\n"), STR("A= b|")}, /* obsolete */
		{STR("A \t: b\r\n"), STR("A= b|")},
		{STR("no field\r\nA: b\r\n"), STR("A= b|")},
		{STR("From bob@x Mon Jan  1 10:00:00\r\nA: b\r\n"), STR("A= b|")},
		{STR(" folded: at the start\r\nA: b\r\n"), STR("A= b|")},
		{STR(": no name\r\nA: b\r\n"), STR("A= b|")},
		{STR("A b: c\r\nD: e\r\n"), STR("D= e|")},
		{STR("\xc3\xa4: b\r\nC: d\r\n"), STR("C= d|")},
		{STR("A\0: b\r\nC: d\r\n"), STR("C= d|")},
		{STR("A: b\0c\r\nD: e\r\n"), STR("A= b\0c|D= e|")},
		{STR("A: b\rc\r\n"), STR("A= b\rc|")}, /* a stray CR ends no line */
		{STR("A: b: c\r\n"), STR("A= b: c|")},
		{STR("A: b\r\r\nC: d\r\n"), STR("A= b\r|C= d|")},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str rest = cases[i].header;
		struct buf got = BUF_EMPTY;
		struct mime_field field;
		while (mime_next_field(&rest, &field)) {
			buf_add_str(&got, field.name);
			buf_add_byte(&got, '=');
			buf_add_str(&got, field.value);
			buf_add_byte(&got, '|');
		}
		assert_str(buf_str(&got), cases[i].fields);
		assert_false(mime_next_field(&rest, &field));
		buf_fini(&got);
	}
}

static void
test_find(void **state)
{
	struct str header = STR("Subject: one\r\nX:\r\nSUBJECT: two\r\n\r\nTo: body\r\n"), value;

	(void)state;
	assert_true(mime_find_field(header, "subject", &value));
	assert_str(value, STR(" one"));
	assert_true(mime_find_field(header, "x", &value));
	assert_true(value.p != NULL && value.len == 0);
	assert_false(mime_find_field(header, "To", &value));
	assert_true(value.p == NULL && value.len == 0);
	assert_false(mime_find_field(header, "Subj", &value));
	assert_false(mime_find_field(STR_NONE, "Subject", &value));
}

static void
test_unfold(void **state)
{
	static const struct {
		struct str raw, text;
	} cases[] = {
		{STR(""), STR("")},
		{STR(" a "), STR("a")},
		{STR(" a\r\n b\r\n"), STR("a b")},
		{STR(" a\n\tb"), STR("a\tb")},
		{STR("a\r\n\r\n b"), STR("a b")},
		{STR("a\rb"), STR("a b")},
		{STR("a\0b"), STR("a b")},
		{STR("\r\n "), STR("")},
		{STR("\xc3\xa4\r\n \xff"), STR("\xc3\xa4 \xff")},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_str(mime_unfold(cases[i].raw, &arena), cases[i].text);
	arena_fini(&arena);
}

/* ---- Values ---- */

static void
test_values(void **state)
{
	/* "main/sub;name=value;..." */
	static const struct {
		struct str raw, value;
	} cases[] = {
		{STR("text/plain"), STR("text/plain")},
		{STR(" Text/HTML "), STR("text/html")},
		{STR("text / plain ; A = b"), STR("text/plain;a=b")},
		{STR("text(comment)/(c (nested \\) ) )plain;a=b"), STR("text/plain;a=b")},
		{STR("attachment; filename=x.pdf"), STR("attachment/;filename=x.pdf")},
		{STR("text/plain; a=\"b c\""), STR("text/plain;a=b c")},
		{STR("text/plain; a=\"b\\\"c\\\\\""), STR("text/plain;a=b\"c\\")},
		{STR("text/plain; a=\"b;c=d\"; e=f"), STR("text/plain;a=b;c=d;e=f")},
		{STR("text/plain; a=b c.pdf; d=e"),
		 STR("text/plain;a=b c.pdf;d=e")}, /* not quoted, though it must be */
		{STR("text/plain;\r\n a=b;\r\n c=d"), STR("text/plain;a=b;c=d")},
		{STR("text/plain; a=b (comment); c=d"), STR("text/plain;a=b;c=d")},
		{STR("text/plain;;; a=b;"), STR("text/plain;a=b")},
		{STR("text/plain; a; b=c"), STR("text/plain;b=c")},
		{STR("text/plain; =b; c=d"), STR("text/plain;c=d")},
		{STR("text/plain; a="), STR("text/plain;a=")},
		{STR("text/plain; a=\"\""), STR("text/plain;a=")},
		{STR("text/plain; a=\"unclosed"), STR("text/plain;a=unclosed")},
		{STR("text/plain; a=\"ends with \\"), STR("text/plain;a=ends with \\")},
		{STR("text/plain; a=b; A=c"), STR("text/plain;a=b")}, /* the first one counts */
		{STR("text/plain junk; a=b"), STR("text/plain;a=b")},
		{STR("text/plain; a=b\0c; d=\"e\0\""), STR("text/plain;a=b c;d=e ")},
		{STR("text/plain; a=\xc3\xa4"), STR("text/plain;a=\xc3\xa4")},
		{STR("text/plain; a=\"b\r\n c\""), STR("text/plain;a=b c")},
		{STR("text"), STR("text/")},
		{STR("text/"), STR("text/")},
		{STR("/plain"), STR("/plain")},
		{STR(""), STR("/")},
		{STR("(unclosed"), STR("/")},
		{STR(";a=b"), STR("/;a=b")},
		{STR("\"text\"/plain"), STR("/")},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf got = BUF_EMPTY;
		struct mime_value v;
		mime_parse_value(cases[i].raw, &arena, &v);
		buf_printf(&got, "%.*s/%.*s", STR_ARG(v.main), STR_ARG(v.sub));
		for (unsigned j = 0; j < v.param_count; j++)
			buf_printf(&got, ";%.*s=%.*s", STR_ARG(v.params[j].name), STR_ARG(v.params[j].value));
		assert_str(buf_str(&got), cases[i].value);
		buf_fini(&got);
	}
	arena_fini(&arena);
}

static void
test_rfc2231(void **state)
{
	static const struct {
		const char *raw, *name, *value; /* NULL: there is none of that name */
	} cases[] = {
		/* The examples of the RFC. */
		{"message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/x.tar\"", "url",
		 "ftp://cs.utk.edu/x.tar"},
		{"application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A", "title",
		 "This is ***fun***"},
		{"application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20; "
		 "title*1*=%2A%2A%2Afun%2A%2A%2A%20; "
		 "title*2=\"isn't it!\"",
		 "title", "This is even more ***fun*** isn't it!"},
		{"a/b; n*=utf-8''%e2%82%ac", "n", "\xe2\x82\xac"},
		{"a/b; n*=UTF-8'de'%C3%A4", "n", "\xc3\xa4"},
		{"a/b; n*=iso-8859-1''%e4", "n", "\xc3\xa4"},
		{"a/b; n*=iso-8859-1''\xe4", "n", "\xc3\xa4"},
		{"a/b; n*=''%e4", "n", "\xc3\xa4"},
		{"a/b; n*=nonsense''%e4", "n", "\xc3\xa4"},
		{"a/b; n*=no-quotes", "n", "no-quotes"},
		{"a/b; n*=utf-8'x", "n", "x"},
		{"a/b; n*=utf-8''100%", "n", "100%"},
		{"a/b; n*=utf-8''%4", "n", "%4"},
		{"a/b; n*=utf-8''%zz", "n", "%zz"},
		{"a/b; n*=utf-8''a%00b", "n", "a b"},
		/* A character cut in two by the sections. */
		{"a/b; n*0*=utf-8''%e2%82; n*1*=%ac", "n", "\xe2\x82\xac"},
		/* In any order; up to the first that is missing. */
		{"a/b; n*2=c; n*1=b; n*0=a", "n", "abc"},
		{"a/b; n*0=a; n*2=c", "n", "a"},
		{"a/b; n*1=b", "n", ""},
		{"a/b; n*0=a; n*0=b; n*1=c", "n", "ac"},
		/* The extended form wins over the plain one. */
		{"a/b; n=plain; n*=utf-8''extended", "n", "extended"},
		{"a/b; n*=utf-8''extended; n=plain", "n", "extended"},
		{"a/b; n*x=y", "n*x", "y"},
		{"a/b; n*64=y", "n*64", "y"},
		{"a/b; *1*=%41", "*1*", "%41"}, /* of no name */
		{"a/b; n=x", "m", NULL},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct mime_value v;
		struct str got;
		mime_parse_value(str_c(cases[i].raw), &arena, &v);
		got = mime_param_find(&v, cases[i].name);
		assert_int_equal(got.p == NULL, cases[i].value == NULL);
		assert_str(got, str_c(cases[i].value));
	}
	arena_fini(&arena);
}

static void
test_many_params(void **state)
{
	struct buf raw = BUF_EMPTY;
	struct arena arena;
	struct mime_value v;

	(void)state;
	arena_init(&arena);
	buf_add_c(&raw, "text/plain");
	for (unsigned i = 0; i < 20000; i++)
		buf_printf(&raw, "; n%u=v; ;;; x", i);
	mime_parse_value(buf_str(&raw), &arena, &v);
	assert_int_equal(v.param_count, MIME_PARAMS_MAX);
	buf_clear(&raw);
	buf_add_c(&raw, "text/plain");
	for (unsigned i = 0; i < 200; i++)
		buf_printf(&raw, "; n*%u*=utf-8''v", i);
	mime_parse_value(buf_str(&raw), &arena, &v);
	assert_int_equal(v.param_count, 1);
	arena_fini(&arena);
	buf_fini(&raw);
}

/* ---- Dates ---- */

static void
test_dates(void **state)
{
	static const struct {
		const char *raw;
		bool good;
		int64_t seconds;
		int zone;
	} cases[] = {
		{"Mon, 7 Feb 1994 21:52:25 -0800", true, 760686745, -480},
		{"Mon, 7 Feb 1994 21:52:25 -0800 (PST)", true, 760686745, -480},
		{"1 Jan 1970 00:00:00 +0000", true, 0, 0},
		{"Thu, 01 Jan 70 00:00 GMT", true, 0, 0},
		{"31 Dec 1969 23:59:59 +0000", true, -1, 0},
		{"1 Jan 1970 01:00:00 +0100", true, 0, 60},
		{"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", true, 880127706, -360},
		{"23-Nov-2026 10:00:00 +0100", true, 1795424400, 60},
		{"Mon,23 Nov 2026 10:00:00 +0100", true, 1795424400, 60},
		{"mon, 23 NOVEMBER 2026 10:00:00 +0100", true, 1795424400, 60},
		{"\r\n Mon, 23 Nov 2026\r\n 10:00:00 +0100\r\n", true, 1795424400, 60},
		{"23 Nov 2026 04:00:00 EST", true, 1795424400, -300},
		{"23 Nov 2026 05:00:00 edt", true, 1795424400, -240},
		{"23 Nov 2026 09:00:00 UT", true, 1795424400, 0},
		{"23 Nov 2026 09:00:00 Z", true, 1795424400, 0},
		{"23 Nov 2026 09:00:00 XYZ", true, 1795424400, 0},
		{"23 Nov 2026 09:00:00", true, 1795424400, 0},
		{"23 Nov 2026 09:00", true, 1795424400, 0},
		{"23 Nov 2026", true, 1795392000, 0},
		{"23 Nov 26 09:00:00 +0000", true, 1795424400, 0},
		{"23 Nov 126 09:00:00 +0000", true, 1795424400, 0}, /* a year counted from 1900 */
		{"23 Nov 2026 09:00:00 +9999", true, 1795424400, 0},
		{"23 Nov 2026 09:00:00 +00", true, 1795424400, 0},
		{"31 Dec 2016 23:59:60 +0000", true, 1483228800, 0}, /* a leap second */
		{"Nov 23 2026 09:00:00 +0000", false, 0, 0},
		{"2026-11-23T09:00:00Z", false, 0, 0},
		{"yesterday", false, 0, 0},
		{"Mon,", false, 0, 0},
		{"", false, 0, 0},
		{"23", false, 0, 0},
		{"23 Nov", false, 0, 0},
		{"23 No 2026", false, 0, 0},
		{"0 Jan 2020 00:00:00 +0000", false, 0, 0},
		{"32 Jan 2020 00:00:00 +0000", false, 0, 0},
		{"1 Jan 2020 24:00:00 +0000", false, 0, 0},
		{"1 Jan 2020 00:60:00 +0000", false, 0, 0},
		{"1 Jan 2020 00:00:61 +0000", false, 0, 0},
		{"1 Jan 10000 00:00:00 +0000", false, 0, 0},
		{"99999999999999999999 Jan 2020", false, 0, 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		int64_t seconds = 0;
		int zone = 0;
		if (mime_parse_date(str_c(cases[i].raw), &seconds, &zone) != cases[i].good)
			fail_msg("%s", cases[i].raw);
		if (cases[i].good && (seconds != cases[i].seconds || zone != cases[i].zone))
			fail_msg("%s: %lld %d", cases[i].raw, (long long)seconds, zone);
	}
	assert_false(mime_parse_date(STR_NONE, &(int64_t){0}, &(int){0}));
}

/* ---- Message ids, comments ---- */

static void
test_msg_ids(void **state)
{
	static const struct {
		struct str raw;
		const char *ids; /* each with a '|' behind it */
	} cases[] = {
		{STR("<a@b>"), "<a@b>|"},
		{STR(" <a@b> <c@d>,<e@f>"), "<a@b>|<c@d>|<e@f>|"},
		{STR("words <a@b> (comment) <c>"), "<a@b>|<c>|"},
		{STR("<a@\r\n b>"), "<a@\r\n b>|"},
		{STR("<>"), "<>|"},
		{STR("<a <b>"), "<a <b>|"},
		{STR("a@b"), ""},
		{STR("<a@b"), ""},
		{STR("a@b>"), ""},
		{STR(""), ""},
		{STR_NONE, ""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str rest = cases[i].raw, id;
		struct buf got = BUF_EMPTY;
		while (mime_next_msg_id(&rest, &id)) {
			buf_add_str(&got, id);
			buf_add_byte(&got, '|');
		}
		assert_str(buf_str(&got), str_c(cases[i].ids));
		buf_fini(&got);
	}
}

static void
test_cfws(void **state)
{
	static const struct {
		struct str text, rest;
	} cases[] = {
		{STR(""), STR("")},
		{STR("x"), STR("x")},
		{STR(" \t\r\nx "), STR("x ")},
		{STR("(a)x"), STR("x")},
		{STR("(a(b)c) (d)x"), STR("x")},
		{STR("(a\\)b)x"), STR("x")},
		{STR("(a\\(b)x"), STR("x")},
		{STR("(unclosed x"), STR("")},
		{STR("(a\\"), STR("")},
		{STR(")x"), STR(")x")},
		{STR("\0x"), STR("\0x")},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct str s = cases[i].text;
		mime_skip_cfws(&s);
		assert_str(s, cases[i].rest);
	}
}

/* A megabyte of the worst: each must be read in a time that grows with its
 * length, not with its square (a test that hangs fails by its time limit). */
static void
test_a_megabyte(void **state)
{
	static const char *const repeated[] = {"A: b\r\n", "A: b\r\n ", "a",   "\r\n", ":",    " ", "(",
					       ")",	   "<",		">",   "\"",   "\\",   ";", "=",
					       "; a=\"",   "; a*0*=%",	"(\\", "\0",   "<a@b>"};
	(void)state;
	for (size_t i = 0; i < COUNT(repeated); i++) {
		size_t len = strlen(repeated[i]) != 0 ? strlen(repeated[i]) : 1;
		struct buf text = BUF_EMPTY;
		struct mime_field field;
		struct mime_value value;
		struct arena arena;
		struct str rest;
		int64_t date;
		int zone;

		arena_init(&arena);
		while (text.len < 1024 * 1024)
			buf_add(&text, repeated[i], len);
		rest = buf_str(&text);
		while (mime_next_field(&rest, &field))
			;
		mime_parse_value(buf_str(&text), &arena, &value);
		mime_unfold(buf_str(&text), &arena);
		mime_parse_date(buf_str(&text), &date, &zone);
		rest = buf_str(&text);
		while (mime_next_msg_id(&rest, &field.name))
			;
		arena_fini(&arena);
		buf_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fields),	   cmocka_unit_test(test_find),	   cmocka_unit_test(test_unfold),
		cmocka_unit_test(test_values),	   cmocka_unit_test(test_rfc2231), cmocka_unit_test(test_many_params),
		cmocka_unit_test(test_dates),	   cmocka_unit_test(test_msg_ids), cmocka_unit_test(test_cfws),
		cmocka_unit_test(test_a_megabyte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
