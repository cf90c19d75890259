/* POP3 sessions with servers that follow a script: each also byte by byte, cut at each
 * byte, and with a reader that pauses. */
#include "tests/unit/delivery-worker/retrieve/wire/scripted.h"

#define HELLO "S: +OK hi", "C: CAPA", "S: -ERR what"
#define LOGIN HELLO, "C: USER u", "S: +OK", "C: PASS p", "S: +OK in"
#define PIPES \
	"S: +OK hi", "C: CAPA", "S: +OK", "S: SASL PLAIN XOAUTH2", "S: PIPELINING", "S: UIDL", "S: .", \
		"C: AUTH PLAIN AHUAcA==", "S: +OK"
#define TWO "C: LIST", "S: +OK", "S: 1 10", "S: 3 20", "S: .", "C: UIDL", "S: +OK", "S: 1 aa", "S: 3 bb", "S: ."

static const struct {
	const char *name, *plan;
	const char *const *script;
	const char *log;
} sessions[] = {
	{"all, one by one", "fslgdq",
	 SCRIPT(LOGIN, "C: STAT", "S: +OK 2 30", TWO, "C: RETR 1", "S: +OK", "S: a: b", "S: ", "S: ..dot", "S: .", "C: RETR 3",
		"S: +OK 20", "S: .", "C: DELE 1", "S: +OK", "C: DELE 3", "S: +OK", "C: QUIT", "S: +OK bye", "X"),
	 "done|INBOX 00,|v0 n0 e2 m0|1=aa 10 f0,3=bb 20 f0|1(0)<a: b\r\n\r\n.dot\r\n>1,3(0)<>3,done|deleted|done|"},
	{"all, sent ahead", "lgdq",
	 SCRIPT(PIPES, "C: LIST", "C: UIDL", "S: +OK", "S: 1 10", "S: 3 20", "S: .", "S: +OK", "S: 1 aa", "S: 3 bb", "S: .",
		"C: RETR 1", "C: RETR 3", "S: +OK", "S: x", "S: .", "S: +OK", "S: y", "S: .", "C: DELE 1", "C: DELE 3", "S: +OK",
		"S: +OK", "C: QUIT", "S: +OK"),
	 "done|1=aa 10 f0,3=bb 20 f0|1(0)<x\r\n>1,3(0)<y\r\n>3,done|deleted|done|"},
	{"the list is kept", "ll", SCRIPT(LOGIN, TWO), "done|1=aa 10 f0,3=bb 20 f0|1=aa 10 f0,3=bb 20 f0|"},
	{"empty", "slg",
	 SCRIPT(LOGIN, "C: STAT", "S: +OK 0 0", "C: LIST", "S: +OK", "S: .", "C: UIDL", "S: +OK", "S: ."),
	 "done|v0 n0 e0 m0||done|"},
	{"one is refused", "lg",
	 SCRIPT(LOGIN, TWO, "C: RETR 1", "S: -ERR no such\033[2J", "C: RETR 3", "S: +OK", "S: y", "S: ."),
	 "done|1=aa 10 f0,3=bb 20 f0|1 refused: RETR is refused: \"no such [2J\",3(0)<y\r\n>3,done|"},
	{"DELE is refused", "ldq",
	 SCRIPT(LOGIN, TWO, "C: DELE 1", "S: -ERR read-only", "C: DELE 3", "S: +OK", "C: QUIT", "S: +OK"),
	 "done|1=aa 10 f0,3=bb 20 f0|refused: DELE is refused for 1 of 2 messages|done|"},
	{"QUIT is refused", "q", SCRIPT(LOGIN, "C: QUIT", "S: -ERR some were not removed"),
	 "done|refused: the remote did not delete all messages: \"some were not removed\"|"},
	{"QUIT without an answer", "q", SCRIPT(LOGIN, "C: QUIT", "X"), "done|lost: the remote closed the connection at QUIT|"},
	{"refused greeting", "", SCRIPT("S: -ERR busy"), "unavailable: the remote does not serve now: \"busy\"|"},
	{"not POP3", "", SCRIPT("S: HTTP/1.1 400 Bad"),
	 "protocol: the remote does not speak POP3 at the greeting: \"HTTP/1.1 400 Bad\"|"},
	{"closed at once", "", SCRIPT("X"), "lost: the remote closed the connection at the greeting|"},
	{"silent", "", SCRIPT("H"), "time: no answer in time to the greeting|"},
	{"login refused", "", SCRIPT(HELLO, "C: USER u", "S: +OK", "C: PASS p", "S: -ERR [AUTH] wrong"),
	 "login: the login of u is refused: \"[AUTH] wrong\"|"},
	{"login refused, AUTH", "",
	 SCRIPT("S: +OK", "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: .", "C: AUTH PLAIN", "S: -ERR wrong"),
	 "login: the login of u is refused: \"wrong\"|"},
	{"locked", "", SCRIPT(HELLO, "C: USER u", "S: +OK", "C: PASS p", "S: -ERR [IN-USE] locked"),
	 "unavailable: the login of u is refused: \"[IN-USE] locked\"|"},
	{"no UIDL", "l", SCRIPT(LOGIN, "C: LIST", "S: +OK", "S: 1 10", "S: .", "C: UIDL", "S: -ERR what"),
	 "done||unsupported: UIDL, without which messages cannot be told apart, is refused: \"what\"|"},
	{"UIDL names fewer", "l",
	 SCRIPT(LOGIN, "C: LIST", "S: +OK", "S: 1 10", "S: 2 10", "S: .", "C: UIDL", "S: +OK", "S: 1 aa", "S: ."),
	 "done||protocol: LIST and UIDL do not name the same messages|"},
	{"UIDL names others", "l",
	 SCRIPT(LOGIN, "C: LIST", "S: +OK", "S: 1 10", "S: 2 10", "S: .", "C: UIDL", "S: +OK", "S: 2 aa", "H"),
	 "done||protocol: LIST and UIDL do not name the same messages|"},
	{"LIST does not ascend", "l", SCRIPT(LOGIN, "C: LIST", "S: +OK", "S: 2 10", "S: 2 10", "H"),
	 "done||protocol: a line of LIST makes no sense: \"2 10\"|"},
	{"STAT says other than LIST", "sl", SCRIPT(LOGIN, "C: STAT", "S: +OK 7 1", TWO),
	 "done|v0 n0 e7 m0|1=aa 10 f0,3=bb 20 f0|"},
	{"STAT makes no sense", "s", SCRIPT(LOGIN, "C: STAT", "S: +OK many"),
	 "done|protocol: the answer to STAT makes no sense: \"many\"|"},
	{"a line that nobody asked for", "s", SCRIPT(LOGIN, "C: STAT", "S: +OK 0 0\r\n+OK more", "H"),
	 "done|v0 n0 e0 m0|"},
	{"UIDL with rubbish", "l",
	 SCRIPT(LOGIN, "C: LIST", "S: +OK", "S: 1 10", "S: .", "C: UIDL", "S: +OK", "S: 1 \x01", "H"),
	 "done||protocol: a line of UIDL makes no sense: \"1\"|"},
	{"a message does not end", "lg", SCRIPT(LOGIN, TWO, "C: RETR 1", "S: +OK", "S: y", "H"),
	 "done|1=aa 10 f0,3=bb 20 f0|1(0)time: no answer in time to RETR|"},
};

