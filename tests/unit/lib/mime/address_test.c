/* Address lists of headers: malformed ones are interpreted as well as possible. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/base/buf.h"
#include "lib/mime/address.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* "name|mailbox|host;" each; a group's start is "[name];", its end "];". */
static void
describe(const struct mime_address *a, struct buf *out)
{
	for (; a != NULL; a = a->next) {
		if (a->kind == MIME_GROUP_END) {
			buf_add_c(out, "];");
		} else if (a->kind == MIME_GROUP_START) {
			buf_printf(out, "[%.*s];", STR_ARG(a->name));
		} else {
			buf_add_str(out, a->name);
			buf_add_byte(out, '|');
			buf_add_str(out, a->mailbox);
			buf_add_byte(out, '|');
			buf_add_str(out, a->host);
			buf_add_byte(out, ';');
		}
	}
}

static void
test_lists(void **state)
{
	static const struct {
		struct str raw;
		const char *list;
	} cases[] = {
		{STR(""), ""},
		{STR_NONE, ""},
		{STR("a@b"), "|a|b;"},
		{STR("<a@b>"), "|a|b;"},
		{STR("Joe <a@b>"), "Joe|a|b;"},
		{STR("  Joe   Q.  Public   <a@b>  "), "Joe Q. Public|a|b;"},
		{STR("Joe<a@b>"), "Joe|a|b;"},
		{STR("\"Doe, Joe\" <a@b>, c@d"), "Doe, Joe|a|b;|c|d;"},
		{STR("\"a \\\"b\\\" \\\\\" <a@b>"), "a \"b\" \\|a|b;"},
		{STR("\"\" <a@b>"), "|a|b;"},
		{STR("=?utf-8?q?m=c3=bc?= <a@b>"), "=?utf-8?q?m=c3=bc?=|a|b;"},
		{STR("J\xc3\xb6 <a@b>"), "J\xc3\xb6|a|b;"},
		{STR("c@d (Comment)"), "Comment|c|d;"},
		{STR("c@d (a\0b\r\n c)"), "a b c|c|d;"},
		{STR("(Comment) c@d"), "|c|d;"}, /* a name stands behind */
		{STR("c@d (outer (inner) end)"), "outer (inner) end|c|d;"},
		{STR("Joe (a comment) <a@b>"), "Joe|a|b;"},
		{STR("Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>"), "Pete|pete|silly.test;"},
		{STR("a . b @ c . d"), "|a . b|c . d;"},
		{STR("<a . b @ c . d>"), "|a.b|c.d;"},
		{STR("\"quoted local\"@b"), "|quoted local|b;"},
		{STR("<\"quoted@local\"@b>"), "|quoted@local|b;"},
		{STR("a@[192.0.2.1]"), "|a|[192.0.2.1];"},
		{STR("<a@[IPv6:2001:db8::1]>"), "|a|[IPv6:2001:db8::1];"},
		{STR("<@r1,@r2:a@b>"), "|a|b;"},
		{STR("<@r1:a@b>, <@r2:c@d>"), "|a|b;|c|d;"},
		{STR("a@b,\r\n c@d,\r\n\te@f"), "|a|b;|c|d;|e|f;"},
		/* Groups. */
		{STR("team: a@b, Joe <c@d>;, e@f"), "[team];|a|b;Joe|c|d;];|e|f;"},
		{STR("undisclosed-recipients:;"), "[undisclosed-recipients];];"},
		{STR("A Group : a@b;"), "[A Group];|a|b;];"},
		{STR("g: a@b"), "[g];|a|b;];"},	    /* not ended */
		{STR("g: h: a@b;"), "[g];|a|b;];"}, /* none within another */
		{STR("a@b; c@d"), "|a|b;|c|d;"},    /* as some write lists */
		/* Broken. */
		{STR("nohost"), "|nohost|;"},
		{STR("no host"), "|no host|;"},
		{STR("<nohost>"), "|nohost|;"},
		{STR("@nolocal"), "||nolocal;"},
		{STR("<>"), ""},
		{STR("Joe <>"), ""},
		{STR(",,, ,a@b,"), "|a|b;"},
		{STR("Joe <a@b"), "Joe|a|b;"},
		{STR("Joe a@b>"), "|Joe a|b;"},
		{STR("<a@b> junk, c@d"), "|a|b;|c|d;"},
		{STR("\"unclosed <a@b>"), "|unclosed <a@b>|;"},
		{STR("a@b (unclosed, c@d"), "|a|b;"},
		{STR("a@b@c"), "|a|b;"},
		{STR("<a@b@c>"), "|a|b@c;"},
		{STR("<<a@b>>"), "|<a|b;"},
		{STR(":;"), "[];];"},
		{STR(";"), ""},
		{STR(">"), ""},
		{STR("\0"), ""},
		{STR("a\0@b"), "|a|;"},
		{STR("<a\0b@c\0>"), "|ab|c;"},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct buf got = BUF_EMPTY;
		describe(mime_parse_addresses(cases[i].raw, &arena), &got);
		if (!str_eq(buf_str(&got), str_c(cases[i].list)))
			fail_msg("\"%.*s\": \"%.*s\", not \"%s\"", STR_ARG(cases[i].raw), STR_ARG(buf_str(&got)),
				 cases[i].list);
		buf_fini(&got);
	}
	arena_fini(&arena);
}

static void
test_many(void **state)
{
	struct buf text = BUF_EMPTY;
	struct arena arena;
	unsigned count = 0;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < MIME_ADDRESSES_MAX + 500; i++)
		buf_printf(&text, "Name %u <box%u@example.test>,\r\n ", i, i);
	for (struct mime_address *a = mime_parse_addresses(buf_str(&text), &arena); a != NULL; a = a->next)
		count++;
	assert_int_equal(count, MIME_ADDRESSES_MAX);
	arena_fini(&arena);
	buf_fini(&text);
}

/* A megabyte of the worst is read in a time that grows with its length. */
static void
test_a_megabyte(void **state)
{
	static const char *const repeated[] = {"<@>,", "<@,", "<@:", "<",   ">",	 "@",	  ",",	    ";",
					       ":",    "a:",  "a:;", "(",   "(a)",	 "\"",	  "\"a\" ", "a ",
					       "<a@b", "(a",  "\\",  "<\"", "<@a:b@c>,", "a@b (", "\r\n "};
	(void)state;
	for (size_t i = 0; i < COUNT(repeated); i++) {
		struct buf text = BUF_EMPTY;
		struct arena arena;
		arena_init(&arena);
		while (text.len < 1024 * 1024)
			buf_add_c(&text, repeated[i]);
		mime_parse_addresses(buf_str(&text), &arena);
		arena_fini(&arena);
		buf_fini(&text);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_a_megabyte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
