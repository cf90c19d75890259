/* Ranges of bytes and entity tags, as clients write them. */
#include "lib/http/range.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void
test_ranges(void **state)
{
	static const struct {
		const char *value;
		uint64_t total;
		enum http_range kind;
		uint64_t from, length;
	} rows[] = {
		{"bytes=0-0", 10, HTTP_RANGE_PART, 0, 1},
		{"bytes=0-9", 10, HTTP_RANGE_PART, 0, 10},
		{"bytes=3-", 10, HTTP_RANGE_PART, 3, 7},
		{"bytes=3-99", 10, HTTP_RANGE_PART, 3, 7},
		{"bytes=3-10", 10, HTTP_RANGE_PART, 3, 7},
		{"bytes=3-18446744073709551615", 10, HTTP_RANGE_PART, 3, 7},
		{"Bytes = 9-9", 10, HTTP_RANGE_PART, 9, 1},
		{"bytes=-3", 10, HTTP_RANGE_PART, 7, 3},
		{"bytes=-30", 10, HTTP_RANGE_PART, 0, 10},
		{"bytes=10-", 10, HTTP_RANGE_NONE, 0, 0},
		{"bytes=18446744073709551615-", 10, HTTP_RANGE_NONE, 0, 0},
		{"bytes=-0", 10, HTTP_RANGE_NONE, 0, 0},
		{"bytes=0-", 0, HTTP_RANGE_NONE, 0, 0},
		{"bytes=-1", 0, HTTP_RANGE_NONE, 0, 0},
		{"bytes=5-3", 10, HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=0-1,3-4", 10, HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=18446744073709551616-", 10, HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=x-", 10, HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=-", 10, HTTP_RANGE_WHOLE, 0, 0},
		{"bytes=", 10, HTTP_RANGE_WHOLE, 0, 0},
		{"lines=0-1", 10, HTTP_RANGE_WHOLE, 0, 0},
		{"0-1", 10, HTTP_RANGE_WHOLE, 0, 0},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		uint64_t from = 0, length = 0;
		enum http_range kind = http_range_parse(str_c(rows[i].value), rows[i].total, &from, &length);

		if (kind != rows[i].kind || from != rows[i].from || length != rows[i].length)
			fail_msg("%s of %d: %d, %d bytes from %d", rows[i].value, (int)rows[i].total, (int)kind,
				 (int)length, (int)from);
	}
}

static void
test_etags(void **state)
{
	static const struct {
		const char *list;
		bool is;
	} rows[] = {
		{"\"abc\"", true},
		{"W/\"abc\"", true},
		{"\"x\", \"abc\"", true},
		{"\"x\" ,W/\"abc\" , \"y\"", true},
		{"*", true},
		{" * ", true},
		{"\"ab\"", false},
		{"abc", false},
		{"w/\"abc\"", false},
		{"", false},
		{",,", false},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (http_etag_is_listed(str_c(rows[i].list), STR("\"abc\"")) != rows[i].is)
			fail_msg("%s", rows[i].list);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_etags),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
