/* The SMTP client against a server that follows a script, in one loop: every
 * dialogue also with replies that come byte by byte. */
#include "tests/unit/delivery-worker/remote/scripted_server.h"

#define SCRIPT(...) \
	(const char *const[]) \
	{ \
		__VA_ARGS__, NULL \
	}
#define PIPE  "S: 220 hi", "C: EHLO me.test", "S: 250-r.test\r\n250-DSN\r\n250-SIZE 1000\r\n250 PIPELINING"
#define ESMTP "S: 220 hi", "C: EHLO", "S: 250-r.test\r\n250 8BITMIME"

#define CHUNKS	   "S: 220 hi", "C: EHLO", "S: 250-r.test\r\n250-CHUNKING\r\n250 PIPELINING"
#define BODY_LINES "C: Subject: x", "C: ", "C: .dot", "C: end"

static const struct {
	const char *name;
	const char *const *script;
	unsigned rcpts;
	const char *result;
} dialogues[] = {
	{"pipelined",
	 SCRIPT(PIPE, "C: MAIL FROM:<s@e.test> SIZE=25", "C: RCPT TO:<a@r.test>", "C: DATA", "S: 250 ok", "S: 250 ok",
		"S: 354 go", "D", "S: 250 2.6.0 taken"),
	 1, "sent 250/2.6.0"},
	{"one by one",
	 SCRIPT(ESMTP, "C: MAIL FROM:<s@e.test>", "S: 250 ok", "C: RCPT", "S: 250 ok", "C: RCPT", "S: 550 5.1.1 no",
		"C: DATA", "S: 354 go", "D", "S: 250 ok"),
	 2, "sent 250/2.0.0 550/5.1.1"},
	{"HELO",
	 SCRIPT("S: 220 hi", "C: EHLO", "S: 502 what", "C: HELO me.test", "S: 250 r", "C: MAIL FROM:<s@e.test>",
		"S: 250 ok", "C: RCPT", "S: 250 ok", "C: DATA", "S: 354 go", "D", "S: 250 ok"),
	 1, "sent 250/2.0.0"},
	{"MAIL refused, pipelined",
	 SCRIPT(PIPE, "C: MAIL", "C: RCPT", "C: RCPT", "C: DATA", "S: 451 4.3.0 later", "S: 503 no", "S: 503 no",
		"S: 503 no"),
	 2, "sent 451/4.3.0 451/4.3.0"},
	{"MAIL refused", SCRIPT(ESMTP, "C: MAIL", "S: 550 5.7.1 no"), 2, "sent 550/5.7.1 550/5.7.1"},
	{"all refused, pipelined",
	 SCRIPT(PIPE, "C: MAIL", "C: RCPT", "C: DATA", "S: 250 ok", "S: 550 5.1.1 no", "S: 554 no one"), 1,
	 "sent 550/5.1.1"},
	{"all refused, yet 354",
	 SCRIPT(PIPE, "C: MAIL", "C: RCPT", "C: DATA", "S: 250 ok", "S: 550 5.1.1 no", "S: 354 go", "C: .",
		"S: 554 no one"),
	 1, "sent 550/5.1.1"},
	{"all refused", SCRIPT(ESMTP, "C: MAIL", "S: 250 ok", "C: RCPT", "S: 550 no", "C: RCPT", "S: 450 no"), 2,
	 "sent 550/5.0.0 450/4.0.0"},
	{"DATA refused", SCRIPT(ESMTP, "C: MAIL", "S: 250 ok", "C: RCPT", "S: 250 ok", "C: DATA", "S: 451 no"), 1,
	 "sent 451/4.0.0"},
	{"end refused",
	 SCRIPT(PIPE, "C: MAIL", "C: RCPT", "C: RCPT", "C: DATA", "S: 250 ok", "S: 250 ok", "S: 550 5.1.1 no",
		"S: 354 go", "D", "S: 552 5.3.4 too big"),
	 2, "sent 552/5.3.4 550/5.1.1"},
	{"greeting refused", SCRIPT("S: 554 go away"), 1, "greeting 554"},
	{"greeting 421", SCRIPT("S: 421 busy", "X"), 1, "greeting 421"},
	{"closed at once", SCRIPT("X"), 1, "greeting 0"},
	{"silent greeting", SCRIPT("C: never"), 1, "greeting 0"},
	{"not SMTP", SCRIPT("S: HTTP/1.1 400 Bad Request"), 1, "greeting 0"},
	{"EHLO 4xx", SCRIPT("S: 220 hi", "C: EHLO", "S: 450 later"), 1, "greeting 450"},
	{"closed at RCPT", SCRIPT(ESMTP, "C: MAIL", "S: 250 ok", "C: RCPT", "X"), 1, "message 0 0/-"},
	{"421 at RCPT", SCRIPT(ESMTP, "C: MAIL", "S: 250 ok", "C: RCPT", "S: 421 4.3.2 down", "X"), 2,
	 "message 421 421/4.3.2 0/-"},
	{"421, and a refusal that was under way",
	 SCRIPT(PIPE, "C: MAIL", "C: RCPT", "C: RCPT", "C: RCPT", "C: DATA", "S: 250 ok", "S: 421 4.3.2 down",
		"S: 550 5.1.1 no", "X"),
	 3, "message 421 421/4.3.2 550/5.1.1 0/-"},
	{"silent at MAIL", SCRIPT(ESMTP, "C: MAIL"), 1, "message 0 0/-"},
	{"closed after the end",
	 SCRIPT(ESMTP, "C: MAIL", "S: 250 ok", "C: RCPT", "S: 250 ok", "C: DATA", "S: 354 go", "D", "X"), 1,
	 "message! 0 250/2.0.0"},
	/* the 29 bytes of the message, as they come */
	{"chunk, all ahead",
	 SCRIPT(CHUNKS, "C: MAIL", "C: RCPT", "C: BDAT 25 LAST", BODY_LINES, "S: 250 ok", "S: 250 ok",
		"S: 250 2.6.0 taken"),
	 1, "sent 250/2.6.0"},
	{"chunk refused",
	 SCRIPT(CHUNKS, "C: MAIL", "C: RCPT", "C: RCPT", "C: BDAT 25 LAST", BODY_LINES, "S: 250 ok", "S: 250 ok",
		"S: 550 5.1.1 no", "S: 552 5.3.4 too big"),
	 2, "sent 552/5.3.4 550/5.1.1"},
	{"chunk, nobody accepted",
	 SCRIPT(CHUNKS, "C: MAIL", "C: RCPT", "C: BDAT 25 LAST", BODY_LINES, "S: 250 ok", "S: 550 5.1.1 no",
		"S: 503 no"),
	 1, "sent 550/5.1.1"},
	{"closed after the chunk",
	 SCRIPT(CHUNKS, "C: MAIL", "C: RCPT", "C: BDAT 25 LAST", BODY_LINES, "S: 250 ok", "S: 250 ok", "X"), 1,
	 "message! 0 250/2.0.0"},
	{"no chunks without pipelining",
	 SCRIPT("S: 220 hi", "C: EHLO", "S: 250-r.test\r\n250 CHUNKING", "C: MAIL", "S: 250 ok", "C: RCPT", "S: 250 ok",
		"C: DATA", "S: 354 go", "D", "S: 250 ok"),
	 1, "sent 250/2.0.0"},
	{"reply of two codes", SCRIPT(ESMTP, "C: MAIL", "S: 250-ok\r\n550 no"), 1, "message 0 0/-"},
};

