/* Folded texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/message/fold.h"

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
		struct str needle = message_fold(str_c(cases[i].needle), &arena);
		struct str folded = message_fold(str_c(cases[i].text), &arena);
		if (message_fold_contains(str_c(cases[i].text), needle, &arena) != cases[i].contained)
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
		if (str_cmp(message_fold(str_c(sorted[i - 1]), &arena), message_fold(str_c(sorted[i]), &arena)) >= 0)
			fail_msg("%s before %s", sorted[i], sorted[i - 1]);
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_fold_contains),
		cmocka_unit_test(test_fold_order),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
