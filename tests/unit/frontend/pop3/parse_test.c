/* POP3 command lines, and where TOP ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "frontend/pop3/parse.h"

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

static void
test_lines(void **state)
{
	static const struct {
		struct str line;
		const char *verb; /* NULL: refused */
		unsigned count;
		const char *args[POP3_ARGS_MAX], *rest;
	} cases[] = {
		{STR("STAT"), "STAT", 0, {0}, ""},
		{STR("stat"), "stat", 0, {0}, ""},
		{STR("RETR 1"), "RETR", 1, {"1"}, "1"},
		{STR("TOP 1 10"), "TOP", 2, {"1", "10"}, "1 10"},
		{STR("TOP  1   10  "), "TOP", 2, {"1", "10"}, " 1   10  "},
		{STR("PASS with a blank "), "PASS", 3, {"with", "a", "blank"}, "with a blank "},
		{STR("PASS  x"), "PASS", 1, {"x"}, " x"}, /* the password begins with a blank */
		{STR("X 1 2 3 4 5"), "X", 5, {"1", "2", "3"}, "1 2 3 4 5"},
		{STR("STAT "), "STAT", 0, {0}, ""},
		{STR("RETR\t1"), "RETR\t1", 0, {0}, ""}, /* a tab is not a separator */
		{STR("USER j\xc3\xb6@x"), "USER", 1, {"j\xc3\xb6@x"}, "j\xc3\xb6@x"},
		{STR(""), NULL, 0, {0}, ""},
		{STR(" STAT"), NULL, 0, {0}, ""},
		{STR("STAT\r"), NULL, 0, {0}, ""},
		{STR("ST\nAT"), NULL, 0, {0}, ""},
		{STR("PASS a\0b"), NULL, 0, {0}, ""},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct cmd_args args;
		struct str verb;
		assert_int_equal(pop3_parse_line(cases[i].line, &verb, &args), cases[i].verb != NULL);
		if (cases[i].verb == NULL)
			continue;
		assert_true(str_eq(verb, str_c(cases[i].verb)));
		assert_true(str_eq(args.rest, str_c(cases[i].rest)));
		assert_int_equal(args.count, cases[i].count);
		for (unsigned j = 0; j < POP3_ARGS_MAX; j++)
			assert_true(str_eq(args.v[j], str_c(cases[i].args[j])));
	}
}

static void
test_banner(void **state)
{
	(void)state;
	assert_true(pop3_banner_has_ok(STR("+OK")));
	assert_true(pop3_banner_has_ok(STR("+OK ready")));
	assert_false(pop3_banner_has_ok(STR("+OKAY")));
	assert_false(pop3_banner_has_ok(STR("+ok ready")));
	assert_false(pop3_banner_has_ok(STR("ready")));
	assert_false(pop3_banner_has_ok(STR_NONE));
}

static void
test_language(void **state)
{
	static const struct {
		struct str range;
		bool ours;
	} cases[] = {
		{STR("*"), true},   {STR("en"), true},	      {STR("EN"), true},  {STR("en-GB"), true},
		{STR("en-"), true}, {STR("I-Default"), true}, {STR("de"), false}, {STR("eng"), false},
		{STR("e"), false},  {STR(""), false},	      {STR("**"), false}, {STR("i-defaults"), false},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(pop3_is_our_language(cases[i].range), cases[i].ours);
}

/* How much of message TOP sends when it arrives in such pieces. */
static size_t
top(struct str message, uint64_t lines, size_t piece)
{
	struct pop3_top t;
	size_t sent = 0;

	pop3_top_init(&t, lines);
	for (size_t at = 0; at < message.len; at += piece) {
		struct str part = str_first(str_from(message, at), piece);
		size_t take = pop3_top_feed(&t, part);
		assert_true(take <= part.len && (take == part.len || t.done));
		assert_true(take == 0 || sent == at); /* nothing after the end */
		sent += take;
	}
	return sent;
}

static void
test_top(void **state)
{
	static const struct {
		struct str sent, rest;
		uint64_t lines;
	} cases[] = {
		{STR("A: b\r\n\r\n"), STR("1\r\n2\r\n"), 0},
		{STR("A: b\r\n\r\n1\r\n"), STR("2\r\n3\r\n"), 1},
		{STR("A: b\r\n\r\n1\r\n2\r\n"), STR(""), 2},
		{STR("A: b\r\n\r\n1\r\n2\r\n"), STR(""), 3},
		{STR("A: b\r\n\r\n1\r\n2\r\n"), STR(""), UINT64_MAX},
		{STR("A: b\r\n\r\n\r\n\r\n"), STR("\r\n1\r\n"), 2}, /* empty lines are lines */
		{STR("\r\n"), STR("1\r\n"), 0},
		{STR("\r\n1\r\n"), STR("2\r\n"), 1},
		{STR("A: b\r\n c\r\n\r\n"), STR("1\r\n"), 0},
		{STR("A: b\r\n"), STR(""), 0},
		{STR("A: b"), STR(""), 5},
		{STR(""), STR(""), 0},
		{STR("A: b\n\n1\n"), STR("2\n"), 1},
		{STR("A: b\r\n\r\n1"), STR(""), 1},	  /* a last line without a line end */
		{STR("A: b\r\n \r\n\r\n"), STR("1"), 0},  /* a blank does not make an empty line */
		{STR("A: b\r\n\r\r\n\r\n"), STR("1"), 0}, /* nor do two CRs */
		{STR("A: b\r\n\0\r\n\r\n"), STR("1"), 0},
	};
	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char message[100];
		struct str whole = {message, cases[i].sent.len + cases[i].rest.len};
		memcpy(message, cases[i].sent.p, cases[i].sent.len);
		memcpy(message + cases[i].sent.len, cases[i].rest.p, cases[i].rest.len);
		for (size_t piece = 1; piece <= whole.len + 1; piece++)
			assert_int_equal(top(whole, cases[i].lines, piece), cases[i].sent.len);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_banner),
		cmocka_unit_test(test_language),
		cmocka_unit_test(test_top),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
