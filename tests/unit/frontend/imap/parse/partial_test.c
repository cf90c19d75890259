/* Ranges of results. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "frontend/imap/parse/partial.h"

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
		cmocka_unit_test(test_partials),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
