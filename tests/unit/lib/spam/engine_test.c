/* What engines are asked, and what their answers mean. The whole answers are
 * those of SpamAssassin 4.0.1 and rspamd 3.4. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "lib/spam/engine.h"

#define SPAMD_SPAM \
	"SPAMD/1.1 0 EX_OK\r\nContent-length: 37\r\nSpam: True ; 1005.7 / 5.0\r\n\r\nGTUBE,MSGID_SHORT,TVD_SPACE_RATIO_MIN"
#define SPAMD_HAM "SPAMD/1.1 0 EX_OK\r\nContent-length: 0\r\nSpam: False ; -0.1 / 5.0\r\n\r\n"
#define HTTP_HEAD "HTTP/1.1 200 OK\r\nConnection: close\r\nServer: rspamd/3.4\r\nContent-Type: application/json\r\n\r\n"
#define RSPAMD_SPAM \
	HTTP_HEAD "{\"is_skipped\":true,\"score\":15.0,\"required_score\":15.0,\"action\":\"reject\",\"symbols\":" \
		  "{\"B\":{\"name\":\"B\",\"score\":-0.5},\"GTUBE\":{\"name\":\"GTUBE\",\"score\":15.0,\"metric_score\":0.0}," \
		  "\"A\":{\"score\":0.5}},\"messages\":{},\"message-id\":\"1@b.test\",\"time_real\":0.067267}"
#define RSPAMD_HAM \
	HTTP_HEAD "{\"is_skipped\":false,\"score\":4.25,\"required_score\":15.0,\"action\":\"greylist\",\"symbols\":{}," \
		  "\"thresholds\":{\"reject\":15.0,\"add header\":6.0,\"greylist\":4.0}}"

/* symbols NULL: refused with this code. */
static const struct {
	const char *scheme, *answer, *symbols, *action;
	bool is_spam;
	double score, required;
	enum err_code code;
} cases[] = {
	{"spamd", SPAMD_SPAM, "GTUBE MSGID_SHORT TVD_SPACE_RATIO_MIN", "", true, 1005.7, 5, ERR_NONE},
	{"spamd", SPAMD_HAM, "", "", false, -0.1, 5, ERR_NONE},
	/* an older one, without a length, in other case, with bare line ends */
	{"spamd", "SPAMD/1.0 0 EX_OK\nspam: yes;6/5\n\nA B\n", "A B", "", true, 6, 5, ERR_NONE},
	{"spamd", "SPAMD/1.1 0 EX_OK\r\nContent-length: 9\r\nSpam: True ; 6 / 5\r\n\r\nGTUBE", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"spamd", "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 6 / 5\r\n", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"spamd", "SPAMD/1.1 0 EX_OK\r\n\r\n", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"spamd", "SPAMD/1.1 0 EX_OK\r\nSpam: Perhaps ; 6 / 5\r\n\r\n", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"spamd", "SPAMD/1.1 0 EX_OK\r\nSpam: True ; nan / 5\r\n\r\n", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"spamd", "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 6x / 5\r\n\r\n", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"spamd", "SPAMD/1.0 76 Bad header line: (EOF during headers)\r\n", NULL, NULL, 0, 0, 0, ERR_UNAVAILABLE},
	{"spamd", "220 mail ESMTP\r\n", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"spamd", "", NULL, NULL, 0, 0, 0, ERR_CORRUPT},

	/* the NUL at the end belongs to these */
	{"clamd", "stream: OK", "", "", false, 0, 0, ERR_NONE},
	{"clamd", "stream: Eicar-Signature FOUND", "Eicar-Signature", "virus", true, 0, 0, ERR_NONE},
	{"clamd", "stream: Eicar Test\x01.UNOFFICIAL FOUND\n", "Eicar Test .UNOFFICIAL", "virus", true, 0, 0, ERR_NONE},
	{"clamd", "INSTREAM size limit exceeded. ERROR", "", "too large to scan", false, 0, 0, ERR_NONE},
	{"clamd", "stream: Can't allocate memory ERROR", NULL, NULL, 0, 0, 0, ERR_UNAVAILABLE},
	{"clamd", "UNKNOWN COMMAND", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"clamd", "stream:  FOUND", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"clamd", "stream: Eicar", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"clamd", "", NULL, NULL, 0, 0, 0, ERR_CORRUPT},

	{"rspamd", RSPAMD_SPAM, "GTUBE(15.00) A(0.50) B(-0.50)", "reject", true, 15, 15, ERR_NONE},
	{"rspamd", RSPAMD_HAM, "", "greylist", false, 4.25, 6, ERR_NONE},
	{"rspamd", HTTP_HEAD "{\"action\":\"add header\",\"score\":7}", "", "add header", true, 7, 0, ERR_NONE},
	{"rspamd", HTTP_HEAD "{\"action\":\"soft reject\",\"score\":0}", "", "soft reject", false, 0, 0, ERR_NONE},
	{"rspamd", HTTP_HEAD "{\"action\":\"no action\",\"score\":0,\"symbols\":[1,\"a\",null]}", "", "no action", false, 0, 0, ERR_NONE},
	{"rspamd", "HTTP/1.1 500 invalid command\r\n\r\n{\"error\":\"invalid command\",\"error_domain\":\"protocol-error\"}",
	 NULL, NULL, 0, 0, 0, ERR_UNAVAILABLE},
	{"rspamd", "HTTP/1.1 503 busy\r\n\r\n<html>", NULL, NULL, 0, 0, 0, ERR_UNAVAILABLE},
	{"rspamd", "HTTP/1.1 200 OK\r\n\r\n<html>", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"rspamd", HTTP_HEAD, NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"rspamd", HTTP_HEAD "{\"action\":\"reject\"}", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"rspamd", HTTP_HEAD "{\"action\":1,\"score\":1}", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"rspamd", HTTP_HEAD "[]", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"rspamd", "HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n{\"action\":\"reject\",\"score\":15}", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"rspamd", "HTTP/1.1 200 OK\r\n", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
	{"rspamd", "SPAMD/1.1 0 EX_OK\r\n\r\n", NULL, NULL, 0, 0, 0, ERR_CORRUPT},
};

static void
join(const Stagepost__SpamVerdict *v, char *out, size_t size)
{
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < v->n_symbols && len < size; i++)
		len += (size_t)snprintf(out + len, size - len, "%s%s", i > 0 ? " " : "", v->symbols[i]);
}