static void
test_dialogues(void **state)
{
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(dialogues) / sizeof(dialogues[0]); i++) {
		for (unsigned slow = 0; slow < 2; slow++) {
			const char *result = run(f, dialogues[i].script, dialogues[i].rcpts, slow);

			if (strcmp(result, dialogues[i].result) != 0)
				fail_msg("%s%s: '%s', not '%s'", dialogues[i].name, slow ? " (slow)" : "", result,
					 dialogues[i].result);
		}
	}
}

static void
test_data_is_stuffed(void **state)
{
	struct fixture *f = *state;

	assert_string_equal(run(f, dialogues[0].script, 1, false), dialogues[0].result);
	assert_string_equal(f->server.data.data, "Subject: x\n\n..dot\nend\n");
	prepare_message(f, 1);
}

static void
test_parameters(void **state)
{
	static const char *const script[] = {
		"S: 220 hi",
		"C: EHLO",
		"S: 250-r.test\r\n250-DSN\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 SIZE",
		"C: MAIL FROM:<s@e.test> SIZE=25 BODY=8BITMIME SMTPUTF8 RET=HDRS ENVID=x+2B",
		"S: 250 ok",
		"C: RCPT TO:<a@r.test> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a@b",
		"S: 250 ok",
		"C: DATA",
		"S: 354 go",
		"D",
		"S: 250 ok",
		NULL};
	struct fixture *f = *state;
	struct smtp_client_options o = options_of(f);

	prepare_message(f, 1);
	f->message.eight_bit = f->message.smtputf8 = true;
	f->message.ret = STR("HDRS");
	f->message.envid = STR("x+2B");
	f->rcpts[0].notify = 2 | 8;
	f->rcpts[0].orcpt = STR("rfc822;a@b");
	f->server.script = script;
	f->client = smtp_client_new(&o, &events, f);
	event_base_dispatch(f->base);
	assert_string_equal(f->result, "sent 250/2.0.0");
	assert_true(f->message.dsn_passed);
}

