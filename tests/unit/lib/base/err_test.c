/* Error texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "lib/base/err.h"

static void
test_set(void **state)
{
	struct err err;
	char text[2 * ERR_TEXT_MAX];

	(void)state;
	assert_int_equal(err_set(&err, ERR_LIMIT, "%d of %s", 3, "them"), -1);
	assert_int_equal(err.code, ERR_LIMIT);
	assert_string_equal(err.text, "3 of them");
	assert_int_equal(err_set(NULL, ERR_LIMIT, "nobody listens"), -1);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	err_set(&err, ERR_IO, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	/* No room is left for the words of errno, and none is needed. */
	err_set_errno(&err, EIO, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
	err_prefix(&err, "%s", text);
	assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
}

static void
test_errno(void **state)
{
	static const struct {
		int errno_value;
		enum err_code code;
	} cases[] = {
		{ENOSPC, ERR_NO_SPACE}, {EDQUOT, ERR_NO_SPACE},	  {ENOENT, ERR_NOT_FOUND}, {EEXIST, ERR_EXISTS},
		{EIO, ERR_IO},		{ETIMEDOUT, ERR_TIMEOUT}, {EACCES, ERR_IO},
	};
	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct err err;
		assert_int_equal(err_set_errno(&err, cases[i].errno_value, "opening %s", "it"), -1);
		assert_int_equal(err.code, cases[i].code);
		assert_memory_equal(err.text, "opening it: ", 12);
		assert_string_equal(err.text + 12, strerror(cases[i].errno_value));
	}
	assert_int_equal(err_set_errno(NULL, EIO, "nobody listens"), -1);
}

static void
test_prefix(void **state)
{
	struct err err;

	(void)state;
	err_set(&err, ERR_CORRUPT, "bad sum");
	err_prefix(&err, "record %d", 7);
	err_prefix(&err, "opening the pack");
	assert_string_equal(err.text, "opening the pack: record 7: bad sum");
	assert_int_equal(err.code, ERR_CORRUPT);
	err_prefix(NULL, "nobody listens");
}

/* Each code has a word of its own. */
static void
test_names(void **state)
{
	(void)state;
	for (int i = ERR_NONE; i <= ERR_CORRUPT; i++) {
		assert_non_null(err_code_name((enum err_code)i));
		for (int j = ERR_NONE; j < i; j++)
			assert_string_not_equal(err_code_name((enum err_code)i), err_code_name((enum err_code)j));
	}
	assert_string_equal(err_code_name((enum err_code)(ERR_CORRUPT + 1)), "unknown");
	assert_string_equal(err_code_name((enum err_code)1000), "unknown");
}

/* What is short here says nothing of whom it was for. */
static void
test_of_host(void **state)
{
	struct err err;

	(void)state;
	for (int i = ERR_NONE; i <= ERR_CORRUPT; i++) {
		err.code = (enum err_code)i;
		assert_int_equal(err_is_of_host(&err),
				 i == ERR_IO || i == ERR_UNAVAILABLE || i == ERR_TIMEOUT || i == ERR_NO_SPACE);
	}
	err_set_errno(&err, EMFILE, "a pack");
	assert_true(err_is_of_host(&err));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),   cmocka_unit_test(test_errno),   cmocka_unit_test(test_prefix),
		cmocka_unit_test(test_names), cmocka_unit_test(test_of_host),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
