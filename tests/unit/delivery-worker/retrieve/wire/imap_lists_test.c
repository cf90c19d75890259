/* Lists of an IMAP server: the folders' names, the rows of a page, how long a list may be and last. */
#include "tests/unit/delivery-worker/retrieve/wire/scripted.h"

#define LOGIN  "S: * OK [CAPABILITY IMAP4rev1] hi", "C: A1 LOGIN", "S: A1 OK [CAPABILITY IMAP4rev1] in"
#define FOLDER "S: * LIST () \"/\" "

/* Each folder can be selected, whatever its name is made of. */
static void
test_names_that_look_alike(void **state)
{
	struct scripted *s = *state;
	struct buf same = BUF_EMPTY;

	scripted_reset(s, REMOTE_IMAP);
	assert_string_equal(
		scripted_run(s,
			     SCRIPT(LOGIN, "C: A2 LIST",
				    FOLDER "\"a\x07"
					   "b\"",
				    FOLDER "INBOX", FOLDER "\"a (2)\"", FOLDER "\"a b\"",
				    FOLDER "\"a\x08"
					   "b\"",
				    FOLDER "INBOX", FOLDER "\"a b (2)\"", FOLDER "\"Entw\xc3\xbcrfe\"",
				    FOLDER "\"Entw&APw-rfe\"", FOLDER "\"\x01\"", "S: A2 OK",
				    "C: A3 EXAMINE \"Entw&APw-rfe\"", "S: * OK [UIDVALIDITY 5] x", "S: A3 OK x"),
			     "fr"),
		"done|a b /0,INBOX /0,a (2) /0,a b (4) /0,a b (3) /0,a b (2) /0,"
		"Entw\xc3\xbcrfe (2) /0,Entw\xc3\xbcrfe /0,? /0,|v5 n0 e0 m0 ro|");
	/* As many as are allowed. */
	for (unsigned i = 0; i < 10000; i++)
		buf_printf(&same, "%s* LIST () \"/\" {5}\r\na%c%c%c%c\r\n", i == 0 ? "B: " : "", 1 + i % 8,
			   1 + i / 8 % 8, 1 + i / 64 % 8, 12 + i / 512);
	scripted_run(s, SCRIPT(LOGIN, "C: A2", same.data, "S: A2 OK"), "f");
	assert_non_null(strstr(s->log.data, "a (10000) /0,"));
	assert_null(strstr(s->log.data, "a (10001)"));
	buf_fini(&same);
}

#define SELECT "C: A2", "S: * OK [UIDVALIDITY 5]", "S: * OK [UIDNEXT 10]", "S: * 2 EXISTS", "S: A2 OK"

/* Another client changes flags while the list is read. */
static void
test_a_row_twice(void **state)
{
	struct scripted *s = *state;

	scripted_reset(s, REMOTE_IMAP);
	s->shows_dates = true;
	assert_string_equal(scripted_run(s,
					 SCRIPT(LOGIN, SELECT, "C: A3 UID FETCH", "S: * 1 FETCH (UID 3 FLAGS (\\Seen))",
						"S: * 2 FETCH (UID 9 RFC822.SIZE 6 FLAGS () INTERNALDATE \"01-Jan-1970 "
						"00:00:02 +0000\")",
						"S: * 1 FETCH (UID 3 RFC822.SIZE 5 FLAGS (\\Seen x) INTERNALDATE "
						"\"01-Jan-1970 00:00:01 +0000\")",
						"S: * 2 FETCH (UID 9 FLAGS (\\Flagged y))", "S: A3 OK"),
					 "sl"),
			    "done|v5 n10 e2 m0|3 5 f1 x @1000 m0,9 6 f4 y @2000 m0|");
}

static void
test_many_messages(void **state)
{
	struct scripted *s = *state;
	const char *const pages[] = {LOGIN,
				     "C: A2",
				     "S: * OK [UIDVALIDITY 5]",
				     "S: * OK [UIDNEXT 3001]",
				     "S: * 3000 EXISTS",
				     "S: A2 OK",
				     "C: A3 UID FETCH 1:1000 ",
				     "S: * 1 FETCH (UID 3 FLAGS ())",
				     "S: * 2 FETCH (UID 4 FLAGS ())",
				     "S: A3 OK",
				     "C: A4 UID FETCH 1001:2000 ",
				     "S: * 3 FETCH (UID 1001 FLAGS ())",
				     "S: A4 OK",
				     "C: A5 UID FETCH 2001:* ",
				     "S: * 4 FETCH (UID 2001 FLAGS ())",
				     "S: A5 OK",
				     "C: A6 UID FETCH 1:1000 ",
				     "S: * 1 FETCH (UID 3 FLAGS ())",
				     "S: A6 OK",
				     "C: A7 UID FETCH 1001:2000 ",
				     "S: A7 NO enough",
				     NULL};

	scripted_reset(s, REMOTE_IMAP);
	s->options.max_messages = 3;
	assert_string_equal(
		scripted_run(s, pages, "sl"),
		"done|v5 n3001 e3000 m0|3 0 f0,4 0 f0|1001 0 f0||limit: the folder has more than 3 messages|");
	/* Each list counts for itself. */
	s->options.max_messages = 4;
	assert_string_equal(
		scripted_run(s, pages, "sll"),
		"done|v5 n3001 e3000 m0|3 0 f0,4 0 f0|1001 0 f0|2001 0 f0|3 0 f0||refused: FETCH is refused: "
		"\"enough\"|");
}

#define SELECTED "B: * OK [UIDVALIDITY 5]\r\n* OK [UIDNEXT 10]\r\n* 2 EXISTS\r\nA2 OK\r\n"

static const char *
lists_drip(struct scripted *s, int limit_ms, size_t bytes, int each_ms, unsigned rows)
{
	struct buf noise = BUF_EMPTY;
	const char *log;

	buf_add_c(&noise, "B: ");
	for (unsigned i = 0; i < rows; i++)
		buf_printf(&noise, "* 1 FETCH (UID 3 FLAGS (012345678901234567890123456789012345678901234567890))\r\n");
	scripted_reset(s, REMOTE_IMAP);
	s->slow = true;
	s->drip_ms = each_ms;
	s->drip = bytes;
	s->options.answer_ms = limit_ms;
	log = scripted_run(s, SCRIPT(LOGIN, "C: A2", SELECTED, "C: A3", noise.data, "S: A3 OK"), "sl");
	buf_fini(&noise);
	return log;
}

/* A list that goes on and on at a slow pace is not waited for; one that moves well is. */
static void
test_a_list_that_takes_long(void **state)
{
	struct scripted *s = *state;
	int64_t begun_ms = clock_monotonic_ms();

	assert_string_equal(lists_drip(s, 100, 200, 50, 200), "done|v5 n10 e2 m0||time: no answer in time to FETCH|");
	assert_in_range(clock_monotonic_ms() - begun_ms, 1000, 3000);
	begun_ms = clock_monotonic_ms();
	assert_string_equal(lists_drip(s, 1000, 400, 10, 800),
			    "done|v5 n10 e2 m0|3 0 f0 012345678901234567890123456789012345678901234567890|");
	assert_in_range(clock_monotonic_ms() - begun_ms, 1100, 20000);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scripted_init, scripted_fini)
	const struct CMUnitTest tests[] = {
		TEST(test_names_that_look_alike),
		TEST(test_a_row_twice),
		TEST(test_many_messages),
		TEST(test_a_list_that_takes_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