/* What would break out of a command is never sent. */
static void
test_unsafe_addresses(void **state)
{
	static const char *const script[] = {ESMTP,	  "C: MAIL FROM:<s@e.test>",
					     "S: 250 ok", "C: RCPT TO:<b@r.test>",
					     "S: 250 ok", "C: DATA",
					     "S: 354 go", "D",
					     "S: 250 ok", NULL};
	struct fixture *f = *state;
	struct smtp_client_options o = options_of(f);

	prepare_message(f, 2);
	f->rcpts[0].address = STR("a@r.test>\r\nRCPT TO:<evil@r.test");
	f->server.script = script;
	f->client = smtp_client_new(&o, &events, f);
	event_base_dispatch(f->base);
	assert_string_equal(f->result, "sent 553/5.1.3 250/2.0.0");
}

static void
test_second_message(void **state)
{
	static const char *const script[] = {PIPE, "C: MAIL", "C: RCPT", "C: DATA", "S: 250 ok", "S: 550 no",
					     "S: 554 no",
					     /* a refused message leaves a transaction */
					     "C: RSET", "C: MAIL", "C: RCPT", "C: DATA", "S: 250 ok", "S: 250 ok",
					     "S: 250 ok", "S: 354 go", "D", "S: 250 ok",
					     /* a taken one does not */
					     "C: MAIL", "C: RCPT", "C: DATA", "S: 250 ok", "S: 250 ok", "S: 354 go",
					     "D", "S: 250 ok", "C: QUIT", NULL};
	struct fixture *f = *state;
	struct event_base *base = f->base;
	static const char *const results[] = {"sent 550/5.0.0", "sent 250/2.0.0", "sent 250/2.0.0"};
	struct smtp_client_options o = options_of(f);

	f->server.script = script;
	f->keep = true;
	prepare_message(f, 1);
	f->client = smtp_client_new(&o, &events, f);
	for (unsigned i = 0; i < 3; i++) {
		if (i > 0) {
			assert_true(smtp_client_is_ready(f->client));
			prepare_message(f, 1);
			on_ready(f);
		}
		event_base_dispatch(base);
		assert_string_equal(f->result, results[i]);
	}
	assert_int_equal(smtp_client_messages(f->client), 3);
	smtp_client_free(&f->client);
	event_base_loop(base, EVLOOP_ONCE);
	assert_null(*f->server.script);
}

static void
test_large_body(void **state)
{
	struct fixture *f = *state;
	size_t size = 3 * 1000 * 1000;
	char *data = malloc(size);

	for (size_t i = 0; i < size; i += 100) {
		memset(data + i, '.', 98);
		memcpy(data + i + 98, "\r\n", 2);
	}
	store_body(f, data, size);
	assert_string_equal(run(f, dialogues[2].script, 1, false), "sent 250/2.0.0");
	/* 30,000 lines of 98 dots, each with one more in front; the first 17 bytes
	 * are not sent; '\n' alone ends a line here */
	assert_int_equal(f->server.data.len, 30000 * 100 - 17);
	free(data);
}

