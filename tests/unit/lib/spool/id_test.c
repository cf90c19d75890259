/* Spool ids: form, order, parts, derivation. */
#include "lib/spool/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "lib/base/clock.h"

static void
test_parts(void **state)
{
	static const unsigned shards[] = {0, 1, 15, 16, 4095};
	char id[SPOOL_ID_MAX];

	(void)state;
	for (unsigned i = 0; i < sizeof(shards) / sizeof(shards[0]); i++) {
		unsigned shard;
		int64_t unix_ms, before = clock_unix_ms();
		spool_id_new(shards[i], id);
		assert_int_equal(strlen(id), SPOOL_ID_LEN);
		assert_true(spool_id_parse(str_c(id), &shard, &unix_ms));
		assert_int_equal(shard, shards[i]);
		assert_true(unix_ms >= before && unix_ms <= clock_unix_ms());
	}
}

static void
test_known_value(void **state)
{
	unsigned shard;
	int64_t unix_ms;

	(void)state;
	/* 2^48 - 1, shard 4095: all ones but the random part. */
	assert_true(spool_id_parse(STR("zzzzzzzzzzzz00000000"), &shard, &unix_ms));
	assert_int_equal(shard, 4095);
	assert_int_equal(unix_ms, (INT64_C(1) << 48) - 1);
	assert_true(spool_id_parse(STR("00000000001100000000"), &shard, &unix_ms));
	assert_int_equal(shard, 33);
	assert_int_equal(unix_ms, 0);
}

static void
test_malformed(void **state)
{
	static const char *const bad[] = {"",
					  "0123456789",
					  "0123456789abcdefghj",
					  "0123456789abcdefghjkm",
					  "0123456789abcdefghil",
					  "0123456789ABCDEFGHJK",
					  "0123456789 bcdefghjk"};
	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(spool_id_parse(str_c(bad[i]), NULL, NULL));
	assert_false(spool_id_parse(str_of("0123456789abcdefghj\0", 20), NULL, NULL));
	assert_true(spool_id_parse(STR("0123456789abcdefghjk"), NULL, NULL));
}

static void
test_order_of_time(void **state)
{
	char earlier[SPOOL_ID_MAX], later[SPOOL_ID_MAX];
	int64_t start;

	(void)state;
	spool_id_new(4095, earlier);
	for (start = clock_unix_ms(); clock_unix_ms() == start;)
		;
	spool_id_new(0, later);
	assert_true(strcmp(earlier, later) < 0);
}

static void
test_derived(void **state)
{
	char id[SPOOL_ID_MAX], a[SPOOL_ID_MAX], b[SPOOL_ID_MAX];
	unsigned shard;

	(void)state;
	spool_id_new(7, id);
	spool_id_derive(str_c(id), "failure", 1, a);
	spool_id_derive(str_c(id), "failure", 1, b);
	assert_string_equal(a, b);
	assert_string_not_equal(a, id);
	assert_true(spool_id_parse(str_c(a), &shard, NULL));
	assert_int_equal(shard, 7);
	spool_id_derive(str_c(id), "failure", 2, b);
	assert_string_not_equal(a, b);
	spool_id_derive(str_c(id), "delay", 1, b);
	assert_string_not_equal(a, b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parts),	  cmocka_unit_test(test_known_value),
		cmocka_unit_test(test_malformed), cmocka_unit_test(test_order_of_time),
		cmocka_unit_test(test_derived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