/* A closed connection adds no line of its own to what was refused before. */
static void
test_sessions(void **state)
{
	struct scripted *s = *state;

	for (size_t i = 0; i < sizeof(sessions) / sizeof(sessions[0]); i++) {
		for (int way = 0; way < 3; way++) {
			scripted_reset(s, REMOTE_POP3);
			s->slow = way == 1;
			s->pause_each = way == 2;
			assert_string_equal(scripted_run(s, sessions[i].script, sessions[i].plan), sessions[i].log);
		}
	}
}

/* Whatever is missing: only whole messages are said to be whole, and nothing is said to be
 * deleted before QUIT is answered. */
static void
test_cut_at_each_byte(void **state)
{
	struct scripted *s = *state;
	const char *log = sessions[1].log;
	long all;

	scripted_reset(s, REMOTE_POP3);
	scripted_run(s, sessions[1].script, "lgdq");
	all = s->said;
	for (long cut = 0; cut < all; cut++) {
		const char *got, *trouble;

		scripted_reset(s, REMOTE_POP3);
		s->cut = cut;
		got = scripted_run(s, sessions[1].script, "lgdq");
		trouble = strstr(got, "lost: ");
		assert_non_null(trouble);
		assert_null(strstr(got, "deleted|done|"));
		if (strstr(got, "<y\r\n>") != NULL)
			assert_true(cut >= all - (long)strlen("+OK\r\n+OK\r\n+OK\r\n"));
		/* What came before the trouble is a part of the whole log, but for an empty page. */
		if (trouble > got && trouble[-1] == '|' && trouble[-2] == '|')
			trouble--;
		assert_int_equal(strncmp(got, log, (size_t)(trouble - got)), 0);
	}
}

