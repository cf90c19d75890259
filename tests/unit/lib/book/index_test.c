/* The index of a book finds what a scan finds: random books, changes and queries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "lib/base/clock.h"
#include "lib/book/private.h"

enum { DEPTH_MOST = 3, PARTS_MOST = 4 };

static struct book book;
static struct arena arena;

/* ---- Random texts: few letters, so that parts are found again ---- */
static unsigned
pick(unsigned below)
{
	return (unsigned)rand() % below;
}

static const char *const pieces[] = {"a", "b", "ann", "Müller", "straße", "é", " ",  "-",  ".", "_", "@",
				     "(", "'", "son", "Mc",	"日本",	  "x", "  ", "\t", "0", "1", "12"};

static void
add_words(struct buf *out, unsigned most)
{
	for (unsigned n = 1 + pick(most); n > 0; n--)
		buf_add_c(out, pieces[pick(sizeof(pieces) / sizeof(pieces[0]))]);
}

static const enum book_field person_fields[] = {BOOK_DISPLAY_NAME, BOOK_GIVEN_NAME, BOOK_SURNAME, BOOK_TITLE,
						BOOK_PHONE,	   BOOK_MOBILE,	    BOOK_NOTES};

static void
add_person(struct buf *entry)
{
	struct buf text = BUF_EMPTY;

	entry_begin(entry, pick(10) == 0 ? ENTRY_HIDDEN : 0, 1000);
	for (size_t i = 0; i < sizeof(person_fields) / sizeof(person_fields[0]); i++) {
		if (pick(2) == 0)
			continue;
		buf_clear(&text);
		add_words(&text, 6);
		entry_add(entry, person_fields[i], buf_str(&text));
	}
	buf_fini(&text);
}

static void
add_group(struct buf *entry)
{
	char member[64];

	entry_begin(entry, ENTRY_GROUP, 0);
	for (unsigned i = pick(50); i > 0; i--) {
		snprintf(member, sizeof(member), "ann%u.son@example.test", pick(1000));
		entry_add(entry, BOOK_MEMBER, str_c(member));
	}
}

/* ---- Changes ---- */
static void
change(unsigned addresses, unsigned percent_removed)
{
	struct buf entry = BUF_EMPTY;
	char address[64];

	snprintf(address, sizeof(address), "%s%u@example.test", pick(2) == 0 ? "ann" : "b.son", pick(addresses));
	if (pick(100) >= percent_removed) {
		if (pick(20) == 0)
			add_group(&entry);
		else
			add_person(&entry);
	}
	content_put(&book.content, str_c(address), buf_str(&entry));
	buf_fini(&entry);
}

/* As a book is loaded. */
static void
load(unsigned entries)
{
	struct chunk_draft draft;
	char address[64];

	chunk_draft_init(&draft);
	for (unsigned i = 0; i < entries; i++) {
		struct buf entry = BUF_EMPTY;

		add_person(&entry);
		snprintf(address, sizeof(address), "ann%06u@example.test", i);
		assert_true(chunk_draft_add(&draft, str_c(address), buf_str(&entry)));
		buf_fini(&entry);
		if (chunk_is_full(&draft))
			content_append(&book.content, &draft);
	}
	content_append(&book.content, &draft);
	chunk_draft_fini(&draft);
}

/* ---- Queries ---- */
/* A part of a value that is there, or any text. */
static struct str
random_text(void)
{
	const struct content *c = &book.content;
	struct buf text = BUF_EMPTY;
	struct str out;

	if (c->count != 0 && pick(4) != 0) {
		const struct chunk *chunk = c->chunks[pick(c->count)];
		struct str all = chunk_text(chunk, pick(chunk->count));
		size_t from = 1 + pick((unsigned)all.len - 1), len = 1 + pick(9);

		while (len > 0 && from < all.len && (unsigned char)all.p[from] >= ' ') {
			buf_add(&text, all.p + from++, 1);
			len--;
		}
	} else {
		add_words(&text, 3);
	}
	out = arena_str(&arena, buf_str(&text));
	buf_fini(&text);
	return out;
}

static uint32_t
random_fields(void)
{
	switch (pick(4)) {
	case 0: return BOOK_ANY_FIELD;
	case 1: return BOOK_NAME_FIELDS;
	case 2: return BOOK_FIELD_BIT(person_fields[pick(7)]);
	default: return BOOK_FIELD_BIT(person_fields[pick(7)]) | BOOK_FIELD_BIT(1 + pick(2));
	}
}

