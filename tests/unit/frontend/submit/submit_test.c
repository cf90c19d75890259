/* A message on its way to the spool. */
#include "tests/unit/frontend/submit/submit_fixture.h"

/* ---- Tests ---- */

static void
test_whole_way(void **state)
{
	struct submit *s = begin_with("Subject: x\r\n\r\ntext\r\n");
	char text[2048];

	(void)state;
	assert_int_equal(submit_result(s), SUBMIT_OK);
	assert_true(submit_commit(s, on_done, &done));
	await_hand_over();
	assert_int_equal(done.count, 0); /* being synced is not enough */
	assert_string_equal(broker.text, "sender@remote.example client.example 192.0.2.1 ESMTPS "
					 "[TLSv1.3 SOME_CIPHER] envid n=1 first=a@example.test orcpt=rfc822;a local=1 "
					 "utf8=1 tls=1");
	assert_int_equal(broker.return_path_length, strlen("Return-Path: <sender@remote.example>\r\n"));
	body_text(text);
	assert_non_null(strstr(text, "Return-Path: <sender@remote.example>\r\n"
				     "Received: from client.example ([192.0.2.1])\r\n\tby mail.example.test"));
	assert_non_null(strstr(text, " with ESMTPS\r\n\t(TLSv1.3 SOME_CIPHER)\r\n\tid "));
	assert_non_null(strstr(text, submit_id(s)));
	assert_non_null(strstr(text, "\r\nSubject: x\r\n\r\ntext\r\n"));
	assert_null(strstr(text, "Message-ID")); /* not a user's submission */
	broker_answer(ERR_NONE);
	assert_int_equal(done.count, 1);
	assert_int_equal(done.result, SUBMIT_OK);
	submit_free(&s);
	assert_null(s);
	assert_bodies_left(1);
}

static void
test_pieces_make_no_difference(void **state)
{
	const char *text = "From x Mon Nov 30\r\nSubject: x\n\ntext\rmore\n.\r\n", *end = text + strlen(text);
	struct submit *s = begin();
	char stored[2048];

	(void)state;
	for (const char *p = text; p < end; p++)
		assert_int_equal(submit_data(s, str_of(p, 1), NULL), 1);
	assert_true(submit_commit(s, on_done, &done));
	await_hand_over();
	assert_non_null(strstr(body_text(stored), "\r\nSubject: x\r\n\r\ntext more\r\n.\r\n"));
	assert_null(strstr(stored, "From x"));
	broker_answer(ERR_NONE);
	submit_free(&s);
}

static void
test_dot_lines(void **state)
{
	struct submit *s;
	struct submit_options o = options;
	char stored[2048];
	bool ended;

	(void)state;
	s = submit_begin(&frontend, &o);
	submit_add_recipient(s, &(struct submit_recipient){.address = STR("a@example.test")});
	submit_begin_data(s, true);
	assert_int_equal(submit_data(s, STR("A: b\r\n\r\n..dot\r\n"), &ended), 15);
	assert_false(ended);
	assert_int_equal(submit_data(s, STR(".\r\nQUIT\r\n"), &ended), 3);
	assert_true(ended);
	assert_true(submit_commit(s, on_done, &done));
	await_hand_over();
	assert_non_null(strstr(body_text(stored), "\r\nA: b\r\n\r\n.dot\r\n"));
	broker_answer(ERR_NONE);
	submit_free(&s);
}

/* Abandoned before it is complete, or before it is synced: nothing is kept. */
static void
test_given_up(void **state)
{
	struct submit *s = begin_with("Subject: x\r\n\r\n");

	(void)state;
	submit_free(&s);
	submit_free(&s); /* of NULL */
	s = begin_with("Subject: x\r\n\r\n");
	assert_true(submit_commit(s, on_done, &done));
	submit_free(&s);
	for (unsigned i = 0; i < 10; i++)
		turn_loop();
	assert_int_equal(broker.count, 0);
	assert_int_equal(done.count, 0);
	assert_bodies_left(0);
}

/* The broker's answers, and whether the body may belong to the spool afterwards. */
static const struct {
	enum err_code code;
	enum submit_result result;
	unsigned bodies_left;
} answers[] = {
	{ERR_NONE, SUBMIT_OK, 1},
	{ERR_TIMEOUT, SUBMIT_UNAVAILABLE, 1},
	{ERR_UNAVAILABLE, SUBMIT_UNAVAILABLE, 0},
	{ERR_LIMIT, SUBMIT_UNAVAILABLE, 0},
	{ERR_NO_SPACE, SUBMIT_STORE_FULL, 0},
};

static void
test_answers(void **state)
{
	uint64_t bodies = 0;

	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++)
		for (unsigned gone = 0; gone < 2; gone++) {
			struct submit *s = begin_with("Subject: x\r\n\r\n");

			broker.count = done.count = 0;
			assert_true(submit_commit(s, on_done, &done));
			await_hand_over();
			if (gone)
				submit_free(&s);
			broker_answer(answers[i].code);
			assert_int_equal(done.count, gone ? 0 : 1);
			if (!gone)
				assert_int_equal(done.result, answers[i].result);
			submit_free(&s);
			bodies += answers[i].bodies_left;
			assert_bodies_left(bodies);
		}
	(void)state;
}

