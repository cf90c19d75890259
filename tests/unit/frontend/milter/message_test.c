/* A message as milters see and change it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "frontend/milter/message.h"

#define OWN "Return-Path: <a@b>\r\nAuthentication-Results: x\r\nReceived: by x\r\n\tid own1\r\n"

static void
test_where_the_header_ends(void **state)
{
	static const struct {
		const char *text;
		bool is_all, is_known;
		unsigned fields;
		uint64_t body_at;
	} rows[] = {
		{"A: b\r\n\r\nx", false, true, 1, 8},
		{"A: b\r\n", false, false, 0, 0},
		{"A: b\r\n", true, true, 1, 6},
		{"A: b\r\nno field\r\n", false, true, 1, 6},
		{"A: b\r\n c\r\n\r\n", false, true, 1, 12},
		{"A: b", true, true, 1, 4},
		{"A: b\r\n\r", false, false, 0, 0},
		{"", true, true, 0, 0},
		{" x\r\n", false, true, 0, 0},
		{"\r\nA: b\r\n", false, true, 0, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct milter_message m;

		milter_message_init(&m);
		assert_int_equal(milter_message_parse(&m, str_c(rows[i].text), rows[i].is_all, STR("own1")),
				 rows[i].is_known);
		if (rows[i].is_known) {
			assert_int_equal(m.count, rows[i].fields);
			assert_int_equal(m.body_at, rows[i].body_at);
		}
		milter_message_fini(&m);
	}
}

static void
test_own_lines(void **state)
{
	struct milter_message m;

	(void)state;
	milter_message_init(&m);
	m.has_results = true;
	assert_true(
		milter_message_parse(&m, STR(OWN "Received: by y\r\n\tid own1\r\nA: b\r\n\r\n"), false, STR("own1")));
	assert_true(m.fields[0].is_hidden && m.fields[1].is_ours && !m.fields[1].is_hidden && m.fields[2].is_hidden);
	assert_false(m.fields[3].is_ours);
	assert_true(milter_message_change(&m, 1, STR("authentication-results"), STR("forged"), false));
	assert_false(m.is_changed);
	/* The first one that milters see. */
	assert_true(milter_message_change(&m, 1, STR("Received"), STR_NONE, false));
	assert_int_equal(m.count, 4);
	milter_message_fini(&m);
}

/* Whatever a milter writes stays one field. */
static void
test_no_smuggling(void **state)
{
	struct milter_message m;

	(void)state;
	milter_message_init(&m);
	assert_true(milter_message_parse(&m, STR(OWN "\r\n"), false, STR("own1")));
	assert_true(milter_message_add(&m, STR("A"), STR("b\r\n\r\nBcc: c\n"), false));
	assert_true(str_eq(m.fields[3].raw, STR("A: b\r\n\t\r\n\tBcc: c\r\n")));
	assert_false(milter_message_add(&m, STR("A b"), STR("c"), false));
	assert_false(milter_message_add(&m, STR("A\r\nB"), STR("c"), false));
	assert_false(milter_message_add(&m, STR_NONE, STR("c"), false));
	milter_message_fini(&m);
}

/* Without results of ours on top, a field of that name is the client's. */
static void
test_no_results_of_ours(void **state)
{
	struct milter_message m;

	(void)state;
	milter_message_init(&m);
	assert_true(milter_message_parse(&m, STR(OWN "A: b\r\n\r\n"), false, STR("own1")));
	assert_true(m.fields[0].is_ours && !m.fields[1].is_ours);
	milter_message_fini(&m);
}

/* What milters write is as clean as what clients send. */
static void
test_body_and_addresses(void **state)
{
	static const char *const bad[] = {"<two words@b.test>", "<a@b.test>\r\nDATA", "<a@b.test> SIZE=1",
					  "<a@b..test>", "<@>"};
	struct buf body = BUF_EMPTY;
	struct milter_message m;

	(void)state;
	milter_message_init(&m);
	assert_true(milter_message_parse(&m, STR("A: b\r\n\r\nx\r\n"), false, STR("own1")));
	buf_add_c(&body, "one\ntwo\r\n\xc3\xa9");
	milter_message_replace_body(&m, &body);
	assert_true(str_eq(buf_str(&m.body), STR("one\r\ntwo\r\n\xc3\xa9\r\n")));
	assert_true(m.has_eight_bit);
	assert_true(milter_message_change_recipient(&m,
						    STR("<Bob@B\xc3\x9c"
							"cher.Example>"),
						    true));
	assert_true(str_eq(m.recipients->address, STR("Bob@xn--bcher-kva.example")));
	assert_true(milter_message_change_sender(&m, STR("<>")) && m.sender.len == 0);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_false(milter_message_change_recipient(&m, str_c(bad[i]), true));
		assert_false(milter_message_change_sender(&m, str_c(bad[i])));
	}
	assert_false(milter_message_change_recipient(&m, STR("<>"), true));
	milter_message_fini(&m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_where_the_header_ends), cmocka_unit_test(test_own_lines),
		cmocka_unit_test(test_no_results_of_ours),    cmocka_unit_test(test_body_and_addresses),
		cmocka_unit_test(test_no_smuggling),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