static void
test_limits(void **state)
{
	struct scripted *s = *state;
	static char text[70 * 1024];
	const char *log;

	/* A message that is too large is read to its end, and the next one comes. */
	scripted_reset(s, REMOTE_POP3);
	s->options.max_message_bytes = 4;
	log = scripted_run(s, SCRIPT(LOGIN, TWO, "C: RETR 1", "S: +OK", "S: 12345", "S: 6", "S: .", "C: RETR 3", "S: +OK",
				     "S: xy", "S: ."),
			   "lg");
	assert_non_null(strstr(log, "|1(0)1 limit: the message is larger than 4 bytes,3(0)<xy\r\n>3,done|"));
	/* more messages than a list may have */
	scripted_reset(s, REMOTE_POP3);
	s->options.max_messages = 1;
	log = scripted_run(s, SCRIPT(LOGIN, "C: LIST", "S: +OK", "S: 1 1", "S: 2 1", "H"), "l");
	assert_string_equal(log, "done||limit: the remote has more than 1 messages|");
	/* a line without an end */
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "B: +OK ", 7);
	scripted_reset(s, REMOTE_POP3);
	log = scripted_run(s, SCRIPT(text, "H"), "");
	assert_string_equal(log, "limit: the remote sent a line of more than 64 KiB|");
	/* all bytes together */
	scripted_reset(s, REMOTE_POP3);
	s->options.max_session_bytes = 60;
	log = scripted_run(s, SCRIPT(LOGIN, TWO), "l");
	assert_string_equal(log, "done||limit: the remote has sent more than a session allows|");
}

static void
test_security(void **state)
{
	struct scripted *s = *state;
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	const char *log;

	scripted_reset(s, REMOTE_POP3);
	s->refuse_address = true;
	log = scripted_run(s, SCRIPT("H"), "");
	assert_string_equal(log, "not-allowed: the address of 127.0.0.1 is not one that may be reached|");
	assert_int_equal(s->said, 0);

	/* STLS was removed on the way: nothing secret is sent */
	scripted_reset(s, REMOTE_POP3);
	s->options.tls = tls;
	s->options.tls_mode = REMOTE_TLS_STARTTLS;
	log = scripted_run(s, SCRIPT("S: +OK hi", "C: CAPA", "S: +OK", "S: USER", "S: .", "H"), "");
	assert_string_equal(log, "tls: the remote does not offer STLS|");
	assert_string_equal(s->heard.data, "CAPA\n");
	log = scripted_run(s, SCRIPT(HELLO, "H"), "");
	assert_string_equal(log, "tls: the remote does not offer STLS|");
	log = scripted_run(s, SCRIPT("S: +OK hi", "C: CAPA", "S: +OK", "S: STLS", "S: .", "C: STLS", "S: -ERR no", "H"), "");
	assert_string_equal(log, "tls: STLS is refused: \"no\"|");
	/* plain text after the go-ahead */
	log = scripted_run(
		s, SCRIPT("S: +OK hi", "C: CAPA", "S: +OK", "S: STLS", "S: .", "C: STLS", "B: +OK go\r\n+OK injected\r\n", "H"),
		"");
	assert_string_equal(log, "tls: the remote sent plain text after STARTTLS|");
	/* not TLS at all */
	s->options.tls_mode = REMOTE_TLS_IMPLICIT;
	log = scripted_run(s, SCRIPT("S: +OK hi", "H"), "");
	assert_int_equal(strncmp(log, "tls: TLS handshake failed: ", 27), 0);
	/* a password with a line end would be a second command */
	scripted_reset(s, REMOTE_POP3);
	s->options.secret = "p\r\nDELE 1";
	log = scripted_run(s, SCRIPT("H"), "");
	assert_string_equal(log, "login: the user or the password contains a line end|");
	SSL_CTX_free(tls);
}

