/* IMAP sessions with servers that follow a script: each also byte by byte, cut at each
 * byte, and with a reader that pauses. */
#include "tests/unit/delivery-worker/retrieve/wire/scripted.h"

#define LOGIN	 "S: * OK [CAPABILITY IMAP4rev1] hi", "C: A1 LOGIN \"u\" \"p\"", "S: A1 OK [CAPABILITY IMAP4rev1] in"
#define ABLE(c)	 "S: * OK [CAPABILITY IMAP4rev1] hi", "C: A1 LOGIN", "S: A1 OK [CAPABILITY IMAP4rev1 " c "] in"
#define SELECTED "S: * OK [UIDVALIDITY 5] x", "S: * OK [UIDNEXT 10] x", "S: * 2 EXISTS"
#define SELECT	 "C: A2 SELECT \"INBOX\"", SELECTED, "S: A2 OK [READ-WRITE] ok"
#define LIST2 \
	"C: A3 UID FETCH 1:* (UID RFC822.SIZE FLAGS INTERNALDATE)", \
		"S: * 1 FETCH (UID 3 RFC822.SIZE 5 FLAGS (\\Seen work))", "S: * 2 FETCH (UID 9 RFC822.SIZE 6 FLAGS ())", \
		"S: A3 OK done"
#define LISTED "done|v5 n10 e2 m0|3 5 f1 work,9 6 f0|"

