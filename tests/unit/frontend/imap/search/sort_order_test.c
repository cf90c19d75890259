/* Sorting rows, compared with qsort(), and in slices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/imap/search/sort_order.h"
#include "lib/base/arena.h"

enum { ROWS = 20000 };

static const struct sort_column *columns;
static unsigned column_count;

static const struct folder_text *
text(struct arena *arena, const char *s)
{
	struct folder_text *t = arena_alloc(arena, sizeof(*t) + strlen(s));

	t->len = (uint32_t)strlen(s);
	memcpy(t->bytes, s, t->len);
	return t;
}

static int
compare_texts(const struct folder_text *a, const struct folder_text *b)
{
	return str_cmp(str_of(a->bytes, a->len), str_of(b->bytes, b->len));
}

static int
compare(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	for (unsigned i = 0; i < column_count; i++) {
		const union sort_value *v = columns[i].values;
		int order = columns[i].is_text ? compare_texts(v[a].text, v[b].text)
					       : (v[a].number > v[b].number) - (v[a].number < v[b].number);
		if (order != 0)
			return columns[i].reverse ? -order : order;
	}
	return (a > b) - (a < b);
}

/* Returns the number of slices used. */
static unsigned
check(struct arena *arena, const struct sort_column *c, unsigned count, uint32_t rows)
{
	uint32_t *expected = arena_array(arena, uint32_t, rows + 1);
	struct sort_order *o;
	struct slice slice = {0};
	unsigned slices = 1;

	columns = c;
	column_count = count;
	for (uint32_t i = 0; i < rows; i++)
		expected[i] = i;
	o = sort_order_new(arena, c, count, expected, rows);
	qsort(expected, rows, sizeof(*expected), compare);
	for (; !sort_order_run(o, &slice); slices++)
		slice_begin(&slice);
	for (uint32_t i = 0; i < rows; i++)
		assert_int_equal(sort_order_row(o, i), expected[i]);
	return slices;
}

/* Texts of all lengths around the window, with much in common. */
static void
make_texts(struct arena *arena, union sort_value *values, unsigned seed)
{
	static const char *const begins[] = {"", "A", "MESSAGE", "MESSAGE NUMBER ",
					     "MESSAGE NUMBER OF ALL THE OTHERS "};
	char line[80];

	srand(seed);
	for (uint32_t i = 0; i < ROWS; i++) {
		snprintf(line, sizeof(line), "%s%.*d", begins[rand() % 5], rand() % 9, rand() % 50);
		values[i].text = text(arena, line);
	}
}

static void
test_random(void **state)
{
	static const uint32_t counts[] = {0, 1, 2, 31, 32, 33, 64, 1000, ROWS};
	struct arena arena;
	union sort_value *texts[2], *numbers;

	(void)state;
	arena_init(&arena);
	numbers = arena_array(&arena, union sort_value, ROWS);
	for (unsigned i = 0; i < 2; i++) {
		texts[i] = arena_array(&arena, union sort_value, ROWS);
		make_texts(&arena, texts[i], i + 1);
	}
	for (uint32_t i = 0; i < ROWS; i++)
		numbers[i].number = rand() % 3 == 0 ? (uint64_t)rand() << 40 : (uint64_t)rand() % 7;
	for (unsigned mask = 0; mask < 8; mask++) {
		const struct sort_column c[] = {{texts[0], true, (mask & 1) != 0},
						{numbers, false, (mask & 2) != 0},
						{texts[1], true, (mask & 4) != 0}};
		for (unsigned n = 0; n < sizeof(counts) / sizeof(counts[0]); n++) {
			check(&arena, c, 3, counts[n]);
			check(&arena, c + 1, 2, counts[n]);
			check(&arena, c, 1, counts[n]);
		}
	}
	arena_fini(&arena);
}

static void
test_all_the_same(void **state)
{
	struct arena arena;
	union sort_value *same;

	(void)state;
	arena_init(&arena);
	same = arena_array(&arena, union sort_value, ROWS);
	for (uint32_t i = 0; i < ROWS; i++)
		same[i].text = text(&arena, "exactly sixteen.");
	check(&arena, &(struct sort_column){same, true, false}, 1, ROWS);
	check(&arena, &(struct sort_column){same, true, true}, 1, ROWS);
	arena_fini(&arena);
}

/* However many rows there are, others get their turn. */
static void
test_slices(void **state)
{
	struct arena arena;
	union sort_value *texts;
	unsigned slices;

	(void)state;
	arena_init(&arena);
	texts = arena_array(&arena, union sort_value, ROWS);
	make_texts(&arena, texts, 3);
	slices = check(&arena, &(struct sort_column){texts, true, false}, 1, ROWS);
	assert_true(slices >= 2);
	arena_fini(&arena);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_all_the_same),
		cmocka_unit_test(test_slices),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
