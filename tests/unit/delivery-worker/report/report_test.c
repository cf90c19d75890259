/* Delivery status notifications: what they say, and that no text of others
 * can break out of its place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#include "delivery-worker/report/report.h"

struct fixture {
	Stagepost__Job job;
	Stagepost__Envelope env;
	Stagepost__Blob body;
	Stagepost__Recipient recipients[2], *recipient_list[2];
	Stagepost__MessageState state;
	Stagepost__RecipientStatus status[2], *status_list[2];
	uint32_t indexes[2];
	struct report_input in;
	struct report_output out;
};

static int
setup(void **state)
{
	static struct fixture f;

	memset(&f, 0, sizeof(f));
	stagepost__job__init(&f.job);
	stagepost__envelope__init(&f.env);
	stagepost__blob__init(&f.body);
	stagepost__message_state__init(&f.state);
	for (unsigned i = 0; i < 2; i++) {
		stagepost__recipient__init(&f.recipients[i]);
		stagepost__recipient_status__init(&f.status[i]);
		f.recipient_list[i] = &f.recipients[i];
		f.status_list[i] = &f.status[i];
		f.indexes[i] = i;
	}
	f.recipients[0].address = (char *)"bob@remote.test";
	f.recipients[0].orcpt = (char *)"rfc822;bob+2Bx@remote.test";
	f.status[0].last_code = (char *)"5.1.1";
	f.status[0].last_text = (char *)"550 5.1.1 no such user";
	f.status[0].last_remote = (char *)"mx.remote.test [192.0.2.1]:25";
	f.recipients[1].address = (char *)"carl@example.test";
	f.recipients[1].local = true;
	f.status[1].last_text = (char *)"expired";
	f.env.id = (char *)"01h00000000000000000";
	f.env.reverse_path = (char *)"alice@example.test";
	f.env.recipients = f.recipient_list;
	f.env.n_recipients = 2;
	f.env.body = &f.body;
	f.env.dsn_envid = (char *)"QQ+3D1";
	f.env.received_ms = 1795451401000;
	f.state.n_status = 2;
	f.state.status = f.status_list;
	f.job.envelope = &f.env;
	f.job.state = &f.state;
	f.job.recipients = f.indexes;
	f.job.n_recipients = 2;
	f.job.report_id = (char *)"01h0000000000000000r";
	f.in.job = &f.job;
	f.in.hostname = "mx.example.test";
	f.in.now_ms = 1795451402000;
	f.in.expire_ms = 5 * 86400 * 1000;
	f.in.original = STR("From: a\r\nSubject: b\r\n\r\nthe body\r\n");
	*state = &f;
	return 0;
}

static int
teardown(void **state)
{
	struct fixture *f = *state;

	buf_fini(&f->out.body);
	return 0;
}

static void
compose(struct fixture *f)
{
	buf_fini(&f->out.body);
	report_compose(&f->in, &f->out);
	/* Whatever is in it: lines end in CRLF, and only there. */
	for (size_t i = 0; i < f->out.body.len; i++) {
		if (f->out.body.data[i] == '\n')
			assert_true(i > 0 && f->out.body.data[i - 1] == '\r');
		if (f->out.body.data[i] == '\r')
			assert_int_equal(f->out.body.data[i + 1], '\n');
	}
}

static void
assert_has(const struct fixture *f, const char *text)
{
	if (strstr(f->out.body.data, text) == NULL)
		fail_msg("'%s' is not in:\n%s", text, f->out.body.data);
}

static void
assert_has_not(const struct fixture *f, const char *text)
{
	if (strstr(f->out.body.data, text) != NULL)
		fail_msg("'%s' is in:\n%s", text, f->out.body.data);
}