static const struct {
	const char *name, *plan;
	const char *const *script;
	const char *log;
} sessions[] = {
	{"all", "slgdq",
	 SCRIPT(ABLE("UIDPLUS"), SELECT, LIST2, "C: A4 UID FETCH 3,9 (UID BODY.PEEK[])",
		"S: * 1 FETCH (UID 3 BODY[] {5}", "B: a\r\nb)", "S: )", "S: * 1 FETCH (FLAGS (\\Seen))", "S: * 3 EXISTS",
		"S: * 2 FETCH (BODY[] {0}", "S:  UID 9)", "S: A4 OK", "C: A5 UID STORE 3,9 +FLAGS.SILENT (\\Deleted)", "S: A5 OK",
		"C: A6 UID EXPUNGE 3,9", "S: * 1 EXPUNGE", "S: * 1 EXPUNGE", "S: A6 OK", "C: A7 LOGOUT", "S: * BYE x", "S: A7 OK"),
	 LISTED "3(5)<a\r\nb)>3,9(0)<>9,done|deleted|done|"},
	{"LOGOUT, and closed at once", "q", SCRIPT(LOGIN, "C: A2 LOGOUT", "X"), "done|done|"},
	{"folders", "fr",
	 SCRIPT(ABLE("SPECIAL-USE LIST-EXTENDED"), "C: A2 LIST \"\" \"*\" RETURN (SPECIAL-USE)", "S: * LIST () \"/\" INBOX",
		"S: * LIST (\\Sent) \"/\" \"Gesendet\"", "S: * LIST (\\Noselect) \"/\" {3}", "S: a/b",
		"S: * LIST () \"/\" \"Entw&APw-rfe\"", "S: * LIST () NIL \"x\\\\&y\"", "S: A2 OK",
		"C: A3 EXAMINE \"Entw&APw-rfe\"", SELECTED, "S: * OK [HIGHESTMODSEQ 77] x", "S: A3 OK [READ-ONLY] ok"),
	 "done|INBOX /0,Gesendet /6,a/b /0-,Entw\xc3\xbcrfe /0,x\\&y 00,|v5 n10 e2 m77 ro|"},
	{"refused folder, then another", "rs",
	 SCRIPT(LOGIN, "C: A2 EXAMINE", "S: A2 NO [NONEXISTENT] none", "C: A3 SELECT", SELECTED, "S: A3 OK x"),
	 "done|refused: SELECT is refused: \"[NONEXISTENT] none\"|v5 n10 e2 m0|"},
	{"no UIDVALIDITY", "s", SCRIPT(LOGIN, "C: A2 SELECT", "S: * 2 EXISTS", "S: A2 OK"),
	 "done|unsupported: the remote gives the folder no UIDVALIDITY|"},
	{"one is gone, one refused, one without content", "slg",
	 SCRIPT(LOGIN, SELECT, "C: A3 UID FETCH", "S: * 1 FETCH (UID 3 FLAGS ())", "S: * 2 FETCH (FLAGS () UID 4)",
		"S: * 3 FETCH (UID 5 FLAGS ())", "S: * 4 FETCH (UID 6 FLAGS ())", "S: A3 OK", "C: A4 UID FETCH 3:6 (",
		"S: A4 NO hidden", "C: A5 UID FETCH 3 (", "S: A5 OK", "C: A6 UID FETCH 4 (", "S: A6 NO hidden",
		"C: A7 UID FETCH 5 (", "S: * 3 FETCH (UID 5 BODY[] NIL)", "S: A7 OK",
		"C: A8 UID FETCH 6 (", "S: * 4 FETCH (UID 6 BODY[] \"q\\\"\")", "S: A8 OK"),
	 "done|v5 n10 e2 m0|3 0 f0,4 0 f0,5 0 f0,6 0 f0|3 refused: the message is gone,4 refused: FETCH is refused: "
	 "\"hidden\",5 refused: the remote gives no content for the message,6(2)<q\">6,done|"},
	{"the first is missing", "slg",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 2 FETCH (UID 9 BODY[] {1}", "S: y)", "S: A4 OK"),
	 LISTED "3 refused: the message is gone,9(1)<y>9,done|"},
	{"refused after the first", "slg",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 1 FETCH (UID 3 BODY[] {1}", "S: x)", "S: A4 BAD broken", "C: A5 UID FETCH 9 (",
		"S: A5 BAD broken"),
	 LISTED "3(1)<x>3,9 refused: FETCH is refused: \"broken\",done|"},
	{"one that was passed comes after all", "slg",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 2 FETCH (UID 9 BODY[] {1}", "S: y)", "S: * 1 FETCH (UID 3 BODY[] {1}",
		"S: x)", "S: A4 OK"),
	 LISTED "3 refused: the message is gone,9(1)<y>9,done|"},
	{"another message than was asked for", "slg",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 2 FETCH (UID 8 BODY[] {1}", "S: x)", "H"),
	 LISTED "protocol: the remote sent a message that nobody asked for|"},
	{"another message, told late", "slg",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 2 FETCH (BODY[] {1}", "S: x UID 9)", "H"),
	 LISTED "3(1)protocol: the remote sent another message than was asked for|"},
	{"a body without its UID", "slg",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 2 FETCH (BODY[] {1}", "S: x)", "H"),
	 LISTED "3(1)protocol: the remote sent another message than was asked for|"},
	{"a body twice", "slg",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 1 FETCH (UID 3 BODY[] {1}", "S: x)", "S: * 1 FETCH (UID 3 BODY[] {1}", "S: z)",
		"S: * 2 FETCH (UID 9 BODY[] {1}", "S: y)", "S: A4 OK"),
	 LISTED "3(1)<x>3,9(1)<y>9,done|"},
	{"a body that nobody asked for", "s", SCRIPT(LOGIN, "C: A2", "S: * 1 FETCH (UID 3 BODY[] {1}", "S: x)", "H"),
	 "done|protocol: the remote sent a message that nobody asked for|"},
	{"a literal that does not end", "slg",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 1 FETCH (UID 3 BODY[] {999}", "S: x", "H"),
	 LISTED "3(999)time: no answer in time to FETCH BODY|"},
	{"goodbye during FETCH", "slg", SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * BYE [UNAVAILABLE] restart", "X"),
	 LISTED "lost: the remote said goodbye: \"[UNAVAILABLE] restart\"|"},
	{"wrong tag", "s", SCRIPT(LOGIN, "C: A2", "S: A9 OK"), "done|protocol: an answer has a tag that is not awaited: \"A9\"|"},
	{"\"+\" for nothing", "s", SCRIPT(LOGIN, "C: A2", "S: + go on"),
	 "done|protocol: the remote wants more where there is no more: \"go on\"|"},
	{"deleted by another, nothing else is marked, no UIDPLUS", "sld",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4 UID SEARCH DELETED", "S: * SEARCH 9", "S: A4 OK", "C: A5 UID STORE 3,9", "S: A5 OK",
		"C: A6 EXPUNGE", "S: A6 OK"),
	 LISTED "deleted|"},
	{"others are marked, no UIDPLUS", "sld",
	 SCRIPT(LOGIN, SELECT, LIST2, "C: A4 UID SEARCH DELETED", "S: * SEARCH 7 9", "S: A4 OK", "C: A5 UID STORE 3,9", "S: A5 OK"),
	 LISTED "marked|"},
	{"STORE is refused", "sld", SCRIPT(ABLE("UIDPLUS"), SELECT, LIST2, "C: A4 UID STORE", "S: A4 NO read-only"),
	 LISTED "refused: STORE is refused: \"read-only\"|"},
	{"read-only", "rld",
	 SCRIPT(LOGIN, "C: A2 EXAMINE", SELECTED, "S: A2 OK", LIST2),
	 "done|v5 n10 e2 m0 ro|3 5 f1 work,9 6 f0|refused: the folder is read-only|"},
	{"IDLE with news", "sli",
	 SCRIPT(ABLE("IDLE"), SELECT, LIST2, "C: A4 IDLE", "S: + idling", "S: * OK still here", "S: * 3 EXISTS", "C: DONE",
		"S: A4 OK"),
	 LISTED "done|"},
	{"IDLE with news before it", "sli",
	 SCRIPT(ABLE("IDLE"), SELECT, "C: A3 UID FETCH", "S: * 3 EXISTS", "S: A3 OK"), "done|v5 n10 e2 m0||done|"},
	{"IDLE that is ended", "sle", SCRIPT(ABLE("IDLE"), SELECT, LIST2), LISTED "done|"},
	{"IDLE that the remote ends", "sli", SCRIPT(ABLE("IDLE"), SELECT, LIST2, "C: A4 IDLE", "S: +", "S: A4 OK enough"),
	 LISTED "done|"},
	{"IDLE that ends before it begins", "sli", SCRIPT(ABLE("IDLE"), SELECT, LIST2, "C: A4 IDLE", "S: A4 OK what"),
	 LISTED "refused: IDLE ended before it began: \"what\"|"},
	{"IDLE that is refused", "sli", SCRIPT(ABLE("IDLE"), SELECT, LIST2, "C: A4 IDLE", "S: A4 NO not now"),
	 LISTED "refused: IDLE is refused: \"not now\"|"},
	{"IDLE that is offered no more", "si",
	 SCRIPT(ABLE("IDLE"), "C: A2", SELECTED, "S: * CAPABILITY IMAP4rev1", "S: A2 OK"),
	 "done|v5 n10 e2 m0|refused: the remote offers IDLE no more|"},
	{"IDLE with \"+\" twice", "sli",
	 SCRIPT(ABLE("IDLE"), SELECT, LIST2, "C: A4 IDLE", "S: +", "S: + again", "H"),
	 LISTED "protocol: the remote wants more where there is no more: \"again\"|"},
	{"IDLE with \"+\" after DONE", "sli",
	 SCRIPT(ABLE("IDLE"), SELECT, LIST2, "C: A4 IDLE", "S: +", "S: * 3 EXISTS", "C: DONE", "S: +", "H"),
	 LISTED "protocol: the remote wants more where there is no more|"},
	{"changes that are offered no more", "sc",
	 SCRIPT(ABLE("CONDSTORE"), "C: A2", SELECTED, "S: A2 OK [CAPABILITY IMAP4rev1] x"),
	 "done|v5 n10 e2 m0||refused: the remote offers CONDSTORE no more|"},
	{"changes", "sc",
	 SCRIPT(ABLE("CONDSTORE"), "C: A2 SELECT \"INBOX\" (CONDSTORE)", SELECTED, "S: A2 OK",
		"C: A3 UID FETCH 1:* (UID FLAGS) (CHANGEDSINCE 7)", "S: * 2 FETCH (UID 9 MODSEQ (8) FLAGS (\\Flagged))",
		"S: * 1 FETCH (UID 3 FLAGS (\\Seen) MODSEQ (9))", "S: A3 OK"),
	 "done|v5 n10 e2 m0|3 0 f1,9 0 f4|"},
	{"goodbye as a greeting", "", SCRIPT("S: * BYE too many"), "unavailable: the remote does not serve now: \"too many\"|"},
	{"logs in by itself", "", SCRIPT("S: * PREAUTH hello"),
	 "protocol: the remote logs in by itself (PREAUTH): \"hello\"|"},
	{"not IMAP", "", SCRIPT("S: 220 mail ESMTP"), "protocol: the remote does not speak IMAP: \"220 mail ESMTP\"|"},
	{"LOGINDISABLED", "", SCRIPT("S: * OK [CAPABILITY IMAP4rev1 LOGINDISABLED] hi"),
	 "unsupported: the remote allows no login without TLS|"},
	{"login refused", "",
	 SCRIPT("S: * OK hi", "C: A1 CAPABILITY", "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN SASL-IR", "S: A1 OK",
		"C: A2 AUTHENTICATE PLAIN AHUAcA==", "S: A2 NO [AUTHENTICATIONFAILED] wrong"),
	 "login: the login of u is refused: \"[AUTHENTICATIONFAILED] wrong\"|"},
	{"login without SASL-IR", "",
	 SCRIPT("S: * OK hi", "C: A1 CAPABILITY", "S: * CAPABILITY IMAP4rev1 AUTH=PLAIN", "S: A1 OK", "C: A2 AUTHENTICATE PLAIN",
		"S: + ", "C: AHUAcA==", "S: A2 OK", "C: A3 CAPABILITY", "S: A3 OK"),
	 "done|"},
	{"login later", "",
	 SCRIPT("S: * OK [CAPABILITY IMAP4rev1] hi", "C: A1 LOGIN", "S: A1 NO [UNAVAILABLE] later"),
	 "unavailable: the login of u is refused: \"[UNAVAILABLE] later\"|"},
	{"rubbish", "s", SCRIPT(LOGIN, "C: A2", "S: * LIST (((", "H"), "done|protocol: an answer of the remote cannot be read: \"* LIST (((\"|"},
	{"EXPUNGE of what is not there", "sl",
	 SCRIPT(LOGIN, "C: A2", "S: * 9 EXPUNGE", SELECTED, "S: * 1 EXPUNGE", "S: * 1 EXPUNGE", "S: * 1 EXPUNGE", "S: A2 OK"),
	 "done|v5 n10 e0 m0||"},
};