static void
random_query(struct book_query *q, unsigned depth)
{
	if (depth == DEPTH_MOST || pick(3) != 0) {
		book_query_init(q, (enum book_match)pick(BOOK_SUFFIX + 1), random_fields(), random_text(), &arena);
		return;
	}
	unsigned count = pick(PARTS_MOST + 1);
	struct book_query *parts = arena_array(&arena, struct book_query, PARTS_MOST);
	for (unsigned i = 0; i < count; i++)
		random_query(&parts[i], depth + 1);
	book_query_join(q, pick(2) == 0 ? BOOK_ALL_OF : BOOK_ANY_OF, parts, count);
}

/* ---- What a query finds: a sum of the entries' places in order ---- */
struct result {
	uint64_t count, sum;
};

static void
note(struct result *r, const struct book_entry *e)
{
	for (size_t i = 0; i < e->address.len; i++)
		r->sum = r->sum * 31 + (unsigned char)e->address.p[i];
	r->count++;
}

/* Every entry is judged by itself. */
static struct result
by_judging(const struct book_query *q)
{
	struct book_query all = {.match = BOOK_PRESENT, .fields = BOOK_ANY_FIELD, .with_hidden = q->with_hidden};
	struct book_cursor c = {.chunk = 0};
	struct result r = {0, 0};
	struct book_entry e;

	while (book_next(&book, &c, &all, NULL, &e) == BOOK_FOUND)
		if (book_query_matches(q, &e))
			note(&r, &e);
	return r;
}

/* pauses: as often as possible. */
static struct result
by_walking(const struct book_query *q, bool pauses)
{
	struct slice slice = {.began_us = 1, .over = true};
	struct book_cursor c = {.chunk = 0};
	struct result r = {0, 0};
	enum book_step step;
	struct book_entry e;

	while ((step = book_next(&book, &c, q, pauses ? &slice : NULL, &e)) != BOOK_END) {
		if (step == BOOK_FOUND)
			note(&r, &e);
		if (pauses && pick(3) == 0)
			book_cursor_after(&c, arena_str(&arena, str_c(c.address)));
	}
	return r;
}

static bool
is_same(struct result a, struct result b)
{
	return a.count == b.count && a.sum == b.sum;
}

/* How many of some random queries have another result by the index. */
static unsigned
compare(unsigned queries)
{
	unsigned differences = 0;

	for (unsigned i = 0; i < queries; i++) {
		struct book_query q, aimed;

		arena_init(&arena);
		random_query(&q, 0);
		q.with_hidden = pick(2) == 0;
		aimed = q;
		uint64_t most = book_query_aim(&aimed, &book, &arena);
		assert_true(most <= book_count(&book));
		struct result right = by_judging(&q), found = by_walking(&aimed, false);
		assert_true(is_same(by_walking(&q, false), right));
		assert_true(is_same(by_walking(&q, true), right));
		differences += !is_same(found, right) || !is_same(by_walking(&aimed, true), right);
		arena_fini(&arena);
	}
	return differences;
}

/* ---- The matrix has the bits of the texts, and no others ---- */
static bool
has_bit(const struct book_index *ix, uint32_t seat, uint32_t row, uint32_t column)
{
	return (index_row(index_bank_of(ix, seat), seat, row)[column / 64] >> column % 64 & 1) != 0;
}

static uint64_t
count_bits(const struct book_index *ix)
{
	uint64_t count = 0;

	for (uint32_t i = 0; i < ix->bank_count; i++)
		for (uint32_t row = 0; ix->banks[i] != NULL && row < GRAM_ROWS; row++)
			for (uint32_t k = 0; k < INDEX_BANK_SEATS * INDEX_SEAT_WORDS; k++)
				count += (unsigned)__builtin_popcountll((&ix->banks[i]->bits[row][0][0])[k]);
	return count;
}

static void
check_matrix(void)
{
	const struct content *c = &book.content;
	uint32_t *set = mem_zalloc(GRAM_ROWS * sizeof(*set));
	uint64_t bits = 0, entries = 0;

	for (uint32_t k = 0; k < c->count; k++) {
		assert_int_equal(c->seats[k], c->chunks[k]->seat);
		if (c->seats[k] == INDEX_NO_SEAT)
			continue;
		entries += c->chunks[k]->count;
		for (uint32_t i = 0; i < c->chunks[k]->count; i++) {
			struct gram_set grams;

			gram_set_of(chunk_text(c->chunks[k], i), &grams);
			for (uint32_t row = 0; row < GRAM_ROWS; row++) {
				bool wanted = (grams.words[row / 64] >> row % 64 & 1) != 0;
				assert_int_equal(has_bit(&c->index, c->seats[k], row, c->chunks[k]->columns[i]),
						 wanted);
				bits += wanted;
				set[row] += wanted;
			}
		}
	}
	assert_int_equal(c->index.entries, entries);
	assert_int_equal(count_bits(&c->index), bits);
	assert_memory_equal(c->index.set, set, GRAM_ROWS * sizeof(*set));
	mem_free(set);
}