static void
test_failure(void **state)
{
	static const char *const texts[] = {
		"Return-Path: <>\r\nFrom: Mail Delivery System <MAILER-DAEMON@mx.example.test>\r\nTo: "
		"<alice@example.test>\r\n",
		"Auto-Submitted: auto-replied\r\n",
		"Content-Type: multipart/report; report-type=delivery-status;\r\n",
		"Message-ID: <01h0000000000000000r@mx.example.test>\r\n",
		"Content-Type: message/delivery-status\r\n",
		"\r\nOriginal-Envelope-Id: QQ=1\r\nReporting-MTA: dns; mx.example.test\r\n",
		("\r\n\r\nOriginal-Recipient: rfc822; bob+x@remote.test\r\n"
		 "Final-Recipient: rfc822; bob@remote.test\r\nAction: failed\r\nStatus: 5.1.1\r\n"
		 "Remote-MTA: dns; mx.remote.test\r\nDiagnostic-Code: smtp; 550 5.1.1 no such user\r\n"),
		("\r\n\r\nFinal-Recipient: rfc822; carl@example.test\r\nAction: failed\r\nStatus: 5.0.0\r\n"
		 "Diagnostic-Code: X-Stagepost; expired\r\n"),
		"Content-Type: text/rfc822-headers\r\n\r\nFrom: a\r\nSubject: b\r\n\r\n--",
	};
	struct fixture *f = *state;

	compose(f);
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_has(f, texts[i]);
	assert_has_not(f, "the body");
	assert_has_not(f, "Will-Retry-Until");
	assert_int_equal(f->out.return_path_length, strlen("Return-Path: <>\r\n"));
	assert_false(f->out.eight_bit);
	assert_false(f->out.smtputf8);
}

static void
test_whole_original(void **state)
{
	struct fixture *f = *state;

	f->env.dsn_ret = (char *)"FULL";
	f->body.length = 1000;
	assert_true(report_wants_whole(&f->job));
	f->in.original_is_whole = true;
	compose(f);
	assert_has(f, "Content-Type: message/rfc822\r\n\r\nFrom: a\r\nSubject: b\r\n\r\nthe body\r\n");
	f->body.length = REPORT_WHOLE_MAX + 1;
	assert_false(report_wants_whole(&f->job));
	f->body.length = 1000;
	f->job.report = STAGEPOST__JOB__REPORT__DELAY;
	assert_false(report_wants_whole(&f->job));
	f->job.report = STAGEPOST__JOB__REPORT__FAILURE;
	f->env.dsn_ret = (char *)"HDRS";
	assert_false(report_wants_whole(&f->job));
}

static void
test_delay_and_success(void **state)
{
	struct fixture *f = *state;

	f->job.report = STAGEPOST__JOB__REPORT__DELAY;
	f->status[0].last_code = (char *)"4.4.1";
	compose(f);
	assert_has(f, "Action: delayed\r\nStatus: 4.4.1\r\n");
	assert_has(f, "Will-Retry-Until: ");
	f->job.report = STAGEPOST__JOB__REPORT__SUCCESS;
	f->status[0].relayed = true;
	f->status[0].last_code = (char *)"2.1.5";
	compose(f);
	assert_has(f, "Action: relayed\r\nStatus: 2.1.5\r\n");
	assert_has(f, "Action: delivered\r\nStatus: 2.0.0\r\n");
}

static void
test_eight_bit(void **state)
{
	struct fixture *f = *state;

	f->in.original = STR("Subject: \xc3\xa9\r\n\r\nx");
	compose(f);
	assert_true(f->out.eight_bit);
	assert_false(f->out.smtputf8);
	assert_has(f, "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xa9\r\n");
	f->recipients[0].address = (char *)"b\xc3\xb6"
					   "b@remote.test";
	f->recipients[0].orcpt = (char *)"utf-8;\\x{F6}@remote.test";
	f->status[0].last_text = (char *)"550 5.1.1 kein Empf\xc3\xa4nger";
	/* A sender who did not ask for SMTPUTF8 gets ASCII where the type wants it. */
	compose(f);
	assert_has(f, "Content-Type: message/delivery-status\r\n\r\n");
	assert_has(f, "Original-Recipient: utf-8; \\x{F6}@remote.test\r\n"
		      "Final-Recipient: utf-8; b\\x{F6}b@remote.test\r\n");
	assert_has(f, "Diagnostic-Code: smtp; 550 5.1.1 kein Empf??nger\r\n");
	assert_has(f, "Content-Type: text/rfc822-headers\r\n");
	f->env.smtputf8 = true;
	compose(f);
	assert_false(f->out.smtputf8);
	assert_has(f, "Content-Type: message/global-delivery-status\r\n");
	assert_has(f, "Original-Recipient: utf-8; \xc3\xb6@remote.test\r\n");
	assert_has(f, "Diagnostic-Code: smtp; 550 5.1.1 kein Empf\xc3\xa4nger\r\n");
	assert_has(f, "Final-Recipient: utf-8; b\xc3\xb6"
		      "b@remote.test\r\n");
	assert_has(f, "Content-Type: message/global-headers\r\n");
	f->env.reverse_path = (char *)"\xc3\xa4@example.test";
	compose(f);
	assert_true(f->out.smtputf8);
}