static void
test_sessions(void **state)
{
	struct scripted *s = *state;

	for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
		for (int way = 0; way < 3; way++) {
			scripted_reset(s, REMOTE_IMAP);
			s->slow = way == 1;
			s->pause_each = way == 2;
			assert_string_equal(scripted_run(s, sessions[i].script, sessions[i].plan), sessions[i].log);
		}
	}
}

/* Only whole messages are said to be whole, and nothing is said to be deleted before the
 * server says so. */
static void
test_cut_at_each_byte(void **state)
{
	struct scripted *s = *state;
	const char *log = sessions[0].log;
	long all, logout = (long)strlen("* BYE x\r\nA7 OK\r\n");

	scripted_reset(s, REMOTE_IMAP);
	scripted_run(s, sessions[0].script, "slgdq");
	all = s->said;
	for (long cut = 0; cut < all; cut++) {
		const char *got, *trouble;

		scripted_reset(s, REMOTE_IMAP);
		s->cut = cut;
		got = scripted_run(s, sessions[0].script, "slgdq");
		trouble = strstr(got, "lost: ");
		/* LOGOUT needs no answer. */
		if (trouble == NULL) {
			assert_true(cut >= all - logout);
			assert_string_equal(got, log);
			continue;
		}
		assert_null(strstr(got, "deleted|d"));
		if (trouble > got && trouble[-1] == '|' && trouble[-2] == '|')
			trouble--;
		assert_int_equal(strncmp(got, log, (size_t)(trouble - got)), 0);
	}
}