static void
answers(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		Stagepost__SpamVerdict v = STAGEPOST__SPAM_VERDICT__INIT;
		struct err err = {ERR_NONE, ""};
		struct arena arena;
		struct str answer;
		char symbols[500];
		int rc;

		arena_init(&arena);
		answer = str_c(cases[i].answer);
		if (strcmp(cases[i].scheme, "clamd") == 0)
			answer.len++;
		rc = spam_engine_find(str_c(cases[i].scheme))->read_answer(answer, &arena, &v, &err);
		if (rc != (cases[i].symbols != NULL ? 0 : -1) || (rc != 0 && err.code != cases[i].code))
			fail_msg("case %zu: %d %s: %s", i, rc, err_code_name(err.code), cases[i].answer);
		if (rc == 0) {
			join(&v, symbols, sizeof(symbols));
			assert_string_equal(symbols, cases[i].symbols);
			assert_string_equal(v.action, cases[i].action);
			assert_int_equal(v.is_spam, cases[i].is_spam);
			assert_string_equal(v.virus, strcmp(v.action, "virus") == 0 ? symbols : "");
			assert_true(v.score > cases[i].score - 0.001 && v.score < cases[i].score + 0.001);
			assert_true(v.required > cases[i].required - 0.001 && v.required < cases[i].required + 0.001);
		}
		arena_fini(&arena);
	}
}

