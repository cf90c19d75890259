/* HKDF: the SHA-256 vectors of RFC 5869, appendix A. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "lib/secret/hkdf.h"

enum { SECRET_2 = 80, OUT_MAX = 82 };

/* count bytes that go up from the first. */
static struct str
rising(unsigned char *into, unsigned first, size_t count)
{
	for (size_t i = 0; i < count; i++)
		into[i] = (unsigned char)(first + i);
	return str_of((const char *)into, count);
}

static void
assert_hex(const unsigned char *got, size_t len, const char *want)
{
	char text[2 * OUT_MAX + 1];

	for (size_t i = 0; i < len; i++)
		sprintf(text + 2 * i, "%02x", got[i]);
	assert_string_equal(text, want);
}

static void
test_vectors(void **state)
{
	unsigned char key[SECRET_2], salt[SECRET_2], info[SECRET_2], out[OUT_MAX];

	(void)state;
	memset(key, 0x0b, 22);
	hkdf_sha256(rising(salt, 0, 13), str_of((char *)key, 22), rising(info, 0xf0, 10), out, 42);
	assert_hex(out, 42, "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865");
	hkdf_sha256(rising(salt, 0x60, 80), rising(key, 0, 80), rising(info, 0xb0, 80), out, 82);
	assert_hex(out, 82,
		   "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
		   "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87");
	memset(key, 0x0b, 22);
	hkdf_sha256(STR_NONE, str_of((char *)key, 22), STR_NONE, out, 42);
	assert_hex(out, 42, "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