/* Ranges follow the density of UIDs; a range that holds too much is asked for in parts. */
static void
test_pages(void **state)
{
	struct scripted *s = *state;
	struct buf many = BUF_EMPTY;

	scripted_reset(s, REMOTE_IMAP);
	assert_string_equal(
		scripted_run(s,
			     SCRIPT(LOGIN, "C: A2 SELECT", "S: * OK [UIDVALIDITY 5]", "S: * OK [UIDNEXT 5000001]", "S: * 2000 EXISTS",
				    "S: A2 OK", "C: A3 UID FETCH 1:2500000 ", "S: A3 OK", "C: A4 UID FETCH 2500001:* ",
				    "S: * 1 FETCH (FLAGS () UID 2500001)", "S: * 9 FETCH (FLAGS () UID 17)", "S: A4 OK"),
			     "sl"),
		"done|v5 n5000001 e2000 m0|2500001 0 f0|");
	for (unsigned i = 0; i < 9000; i++)
		buf_printf(&many, "%s* %u FETCH (UID %u FLAGS ())\r\n", i == 0 ? "B: " : "", i + 1, i + 1);
	scripted_reset(s, REMOTE_IMAP);
	assert_string_equal(
		scripted_run(s,
			     SCRIPT(LOGIN, "C: A2 SELECT", "S: * OK [UIDVALIDITY 5]", "S: * 9000 EXISTS", "S: A2 OK",
				    "C: A3 UID FETCH 1:* ", many.data, "S: A3 OK", "C: A4 UID FETCH 1:125 ",
				    "S: * 1 FETCH (UID 1 FLAGS ())", "S: A4 OK", "C: A5 UID FETCH 126:", "S: A5 NO enough"),
			     "sl"),
		"done|v5 n0 e9000 m0|1 0 f0||refused: FETCH is refused: \"enough\"|");
	buf_fini(&many);
}