/* The name of an option tells nothing of the port: nobody listens there. */
static void
test_no_connection(void **state)
{
	struct scripted *s = *state;

	scripted_reset(s, REMOTE_POP3);
	s->options.port = 1;
	assert_string_equal(scripted_run(s, SCRIPT("H"), ""), "connect: no connection to 127.0.0.1: Connection refused|");
}

static void
test_tokens(void **state)
{
	struct scripted *s = *state;
	const char *log;

	/* "user=u^Aauth=Bearer p^A^A" */
	scripted_reset(s, REMOTE_POP3);
	s->options.auth = REMOTE_AUTH_OAUTH2;
	log = scripted_run(s,
			   SCRIPT("S: +OK", "C: CAPA", "S: +OK", "S: SASL PLAIN XOAUTH2", "S: .",
				  "C: AUTH XOAUTH2 dXNlcj11AWF1dGg9QmVhcmVyIHABAQ==", "S: +OK in"),
			   "");
	assert_string_equal(log, "done|");
	/* a challenge is the reason; it is answered with an empty line */
	log = scripted_run(s,
			   SCRIPT("S: +OK", "C: CAPA", "S: +OK", "S: SASL XOAUTH2", "S: .", "C: AUTH XOAUTH2 dXNl",
				  "S: + eyJzdGF0dXMiOiI0MDAifQ==", "C: ", "S: -ERR invalid"),
			   "");
	assert_string_equal(log, "login: the login of u ({\"status\":\"400\"}) is refused: \"invalid\"|");
	log = scripted_run(s, SCRIPT("S: +OK", "C: CAPA", "S: +OK", "S: SASL PLAIN", "S: ."), "");
	assert_string_equal(log, "unsupported: the remote offers neither XOAUTH2 nor OAUTHBEARER|");
	/* a long token waits for "+" (RFC 5034, 4) */
	{
		char token[301];

		memset(token, 't', 300);
		token[300] = '\0';
		s->options.secret = token;
		log = scripted_run(s,
				   SCRIPT("S: +OK", "C: CAPA", "S: +OK", "S: SASL XOAUTH2", "S: .", "C: AUTH XOAUTH2", "S: + ",
					  "C: dXNlcj11AWF1dGg9QmVhcmVyIHR0dHR0", "S: +OK"),
				   "");
		assert_string_equal(log, "done|");
		assert_non_null(strstr(s->heard.data, "AUTH XOAUTH2\n"));
	}
}

static void
test_free_within(void **state)
{
	struct scripted *s = *state;

	scripted_reset(s, REMOTE_POP3);
	s->free_in_piece = true;
	scripted_run(s, SCRIPT(LOGIN, TWO, "C: RETR 1", "S: +OK", "S: y", "S: .", "H"), "lg");
	assert_string_equal(s->message.data, "y\r\n");
	/* It never said QUIT. */
	assert_null(strstr(s->heard.data, "QUIT"));
}

int
main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, scripted_init, scripted_fini)
	const struct CMUnitTest tests[] = {
		TEST(test_sessions), TEST(test_cut_at_each_byte), TEST(test_limits),	  TEST(test_security),
		TEST(test_tokens),   TEST(test_no_connection),	  TEST(test_free_within),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
