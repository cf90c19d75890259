/* Base subjects. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/message/subject.h"

static void
assert_str(struct str got, const char *expected)
{
	if (!str_eq(got, str_c(expected)))
		fail_msg("\"%.*s\", not \"%s\"", STR_ARG(got), expected);
}

static void
test_base_subjects(void **state)
{
	static const struct {
		const char *subject, *base;
		bool is_reply;
	} cases[] = {
		{"", "", false},
		{"hello", "hello", false},
		{"  hello \t  there ", "hello there", false},
		{"Re: hello", "hello", true},
		{"RE : Fw: hello", "hello", true},
		{"Fwd[2]: hello", "hello", true},
		{"[list] Re: [list] hello", "hello", true},
		{"[list] hello", "hello", false},
		{"hello (fwd)", "hello", true},
		{"hello (fwd) (FWD)", "hello", true},
		{"[fwd: hello]", "hello", true},
		{"[Fwd: Re: [x] hello (fwd)]", "hello", true},
		{"[list]", "[list]", false},
		{"Re:", "", true},
		{"Regarding: hello", "Regarding: hello", false},
		{"[a[b] c", "[a[b] c", false},
	};
	struct arena arena;

	(void)state;
	arena_init(&arena);
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_reply;
		assert_str(message_base_subject(str_c(cases[i].subject), &arena, &is_reply), cases[i].base);
		assert_int_equal(is_reply, cases[i].is_reply);
	}
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_base_subjects),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