/* The time is that of the try, and only what begins with a code is a reply. */
static void
test_tries(void **state)
{
	struct fixture *f = *state;
	Stagepost__TraceEvent events[3], *list[3] = {&events[0], &events[1], &events[2]};
	static const struct {
		const char *kind;
		uint32_t recipient;
		uint64_t time_ms;
	} told[] = {{"deferred", 1, 1795451401500}, {"failed", 1, 1795455001500}, {"failed", 2, 1795458601500}};

	for (unsigned i = 0; i < 3; i++) {
		stagepost__trace_event__init(&events[i]);
		events[i].kind = (char *)(uintptr_t)told[i].kind;
		events[i].recipient = told[i].recipient;
		events[i].time_ms = told[i].time_ms;
	}
	f->state.n_events = 3;
	f->state.events = list;
	f->status[0].last_text = (char *)"connection timed out";
	f->recipients[1].original = (char *)"team@example.test";
	compose(f);
	assert_has(f, "Remote-MTA: dns; mx.remote.test\r\nDiagnostic-Code: X-Stagepost; connection timed out\r\n"
		      "Last-Attempt-Date: Mon, 23 Nov 2026 17:30:01");
	assert_has(f, "Last-Attempt-Date: Mon, 23 Nov 2026 18:30:01");
	assert_has(f, "Final-Log-ID: 01h00000000000000000\r\n");
	assert_has(f, "<carl@example.test> (for <team@example.test>): failed");
	f->state.n_events = 0;
	compose(f);
	assert_has_not(f, "Last-Attempt-Date");
}

static void
test_hostile(void **state)
{
	struct fixture *f = *state;

	f->status[0].last_text = (char *)"550 x\r\nStatus: 2.0.0\r\n\r\n--=_01h0000000000000000r/report--";
	f->status[0].last_code = (char *)"5.1.1\r\nX: y";
	f->env.reverse_path = (char *)"a\r\nBcc: x@y";
	f->env.dsn_envid = (char *)"a+0D+0AX: y";
	f->env.client_helo = (char *)"h\r\nX: y";
	f->recipients[0].orcpt = (char *)"rfc822;a+0D+0AX: y";
	f->in.original = STR("\r\nno header\r\n");
	compose(f);
	assert_has_not(f, "\r\nBcc");
	assert_has_not(f, "\r\nX: y");
	assert_has_not(f, "\r\nStatus: 2.0.0");
	assert_has_not(f, "no header");
	f->in.original = STR_NONE;
	compose(f);
}

/* A long reply is whole, on lines of a decent length. */
static void
test_long_diagnostic(void **state)
{
	struct fixture *f = *state;
	static char text[4097];
	size_t line = 0;

	f->status[0].last_text =
		(char *)"550 5.7.26 Your email has been blocked because the sender is unauthenticated. Gmail requires "
			"all "
			"senders to authenticate.  For instructions, go to "
			"https://support.google.com/mail/answer/81126#authentication a640c23a62f3a-1 - gsmtp";
	compose(f);
	assert_has(f, "\r\nDiagnostic-Code: smtp; 550 5.7.26 Your email has been blocked because the\r\n"
		      " sender is unauthenticated. Gmail requires all senders to authenticate. For\r\n"
		      " instructions, go to\r\n"
		      " https://support.google.com/mail/answer/81126#authentication a640c23a62f3a-1\r\n"
		      " - gsmtp\r\n");
	assert_has(f, "\r\n    550 5.7.26 Your email has been blocked because the sender is\r\n"
		      "    unauthenticated. Gmail");
	/* No spaces at all, and characters of several bytes. */
	memset(text, 'x', 4096);
	memcpy(text, "550 ", 4);
	for (unsigned i = 4; i + 1 < 4096; i += 2)
		memcpy(text + i, "\xc3\xbc", 2);
	f->status[0].last_text = text;
	compose(f);
	for (size_t i = 0; i < f->out.body.len; i++) {
		line = f->out.body.data[i] == '\n' ? 0 : line + 1;
		assert_true(line <= 999); /* with the CR */
	}
	assert_true(str_is_utf8(buf_str(&f->out.body)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_whole_original, setup, teardown),
		cmocka_unit_test_setup_teardown(test_delay_and_success, setup, teardown),
		cmocka_unit_test_setup_teardown(test_eight_bit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_tries, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile, setup, teardown),
		cmocka_unit_test_setup_teardown(test_long_diagnostic, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
