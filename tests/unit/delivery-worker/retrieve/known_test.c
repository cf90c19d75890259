/* The ledger in memory, and the fingerprint of a message. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "delivery-worker/retrieve/head.h"
#include "delivery-worker/retrieve/known.h"

enum { MANY = 5000 };

static void
fill(struct known *k, size_t piece)
{
	struct buf all = BUF_EMPTY;

	for (unsigned i = 0; i < MANY; i++) {
		struct ledger_record r = {(i + 1) * UINT64_C(7919), i * UINT64_C(104729), 100 + i % 10};

		ledger_record_pack(&r, buf_reserve(&all, LEDGER_RECORD));
		all.len += LEDGER_RECORD;
	}
	for (struct str rest = buf_str(&all); rest.len > 0; rest = str_from(rest, piece))
		known_feed(k, str_first(rest, piece));
	buf_fini(&all);
}

static void
test_found_however_it_was_read(void **state)
{
	(void)state;
	for (size_t piece = 1; piece < 100000; piece = piece * 7 + 1) {
		struct known k = {0};

		fill(&k, piece);
		assert_int_equal(k.count, MANY);
		for (unsigned i = 0; i < MANY; i++) {
			struct known_row *row = known_find(&k, (i + 1) * UINT64_C(7919));

			assert_non_null(row);
			assert_int_equal(row->record.day, 100 + i % 10);
		}
		assert_null(known_find(&k, 3));
		known_fini(&k);
	}
}

static void
test_a_fingerprint_is_used_once(void **state)
{
	struct known k = {0};
	struct known_row *row;

	(void)state;
	fill(&k, 1000);
	known_add(&k, &(struct ledger_record){9, 104729, 1}); /* a copy, listed */
	row = known_find_print(&k, 104729, false);
	assert_non_null(row);
	assert_int_equal(row->record.id, 2 * 7919);
	row->is_replaced = true;
	assert_null(known_find_print(&k, 104729, false));
	assert_non_null(known_find_print(&k, 104729, true));
	assert_null(known_find_print(&k, 5, true));
	known_fini(&k);
}

static void
test_shrinks_when_a_quarter_is_stale(void **state)
{
	struct buf out = BUF_EMPTY;
	struct known k = {0}, again = {0};

	(void)state;
	fill(&k, 1000);
	assert_false(known_shrink(&k, 102, false, &out)); /* a fifth is older */
	known_find(&k, 7919)->is_listed = true;
	assert_true(known_shrink(&k, 103, false, &out));
	known_feed(&again, buf_str(&out));
	assert_int_equal(again.count, MANY - MANY * 3 / 10 + 1);
	assert_non_null(known_find(&again, 7919));
	assert_null(known_find(&again, 2 * 7919));
	buf_fini(&out);
	known_fini(&k);
	known_fini(&again);
}

/* The remote may give the id of what it has no longer to another message. */
static void
test_an_id_that_is_gone_is_forgotten(void **state)
{
	struct buf out = BUF_EMPTY;
	struct known k = {0}, again = {0};

	(void)state;
	for (unsigned i = 1; i <= 100; i++)
		known_add(&k, &(struct ledger_record){i, 1000 + i, 50});
	known_find(&k, 7)->is_listed = false;
	assert_false(known_shrink(&k, 0, false, &out)); /* kept there: nothing is forgotten */
	assert_true(known_shrink(&k, 0, true, &out));
	known_feed(&again, buf_str(&out));
	assert_int_equal(again.count, 100);
	assert_true(again.has_forgotten && !k.has_forgotten);
	assert_null(known_find(&again, 7));
	assert_null(known_find(&again, 0));
	assert_non_null(known_find(&again, 8));
	assert_int_equal(known_find_print(&again, 1007, false)->record.day, 50);
	buf_fini(&out);
	known_fini(&k);
	known_fini(&again);
}

/* ---- Fingerprints ---- */
static uint64_t
print_of(const char *text, size_t piece, unsigned *received_out)
{
	struct head h;
	uint64_t print;

	head_init(&h);
	for (struct str rest = str_c(text); rest.len > 0; rest = str_from(rest, piece))
		head_feed(&h, str_first(rest, piece));
	print = head_fingerprint(&h);
	if (received_out != NULL)
		*received_out = h.received_count;
	head_fini(&h);
	return print;
}

#define A_MESSAGE \
	"Received: from a\r\n\tby b; x\r\nreceived: from c\r\nMessage-ID: <1@x>\r\nDate: Mon, 30 Nov 2026 10:00:00 " \
	"+0000\r\n\r\nReceived: no\r\n"

static void
test_fingerprint(void **state)
{
	uint64_t whole = print_of(A_MESSAGE, 10000, NULL);
	unsigned received;

	(void)state;
	for (size_t piece = 1; piece < 80; piece++) {
		assert_true(print_of(A_MESSAGE, piece, &received) == whole);
		assert_int_equal(received, 2);
	}
	assert_true(print_of(A_MESSAGE "x", 7, NULL) != whole);
	assert_true(print_of("Message-ID: <1@x>\r\n\r\na", 7, NULL) != print_of("Message-ID: <2@x>\r\n\r\na", 7, NULL));
	/* Devices repeat both, and the size: the body and the way tell. */
	assert_true(print_of("Message-ID: <1@x>\r\n\r\na", 7, NULL) != print_of("Message-ID: <1@x>\r\n\r\nb", 7, NULL));
	assert_true(print_of("Message-ID: <1@x>\r\nReceived: 1\r\n\r\na", 7, NULL) !=
		    print_of("Message-ID: <1@x>\r\nReceived: 2\r\n\r\na", 7, NULL));
	/* Without Message-ID the header counts; without an end there is one. */
	assert_true(print_of("Subject: a\r\n\r\nx", 7, NULL) != print_of("Subject: b\r\n\r\nx", 7, NULL));
	assert_true(print_of("Subject: a", 3, &received) == print_of("Subject: a", 100, NULL));
	print_of("", 1, &received);
	assert_int_equal(received, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_found_however_it_was_read),
		cmocka_unit_test(test_a_fingerprint_is_used_once),
		cmocka_unit_test(test_shrinks_when_a_quarter_is_stale),
		cmocka_unit_test(test_an_id_that_is_gone_is_forgotten),
		cmocka_unit_test(test_fingerprint),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