static void
check_login(struct fixture *f, const char *const *script, const char *result)
{
	struct smtp_client_options o = options_of(f);

	o.user = "user";
	o.password = "pencil";
	prepare_message(f, 1);
	server_close(&f->server);
	f->server.script = script;
	f->client = smtp_client_new(&o, &events, f);
	event_base_dispatch(f->base);
	assert_string_equal(f->result, result);
	assert_null(*f->server.script);
}

#define OFFERS(mechanisms) "S: 220 hi", "C: EHLO", "S: 250-r.test\r\n250 AUTH " mechanisms
#define REST		   "C: MAIL", "S: 250 ok", "C: RCPT", "S: 250 ok", "C: DATA", "S: 354 go", "D", "S: 250 ok"

static void
test_login(void **state)
{
	struct fixture *f = *state;

	check_login(f, SCRIPT(OFFERS("LOGIN PLAIN"), "C: AUTH PLAIN AHVzZXIAcGVuY2ls", "S: 235 2.7.0 yes", REST),
		    "sent 250/2.0.0");
	check_login(f,
		    SCRIPT(OFFERS("LOGIN"), "C: AUTH LOGIN", "S: 334 VXNlcm5hbWU6",
			   "C: dXNlcg==", "S: 334 UGFzc3dvcmQ6", "C: cGVuY2ls", "S: 235 yes", REST),
		    "sent 250/2.0.0");
	check_login(f, SCRIPT(OFFERS("PLAIN"), "C: AUTH PLAIN", "S: 535 5.7.8 no"), "login 535");
	check_login(f, SCRIPT(OFFERS("GSSAPI")), "login 250");
	/* a server that does not show that it knows the password */
	check_login(f, SCRIPT(OFFERS("SCRAM-SHA-256 PLAIN"), "C: AUTH SCRAM-SHA-256 biws", "S: 235 yes"), "login 235");
}

static void
test_chunks_of_a_large_body(void **state)
{
	static const char *const script[] = {CHUNKS,	  "C: MAIL",	    "C: RCPT", "S: 250 ok",
					     "S: 250 ok", "C: BDAT 131072", NULL};
	static const char *const refused[] = {CHUNKS, "C: MAIL", "C: RCPT", "S: 250 ok", "S: 550 5.1.1 no", NULL};
	struct fixture *f = *state;
	size_t size = 200 * 1000;
	char *data = malloc(size);

	memset(data, 'x', size);
	store_body(f, data, size);
	/* only behind the answers to RCPT */
	assert_string_equal(run(f, script, 1, false), "message! 0 250/2.0.0");
	assert_null(*f->server.script);
	assert_string_equal(run(f, refused, 1, false), "sent 550/5.1.1");
	assert_null(*f->server.script);
	free(data);
}

static void
test_no_connection(void **state)
{
	struct fixture *f = *state;
	struct smtp_client_options o = options_of(f);

	o.target.port = 1;
	prepare_message(f, 1);
	f->client = smtp_client_new(&o, &events, f);
	event_base_dispatch(f->base);
	assert_string_equal(f->result, "connect 0");
	/* a source address that is not ours */
	o = options_of(f);
	ip_parse(STR("192.0.2.1"), &o.source);
	f->client = smtp_client_new(&o, &events, f);
	event_base_dispatch(f->base);
	assert_string_equal(f->result, "connect 0");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_dialogues, setup, teardown),
		cmocka_unit_test_setup_teardown(test_data_is_stuffed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_parameters, setup, teardown),
		cmocka_unit_test_setup_teardown(test_unsafe_addresses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_second_message, setup, teardown),
		cmocka_unit_test_setup_teardown(test_large_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_login, setup, teardown),
		cmocka_unit_test_setup_teardown(test_chunks_of_a_large_body, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_connection, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
