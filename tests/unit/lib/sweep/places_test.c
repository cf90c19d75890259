/* The set never denies an included place, and seldom reports one that is not included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/sweep/places.h"

enum { PACKS = 300, OFFSETS = 1000 };

static void
test_places(void **state)
{
	struct places p;
	unsigned wrong = 0, known = 0;

	(void)state;
	places_init(&p);
	assert_false(places_have(&p, 1, 64));
	for (uint64_t pack = 1; pack <= PACKS; pack++)
		for (uint64_t i = 0; i < OFFSETS; i++)
			known += !places_add(&p, pack << 40, 64 + i * 8);
	assert_true(known <= 10);
	assert_int_equal(p.count + known, PACKS * OFFSETS);
	assert_true(p.level_count > 2); /* it has grown */
	for (uint64_t pack = 1; pack <= PACKS; pack++)
		for (uint64_t i = 0; i < OFFSETS; i++) {
			assert_true(places_have(&p, pack << 40, 64 + i * 8));
			wrong += places_have(&p, pack << 40, 68 + i * 8);
			wrong += places_have(&p, (pack << 40) + 1, 64 + i * 8);
		}
	assert_true(wrong <= 20);
	assert_false(places_add(&p, UINT64_C(1) << 40, 64));
	places_fini(&p);
	assert_false(places_have(&p, UINT64_C(1) << 40, 64));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_places)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
