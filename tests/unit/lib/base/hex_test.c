/* Hexadecimal digits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "lib/base/hex.h"

static void
test_every_byte(void **state)
{
	static const char digits[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

	(void)state;
	for (int c = 0; c < 256; c++) {
		const char *at = c == 0 ? NULL : strchr(digits, c), *at_upper = c == 0 ? NULL : strchr(upper, c);
		int expected = at != NULL ? (int)(at - digits) : at_upper != NULL ? (int)(at_upper - upper) : -1;
		assert_int_equal(hex_value((char)c), expected);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_byte)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
