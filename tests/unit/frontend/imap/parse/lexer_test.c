/* Words, strings, flags, names and dates in commands. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frontend/imap/parse/lexer.h"

static struct arena arena;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_fini(&arena);
	return 0;
}

static void
astrings(void **state)
{
	static const struct {
		const char *text, *result; /* NULL: malformed */
	} rows[] = {
		{"abc", "abc"},
		{"a]b", "a]b"},
		{"\"\"", ""},
		{"\"a \\\"b\\\\\"", "a \"b\\"},
		{"{3}\r\na\"b", "a\"b"},
		{"{3+}\r\na\"b", "a\"b"},
		{"~{1}\r\na", "a"},
		{"{4}\r\nabc", NULL},
		{"{x}\r\nabc", NULL},
		{"{3}abc", NULL},
		{"\"a", NULL},
		{"\"a\\b\"", NULL},
		{"\"\xff\"", NULL},
		{"\"a\r\nb\"", NULL},
		{"(", NULL},
		{"", NULL},
		{"{99999999999999999999}\r\n", NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct imap_lexer l;
		struct str out;
		imap_lex_init(&l, str_c(rows[i].text), &arena, false);
		assert_int_equal(imap_lex_astring(&l, &out), rows[i].result != NULL);
		assert_int_equal(l.error != NULL, rows[i].result == NULL);
		if (rows[i].result != NULL) {
			assert_true(str_eq(out, str_c(rows[i].result)));
			assert_true(imap_lex_end(&l));
		}
	}
}

static void
flags(void **state)
{
	struct imap_lexer l;
	struct imap_flags f;

	(void)state;
	imap_lex_init(&l, STR("(\\seen \\Deleted $Forwarded x $FORWARDED \\Recent)"), &arena, false);
	assert_true(imap_lex_flags(&l, &f));
	assert_int_equal(f.flags, 9);
	assert_int_equal(f.keyword_count, 2);
	assert_true(str_eq(f.keywords[0], STR("$Forwarded")));
	imap_lex_init(&l, STR("()"), &arena, false);
	assert_true(imap_lex_flags(&l, &f));
	imap_lex_init(&l, STR("\\Draft a"), &arena, false);
	assert_true(imap_lex_flags(&l, &f) && imap_lex_end(&l));
	assert_int_equal(f.flags, 16);
	imap_lex_init(&l, STR("(\\Nonsense)"), &arena, false);
	assert_false(imap_lex_flags(&l, &f));
	imap_lex_init(&l, STR("(a b"), &arena, false);
	assert_false(imap_lex_flags(&l, &f));
}

static void
mailboxes(void **state)
{
	static const struct {
		const char *text;
		bool utf8;
		const char *result;
	} rows[] = {
		{"inbox", false, "INBOX"},
		{"\"Inbox/a\"", false, "INBOX/a"},
		{"inboxes", false, "inboxes"},
		{"Entw&APw-rfe", false, "Entw\xc3\xbcrfe"},
		{"\"Entw\xc3\xbcrfe\"", true, "Entw\xc3\xbcrfe"},
		{"\"A&B\"", true, "A&B"},
		/* An invalid name is parsed all the same. */
		{"\"A&B\"", false, IMAP_NO_NAME "A&B"},
		{"\"\xc3\xbc\"", false, IMAP_NO_NAME "\xc3\xbc"},
		{"(", false, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct imap_lexer l;
		struct str out;
		imap_lex_init(&l, str_c(rows[i].text), &arena, rows[i].utf8);
		assert_int_equal(imap_lex_mailbox(&l, &out), rows[i].result != NULL);
		if (rows[i].result != NULL)
			assert_true(str_eq(out, str_c(rows[i].result)));
	}
}

static void
dates(void **state)
{
	struct imap_lexer l;
	int64_t value;
	int16_t zone;

	(void)state;
	imap_lex_init(&l, STR("1-Feb-1994"), &arena, false);
	assert_true(imap_lex_date(&l, &value));
	assert_int_equal(value, 8797);
	imap_lex_init(&l, STR("\"29-feb-2000\""), &arena, false);
	assert_true(imap_lex_date(&l, &value));
	assert_int_equal(value, 11016);
	imap_lex_init(&l, STR("29-Feb-2001"), &arena, false);
	assert_false(imap_lex_date(&l, &value));
	imap_lex_init(&l, STR("\"17-Jul-1996 02:44:25 -0700\""), &arena, false);
	assert_true(imap_lex_date_time(&l, &value, &zone));
	assert_int_equal(value, 837596665);
	assert_int_equal(zone, -420);
	imap_lex_init(&l, STR("\" 7-Jul-1996 02:44:25 +0000\""), &arena, false);
	assert_true(imap_lex_date_time(&l, &value, &zone));
	imap_lex_init(&l, STR("\"17-Jul-1996 24:44:25 -0700\""), &arena, false);
	assert_false(imap_lex_date_time(&l, &value, &zone));
}

static void
depth(void **state)
{
	struct imap_lexer l;
	char text[IMAP_DEPTH_MAX + 2];

	(void)state;
	memset(text, '(', sizeof(text));
	imap_lex_init(&l, str_of(text, sizeof(text)), &arena, false);
	for (int i = 0; i < IMAP_DEPTH_MAX; i++)
		assert_true(imap_lex_open(&l));
	assert_false(imap_lex_open(&l));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(astrings, setup, teardown),
		cmocka_unit_test_setup_teardown(flags, setup, teardown),
		cmocka_unit_test_setup_teardown(mailboxes, setup, teardown),
		cmocka_unit_test_setup_teardown(dates, setup, teardown),
		cmocka_unit_test_setup_teardown(depth, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