/* However much of it is there: never taken for whole before it is. */
static void
every_beginning(void **state)
{
	static const char answer[] = SPAMD_SPAM;

	(void)state;
	for (size_t len = 0; len < sizeof(answer) - 1; len++) {
		Stagepost__SpamVerdict v = STAGEPOST__SPAM_VERDICT__INIT;
		struct spam_reply reply;
		struct arena arena;

		arena_init(&arena);
		if (spam_reply_split(str_of(answer, len), &reply))
			assert_true(reply.has_length && reply.body.len < reply.body_bytes);
		assert_int_equal(spam_engine_spamd.read_answer(str_of(answer, len), &arena, &v, NULL), -1);
		arena_fini(&arena);
	}
}

static void
every_beginning_of_a_scan(void **state)
{
	static const char answer[] = "stream: Eicar-Signature FOUND";

	(void)state;
	for (size_t len = 0; len < sizeof(answer); len++) {
		Stagepost__SpamVerdict v = STAGEPOST__SPAM_VERDICT__INIT;
		struct arena arena;

		arena_init(&arena);
		assert_int_equal(spam_engine_clamd.read_answer(str_of(answer, len), &arena, &v, NULL), -1);
		arena_fini(&arena);
	}
}

static void
symbols_are_few_and_clean(void **state)
{
	Stagepost__SpamVerdict v = STAGEPOST__SPAM_VERDICT__INIT;
	struct buf answer = BUF_EMPTY;
	struct arena arena;

	(void)state;
	arena_init(&arena);
	buf_add_c(&answer, "SPAMD/1.1 0 EX_OK\r\nSpam: True ; 6 / 5\r\n\r\nA\x01\x80" "B,");
	for (int i = 0; i < 200; i++)
		buf_add_byte(&answer, 'X');
	for (int i = 0; i < 100; i++)
		buf_printf(&answer, ",S%d", i);
	assert_int_equal(spam_engine_spamd.read_answer(buf_str(&answer), &arena, &v, NULL), 0);
	assert_int_equal(v.n_symbols, SPAM_SYMBOLS_MAX);
	assert_string_equal(v.symbols[0], "A ?B");
	assert_int_equal(strlen(v.symbols[1]), SPAM_SYMBOL_BYTES_MAX);
	assert_string_equal(v.symbols[2], "S0");
	buf_fini(&answer);
	arena_fini(&arena);
}

static void
requests(void **state)
{
	Stagepost__Envelope e = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Recipient a = STAGEPOST__RECIPIENT__INIT, b = STAGEPOST__RECIPIENT__INIT;
	Stagepost__Recipient *recipients[] = {&a, &b};
	struct buf head = BUF_EMPTY;

	(void)state;
	e.id = (char *)"01id";
	e.client_ip = (char *)"192.0.2.1";
	e.client_helo = (char *)"me\r\nUser: root";
	a.address = (char *)"a@a.test";
	b.address = (char *)"b@b.test";
	e.recipients = recipients;
	e.n_recipients = 2;
	spam_engine_rspamd.write_head(&e, 123, &head);
	assert_string_equal(head.data, "POST /checkv2 HTTP/1.0\r\nContent-Length: 123\r\nQueue-Id: 01id\r\nFrom: <>\r\n"
				       "Rcpt: <a@a.test>\r\nRcpt: <b@b.test>\r\nIP: 192.0.2.1\r\n"
				       "Helo: meUser: root\r\n\r\n");
	buf_clear(&head);
	spam_engine_spamd.write_head(&e, 123, &head);
	assert_string_equal(head.data, "SYMBOLS SPAMC/1.5\r\nContent-length: 123\r\n\r\n");
	buf_fini(&head);
	assert_null(spam_engine_find(STR("http")));
	assert_ptr_equal(spam_engine_find(STR("RSPAMD")), &spam_engine_rspamd);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers),
		cmocka_unit_test(every_beginning),
		cmocka_unit_test(every_beginning_of_a_scan),
		cmocka_unit_test(symbols_are_few_and_clean),
		cmocka_unit_test(requests),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