static void
test_limits(void **state)
{
	struct scripted *s = *state;
	static char text[70 * 1024];
	struct buf folders = BUF_EMPTY;

	/* A message that is too large is read to its end, and the next one comes. */
	scripted_reset(s, REMOTE_IMAP);
	s->options.max_message_bytes = 4;
	assert_string_equal(scripted_run(s,
					 SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 1 FETCH (UID 3 BODY[] {5}", "S: 12345)",
						"S: * 2 FETCH (UID 9 BODY[] {4}", "S: 1234)", "S: A4 OK"),
					 "slg"),
			    LISTED "3 limit: the message is larger than 4 bytes,9(4)<1234>9,done|");
	scripted_reset(s, REMOTE_IMAP);
	assert_string_equal(scripted_run(s, SCRIPT(LOGIN, "C: A2", "S: * LIST () \"/\" {70000}", "H"), "f"),
			    "done||limit: the remote sent a line of more than 64 KiB|");
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "B: * OK ", 8);
	assert_string_equal(scripted_run(s, SCRIPT(text, "H"), ""), "limit: the remote sent a line of more than 64 KiB|");
	for (unsigned i = 0; i < 10001; i++)
		buf_printf(&folders, "%s* LIST () \"/\" f%u\r\n", i == 0 ? "B: " : "", i);
	assert_string_equal(scripted_run(s, SCRIPT(LOGIN, "C: A2", folders.data, "H"), "f"),
			    "done||limit: the remote has more than 10000 folders|");
	buf_fini(&folders);
}

static void
test_starttls(void **state)
{
	struct scripted *s = *state;
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());

	/* It was removed on the way: nothing secret is sent. */
	scripted_reset(s, REMOTE_IMAP);
	s->options.tls = tls;
	s->options.tls_mode = REMOTE_TLS_STARTTLS;
	assert_string_equal(scripted_run(s, SCRIPT("S: * OK [CAPABILITY IMAP4rev1] hi", "C: A1 CAPABILITY", "S: A1 OK", "H"), ""),
			    "tls: the remote does not offer STARTTLS|");
	assert_string_equal(s->heard.data, "A1 CAPABILITY\n");
	assert_string_equal(scripted_run(s,
					 SCRIPT("S: * OK hi", "C: A1 CAPABILITY", "S: * CAPABILITY STARTTLS", "S: A1 OK",
						"C: A2 STARTTLS", "S: A2 BAD no", "H"),
					 ""),
			    "tls: STARTTLS is refused: \"no\"|");
	assert_string_equal(scripted_run(s,
					 SCRIPT("S: * OK hi", "C: A1 CAPABILITY", "S: * CAPABILITY STARTTLS", "S: A1 OK",
						"C: A2 STARTTLS", "B: A2 OK go\r\n* OK injected\r\n", "H"),
					 ""),
			    "tls: the remote sent plain text after STARTTLS|");
	SSL_CTX_free(tls);
}

static void
test_tokens(void **state)
{
	struct scripted *s = *state;

	scripted_reset(s, REMOTE_IMAP);
	s->options.auth = REMOTE_AUTH_OAUTH2;
	assert_string_equal(scripted_run(s,
					 SCRIPT("S: * OK [CAPABILITY IMAP4rev1 SASL-IR AUTH=OAUTHBEARER] hi",
						"C: A1 AUTHENTICATE OAUTHBEARER bixhPXUsAWF1dGg9QmVhcmVyIHABAQ==",
						"S: + eyJzdGF0dXMiOiI0MDEifQ==", "C: AQ==", "S: A1 NO expired"),
					 ""),
			    "login: the login of u ({\"status\":\"401\"}) is refused: \"expired\"|");
	assert_string_equal(scripted_run(s,
					 SCRIPT("S: * OK [CAPABILITY IMAP4rev1 AUTH=XOAUTH2] hi", "C: A1 AUTHENTICATE XOAUTH2", "S: +",
						"C: dXNlcj11AWF1dGg9QmVhcmVyIHABAQ==", "S: + eyJzdGF0dXMiOiI0MDEifQ==", "C: ",
						"S: A1 NO expired"),
					 ""),
			    "login: the login of u ({\"status\":\"401\"}) is refused: \"expired\"|");
	assert_string_equal(scripted_run(s, SCRIPT("S: * OK [CAPABILITY IMAP4rev1 AUTH=PLAIN] hi"), ""),
			    "unsupported: the remote offers neither XOAUTH2 nor OAUTHBEARER|");
	/* A challenge that nobody can answer. */
	scripted_reset(s, REMOTE_IMAP);
	assert_string_equal(scripted_run(s, SCRIPT("S: * OK [CAPABILITY IMAP4rev1] hi", "C: A1 LOGIN", "S: + what", "H"), ""),
			    "protocol: the remote's challenge in the login is not valid: \"what\"|");
}

