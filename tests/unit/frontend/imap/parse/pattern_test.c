/* Patterns of LIST. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frontend/imap/parse/pattern.h"

static void
patterns(void **state)
{
	static const struct {
		const char *pattern, *name;
		bool matches;
	} rows[] = {
		{"*", "a/b", true},
		{"%", "a", true},
		{"%", "a/b", false},
		{"%/%", "a/b", true},
		{"a*", "a", true},
		{"a*", "ab/c", true},
		{"a%", "ab/c", false},
		{"*b", "a/b", true},
		{"%b", "a/b", false},
		{"a/*", "a", false},
		{"a/*", "a/", true},
		{"", "", true},
		{"", "a", false},
		{"inbox", "INBOX", true},
		{"inBOX/x", "INBOX/x", true},
		{"INBOX/X", "INBOX/x", false},
		{"Sent", "sent", false},
		{"*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaa", false},
		{"%%*%%", "a/b/c", true},
		{"a%c", "abbbc", true},
		{"\xc3\xbc%", "\xc3\xbc-", true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(imap_pattern_matches(str_c(rows[i].pattern), str_c(rows[i].name)), rows[i].matches);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