/* ---- Tests ---- */
static int
setup(void **state)
{
	(void)state;
	srand(7);
	book.content.generation = 1;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	content_fini(&book.content);
	return 0;
}

static void
test_empty(void **state)
{
	(void)state;
	assert_int_equal(compare(50), 0);
	assert_int_equal(book.content.index.bytes, 0);
}

/* It grows from nothing, entry after entry. */
static void
test_growing(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 150; i++)
			change(3000, 10);
		assert_int_equal(compare(60), 0);
	}
	check_matrix();
	assert_true(book.content.index.entries > 1000);
}

static void
test_changing(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < 500; i++)
			change(3000, 40);
		assert_int_equal(compare(60), 0);
	}
	check_matrix();
}

/* Small chunks leave the index, and empty banks are freed. */
static void
test_shrinking(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 10; round++) {
		for (unsigned i = 0; i < 2000; i++)
			change(3000, 97);
		assert_int_equal(compare(40), 0);
		check_matrix();
	}
	for (unsigned i = 0; i < 6000; i++) {
		char address[64];

		snprintf(address, sizeof(address), "%s%u@example.test", i < 3000 ? "ann" : "b.son", i % 3000);
		content_put(&book.content, str_c(address), STR_NONE);
	}
	assert_int_equal(book_count(&book), 0);
	assert_int_equal(book.content.index.bytes, 0);
	for (unsigned i = 0; i < 4000; i++)
		change(3000, 5);
	assert_int_equal(compare(60), 0);
	check_matrix();
}

static void
test_loaded(void **state)
{
	(void)state;
	content_fini(&book.content);
	load(5000);
	check_matrix();
	assert_int_equal(compare(200), 0);
	for (unsigned i = 0; i < 2000; i++)
		change(5000, 30);
	check_matrix();
	assert_int_equal(compare(200), 0);
}

/* A value full of hits of the wrong kind is not walked over for each of them. */
static void
test_many_hits(void **state)
{
	enum { LETTERS = 300000 };
	struct buf text = BUF_EMPTY;
	struct book_entry e = {.address = STR("x@a.test"), .is_group = true};
	struct book_query q;
	int64_t began_ms = clock_monotonic_ms();

	(void)state;
	buf_add_byte(&text, BOOK_DISPLAY_NAME);
	buf_add_c(&text, "X");
	for (int i = 0; i < 3; i++) {
		buf_add_byte(&text, BOOK_MEMBER);
		buf_add_c(&text, i < 2 ? "X" : "");
		for (int k = 0; k < LETTERS; k++)
			buf_add_byte(&text, 'A');
		buf_add_c(&text, "@A.TEST");
	}
	buf_add_byte(&text, BOOK_MEMBER);
	buf_add_c(&text, "AA");
	e.folded = buf_str(&text);
	book_query_init(&q, BOOK_SUFFIX, BOOK_FIELD_BIT(BOOK_MEMBER), STR("aa@"), &arena);
	assert_false(book_query_matches(&q, &e));
	book_query_init(&q, BOOK_PREFIX, BOOK_FIELD_BIT(BOOK_MEMBER), STR("aa@"), &arena);
	assert_false(book_query_matches(&q, &e));
	book_query_init(&q, BOOK_EQUAL, BOOK_FIELD_BIT(BOOK_MEMBER), STR("aa"), &arena);
	assert_true(book_query_matches(&q, &e)); /* the last one */
	book_query_init(&q, BOOK_PREFIX, BOOK_FIELD_BIT(BOOK_MEMBER), STR("aa"), &arena);
	assert_true(book_query_matches(&q, &e)); /* the third */
	book_query_init(&q, BOOK_SUBSTRING, BOOK_FIELD_BIT(BOOK_NOTES), STR("aa"), &arena);
	assert_false(book_query_matches(&q, &e));
	/* Some 10 ms; it was over a minute. */
	assert_in_range(clock_monotonic_ms() - began_ms, 0, 5000);
	buf_fini(&text);
}

/* An index that lacks some bits is seen: else the comparison would prove nothing. */
static void
test_broken(void **state)
{
	struct index_bank *bank = book.content.index.banks[0];

	(void)state;
	for (uint32_t row = 0; row < GRAM_ROWS; row += 4)
		memset(bank->bits[row], 0, sizeof(bank->bits[row]));
	assert_true(compare(200) > 5);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),	  cmocka_unit_test(test_growing), cmocka_unit_test(test_changing),
		cmocka_unit_test(test_shrinking), cmocka_unit_test(test_loaded),  cmocka_unit_test(test_broken),
		cmocka_unit_test(test_many_hits),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