/* IDLE is sent anew before servers end it. */
static void
test_idle_anew(void **state)
{
	struct scripted *s = *state;

	scripted_reset(s, REMOTE_IMAP);
	s->options.idle_ms = 50;
	assert_string_equal(scripted_run(s,
					 SCRIPT(ABLE("IDLE"), SELECT, LIST2, "C: A4 IDLE", "S: +", "C: DONE", "S: A4 OK", "C: A5 IDLE",
						"S: +", "S: * 3 EXISTS", "C: DONE", "S: A5 OK"),
					 "sli"),
			    LISTED "done|");
}

/* Who sends little, but for ever, is too slow; a long answer that keeps moving is not. */
static void
test_slow_remotes(void **state)
{
	struct scripted *s = *state;
	char text[5001];

	scripted_reset(s, REMOTE_IMAP);
	s->slow = true;
	s->drip_ms = 10;
	s->options.answer_ms = 300;
	assert_string_equal(scripted_run(s, SCRIPT("S: * OK 0123456789012345678901234567890123456789012345678901234567890"), ""),
			    "time: no answer in time to the greeting|");
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "B: ", 3);
	text[5000] = '\0';
	scripted_reset(s, REMOTE_IMAP);
	s->slow = true;
	s->drip_ms = 10;
	s->options.answer_ms = 300;
	s->drip = 50;
	s->options.max_message_bytes = 10000;
	scripted_run(s, SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 1 FETCH (UID 3 BODY[] {4997}", text, "S: )", "S: A4 OK"),
		     "slg");
	assert_non_null(strstr(s->log.data, "xxx>3,9 refused: the message is gone,done|"));
}

/* An endless row of answers that mean nothing. */
static void
test_endless_answer(void **state)
{
	struct scripted *s = *state;
	struct buf noise = BUF_EMPTY;

	buf_add_c(&noise, "B: ");
	for (unsigned i = 0; i < 4000; i++)
		buf_add_c(&noise, "* OK 012345678901234567890123456789012345678901234567890123456789\r\n");
	scripted_reset(s, REMOTE_IMAP);
	s->options.max_session_bytes = 200000;
	assert_string_equal(scripted_run(s, SCRIPT(LOGIN, "C: A2", noise.data, "H"), "s"),
			    "done|limit: the remote has sent more than a session allows|");
	buf_fini(&noise);
}

/* The connection ends while nothing is asked for: the next operation says so. */
static void
test_lost_while_at_rest(void **state)
{
	struct scripted *s = *state;
	struct timeval tv = clock_timeval(30);

	scripted_reset(s, REMOTE_IMAP);
	s->rests = true;
	scripted_run(s, SCRIPT(LOGIN, "S: * BYE idle too long", "X"), "");
	event_base_loopexit(s->base, &tv);
	event_base_dispatch(s->base);
	s->rests = false;
	s->done = false;
	s->plan = "s";
	scripted_next(s);
	while (!s->done)
		event_base_dispatch(s->base);
	assert_string_equal(s->log.data, "done|lost: the remote said goodbye: \"idle too long\"|");
}

static void
test_free_within(void **state)
{
	struct scripted *s = *state;

	scripted_reset(s, REMOTE_IMAP);
	s->free_in_piece = true;
	scripted_run(s, SCRIPT(LOGIN, SELECT, LIST2, "C: A4", "S: * 1 FETCH (UID 3 BODY[] {5}", "S: 12345)", "H"), "slg");
	assert_int_equal(strncmp(s->message.data, "12345", 5), 0);
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scripted_init, scripted_fini)
	const struct CMUnitTest tests[] = {
		TEST(test_sessions), TEST(test_cut_at_each_byte), TEST(test_pages),	TEST(test_limits),
		TEST(test_starttls), TEST(test_tokens),		  TEST(test_idle_anew), TEST(test_free_within),
		TEST(test_slow_remotes), TEST(test_endless_answer), TEST(test_lost_while_at_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
