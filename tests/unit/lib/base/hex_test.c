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

static void
test_write(void **state)
{
	char bytes[256], text[513];

	(void)state;
	for (int c = 0; c < 256; c++)
		bytes[c] = (char)c;
	hex_write(bytes, 0, text);
	assert_string_equal(text, "");
	hex_write(bytes, 256, text);
	assert_int_equal(strlen(text), 512);
	for (int c = 0; c < 256; c++)
		assert_int_equal(hex_value(text[2 * c]) * 16 + hex_value(text[2 * c + 1]), c);
	assert_memory_equal(text + 2 * 0xab, "abacad", 6); /* lower case */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_byte), cmocka_unit_test(test_write)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
