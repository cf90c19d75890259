/* Sequence sets. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "frontend/imap/parse/set.h"

static void
print_set(const struct imap_set *set, struct buf *out)
{
	for (uint32_t i = 0; i < set->count; i++) {
		const struct range *r = &set->ranges[i];
		buf_printf(out, i != 0 ? ",%u" : "%u", r->first);
		if (r->last != r->first)
			buf_printf(out, ":%u", r->last);
	}
}

static void
resolved(void **state)
{
	static const struct {
		const char *text;
		uint32_t star;
		const char *result; /* NULL: malformed */
	} rows[] = {
		{"1", 9, "1"},	     {"5,1,2:3", 9, "1:3,5"}, {"*", 9, "9"},
		{"*:4,3", 9, "3:9"}, {"12:*", 9, "9:12"},     {"*", 0, ""},
		{"3:*", 0, "3"},     {"2:5,4:7,8", 9, "2:8"}, {"4294967295,1:4294967295", 9, "1:4294967295"},
		{"0", 9, NULL},	     {"4294967296", 9, NULL}, {"", 9, NULL},
		{"1,", 9, NULL},     {"1:", 9, NULL},	      {"a", 9, NULL},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena arena;
		struct imap_set set;
		struct buf out = BUF_EMPTY;
		size_t at = 0;
		arena_init(&arena);
		if (rows[i].result == NULL) {
			assert_false(imap_set_read(str_c(rows[i].text), &at, &arena, &set));
		} else {
			assert_true(imap_set_read(str_c(rows[i].text), &at, &arena, &set));
			imap_set_resolve(&set, rows[i].star);
			print_set(&set, &out);
			buf_add_byte(&out, '\0');
			assert_string_equal(out.data, rows[i].result);
		}
		buf_fini(&out);
		arena_fini(&arena);
	}
}

static void
members(void **state)
{
	static const uint32_t numbers[] = {2, 3, 4, 9, 11, 12};
	struct arena arena;
	struct imap_set set;
	struct buf out = BUF_EMPTY;

	(void)state;
	arena_init(&arena);
	set = imap_set_of(&arena, numbers, 6);
	print_set(&set, &out);
	assert_string_equal(out.data, "2:4,9,11:12");
	assert_int_equal(imap_set_size(&set), 6);
	assert_int_equal(imap_set_max(&set), 12);
	for (uint32_t n = 0, at = 0; n < 15; n++) {
		bool is = at < 6 && numbers[at] == n;
		assert_int_equal(imap_set_has(&set, n), is);
		at += is;
	}
	buf_clear(&out);
	imap_set_print_numbers((const uint32_t[]){7, 8, 9, 3, 4, 1}, 6, &out);
	assert_string_equal(out.data, "7:9,3:4,1");
	buf_fini(&out);
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resolved),
		cmocka_unit_test(members),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