static void
test_refused(void **state)
{
	struct submit *s = begin();
	unsigned i;

	(void)state;
	for (i = 0; i < 2000 && submit_result(s) == SUBMIT_OK; i++)
		submit_data(s, STR("Received: x\r\n"), NULL);
	assert_int_equal(submit_result(s), SUBMIT_TOO_MANY_HOPS);
	assert_int_equal(submit_data(s, STR("more\r\n"), NULL), 6); /* read and dropped */
	assert_false(submit_wait_room(s, NULL, NULL));
	assert_false(submit_commit(s, on_done, &done));
	submit_free(&s);

	/* No limit is set. */
	s = begin();
	assert_int_equal(submit_max_size_bytes(s), 0);
	submit_announce(s, UINT64_MAX);
	assert_int_equal(submit_result(s), SUBMIT_OK);
	submit_free(&s);
	assert_int_equal(broker.count + done.count, 0);
	assert_bodies_left(0);
}

static void
test_recipients(void **state)
{
	struct submit_recipient r = {.address = STR("a@example.test")};
	struct submit_options o = options;
	char address[40];
	struct submit *s;
	unsigned i;

	(void)state;
	broker.shard = -1;
	assert_null(submit_begin(&frontend, &o));
	broker.shard = 0;
	s = submit_begin(&frontend, &o);
	submit_add_recipient(s, &r);
	submit_add_recipient(s, &r); /* a duplicate: counted once */
	for (i = 1; submit_has_room(s, &r); i++) {
		snprintf(address, sizeof(address), "a%u@example.test", i);
		r.address = str_c(address);
		submit_add_recipient(s, &r);
		snprintf(address, sizeof(address), i % 3 == 0 ? "a@example.test" : "a%u@example.test", i / 3 + 1);
		r.address = str_c(address);
		submit_add_recipient(s, &r); /* one of the existing ones */
	}
	assert_int_equal(i, settings_smtp_in(settings_defaults(), STR_NONE)->max_recipients);
	submit_free(&s);
}

/* The room in each recipient's mailboxes, the message's size, and the result. */
static const struct {
	struct submit_room rooms[2];
	unsigned count;
	size_t size;
	enum submit_result result;
} room_cases[] = {
	{{{0}}, 1, 5000, SUBMIT_OK},
	{{{true, false, 9000, 9000}}, 1, 5000, SUBMIT_OK},
	{{{true, false, 4000, 9000}}, 1, 5000, SUBMIT_MAILBOX_FULL},
	{{{true, true, 4000, 9000}}, 1, 5000, SUBMIT_OVER_QUOTA},
	{{{true, false, 4000, 4000}}, 1, 5000, SUBMIT_OVER_QUOTA},
	/* One mailbox with room is enough. */
	{{{true, true, 4000, 4000}, {0}}, 2, 5000, SUBMIT_OK},
	{{{0}, {true, true, 4000, 4000}}, 2, 5000, SUBMIT_OK},
	{{{true, false, 4000, 4000}, {true, false, 9000, 9000}}, 2, 5000, SUBMIT_OK},
	{{{true, false, 9000, 9000}, {true, false, 4000, 4000}}, 2, 5000, SUBMIT_OK},
	/* It may fit into one of them later. */
	{{{true, true, 4000, 4000}, {true, false, 2000, 9000}}, 2, 5000, SUBMIT_MAILBOX_FULL},
	{{{true, true, 4000, 9000}, {true, true, 2000, 9000}}, 2, 5000, SUBMIT_OVER_QUOTA},
};

static void
test_room(void **state)
{
	static const char line[] = "0123456789012345678901234567890123456789012345678\r\n";

	(void)state;
	for (size_t i = 0; i < sizeof(room_cases) / sizeof(room_cases[0]); i++) {
		struct submit_options o = options;
		struct submit *s = submit_begin(&frontend, &o);

		for (unsigned k = 0; k < room_cases[i].count; k++)
			submit_add_recipient(s, &(struct submit_recipient){.address = STR("a@example.test"),
									   .room = room_cases[i].rooms[k]});
		submit_begin_data(s, false);
		submit_data(s, STR("Subject: x\r\n\r\n"), NULL);
		for (size_t size = 0; size < room_cases[i].size; size += sizeof(line) - 1)
			submit_data(s, str_c(line), NULL);
		assert_int_equal(submit_result(s), SUBMIT_OK);
		assert_int_equal(submit_commit(s, on_done, &done), room_cases[i].result == SUBMIT_OK);
		assert_int_equal(submit_result(s), room_cases[i].result);
		submit_free(&s);
	}
	assert_bodies_left(0);
}

/* Tens of thousands of recipients do not hold anyone up: each is compared with only a few. */
static void
test_very_many_recipients(void **state)
{
	enum { MANY = 50000 };
	struct submit_options o = options;
	struct submit *s = submit_begin(&frontend, &o);
	int64_t begun_ms = clock_monotonic_ms();
	char address[40];

	(void)state;
	for (unsigned i = 0; i < 2 * MANY; i++) {
		snprintf(address, sizeof(address), "a%u@example.test", i % MANY);
		submit_add_recipient(s, &(struct submit_recipient){.address = str_c(address)});
	}
	print_message("%d recipients, twice: %lld ms\n", MANY, (long long)(clock_monotonic_ms() - begun_ms));
	submit_begin_data(s, false);
	submit_data(s, STR("Subject: x\r\n\r\n"), NULL);
	assert_true(submit_commit(s, on_done, &done));
	await_hand_over();
	assert_non_null(strstr(broker.text, " n=50000 first=a0@example.test "));
	broker_answer(ERR_NONE);
	submit_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_whole_way, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pieces_make_no_difference, setup, teardown),
		cmocka_unit_test_setup_teardown(test_dot_lines, setup, teardown),
		cmocka_unit_test_setup_teardown(test_given_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_room, setup, teardown),
		cmocka_unit_test_setup_teardown(test_recipients, setup, teardown),
		cmocka_unit_test_setup_teardown(test_very_many_recipients, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
