/* A mail transaction: the submission of a message from MAIL on, and the answer at its
 * end. Only SUBMIT_OK is answered with 250. */
#include "frontend/smtp/private.h"

#include <stdio.h>

#include "lib/base/check.h"

/* RFC 3848 and 6531. */
static const char *
transaction_protocol(const struct smtp_session *s, bool utf8)
{
	/* UTF-8, TLS, authenticated */
	static const char *const words[2][2][2] = {
		{{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
		{{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
	};

	return s->esmtp ? words[utf8][conn_is_tls(s->conn)][s->account != NULL] : "SMTP";
}

static const char *
transaction_tls(struct smtp_session *s)
{
	const struct conn *c = s->conn;

	if (!conn_is_tls(c))
		return "";
	return arena_printf(&s->command.arena, "%s %s", conn_tls_version(c), conn_tls_cipher(c));
}

/* Neither a user nor a host that is trusted like one. */
static bool
transaction_is_from_stranger(const struct smtp_session *s)
{
	const struct settings *settings = frontend_settings(conn_frontend(s->conn));

	return s->account == NULL && !smtp_is_submission(s) && settings_mail_auth(settings, STR_NONE)->verify &&
	       !ip_blocks_have(&smtp_settings(s)->relay_whitelist, conn_peer(s->conn));
}

bool
smtp_transaction_begin(struct smtp_session *s, struct str reverse_path, const struct smtp_mail_params *params)
{
	const struct submit_options options = {
		.log = conn_log(s->conn),
		.account = s->account,
		.peer = *conn_peer(s->conn),
		.peer_port = conn_peer_port(s->conn),
		.helo = s->helo,
		.protocol = transaction_protocol(s, params->utf8),
		.tls = transaction_tls(s),
		.may_relay = ip_blocks_have(&smtp_settings(s)->relay_whitelist, conn_peer(s->conn)),
		.verifies = transaction_is_from_stranger(s),
		.is_submission = smtp_is_submission(s),
		.reverse_path = reverse_path,
		.size_bytes = params->size_bytes,
		.utf8 = params->utf8,
		.eight_bit = params->eight_bit,
		.require_tls = params->require_tls,
		.has_priority = params->has_priority,
		.priority = params->priority,
		.dsn_ret = params->ret,
		.dsn_envid = params->envid,
	};

	CHECK(s->submit == NULL);
	s->submit = submit_begin(conn_frontend(s->conn), &options);
	if (s->submit == NULL)
		return false;
	smtp_set_state(s, SMTP_MAIL);
	return true;
}

void
smtp_transaction_reset(struct smtp_session *s)
{
	/* A message that is given up has cost queries to DNS: a client may not do it all the time. */
	if (s->state == SMTP_CHUNKED)
		s->base.bad_commands++;
	submit_free(&s->submit);
	if (s->state != SMTP_NEW)
		smtp_set_state(s, SMTP_GREETED);
}

/* ---- While the data arrives ---- */

static void
transaction_on_room(void *arg)
{
	struct smtp_session *s = arg;

	session_resume(&s->base);
}

void
smtp_transaction_await_room(struct smtp_session *s)
{
	if (!submit_wait_room(s->submit, transaction_on_room, s))
		return;
	conn_set_timeout(s->conn, 0);
	conn_pause(s->conn);
}

/* ---- The answer ---- */

static void
transaction_answer(struct smtp_session *s, enum submit_result result)
{
	static const enum smtp_reply_name replies[] = {
		[SUBMIT_OK] = REPLY_QUEUED,
		[SUBMIT_TOO_BIG] = REPLY_TOO_BIG,
		[SUBMIT_TOO_MANY_HOPS] = REPLY_TOO_MANY_HOPS,
		[SUBMIT_FROM_NOT_YOURS] = REPLY_FROM_NOT_YOURS,
		[SUBMIT_MAILBOX_FULL] = REPLY_NO_MAILBOX_HAS_ROOM,
		[SUBMIT_OVER_QUOTA] = REPLY_NO_MAILBOX_WILL_HAVE_ROOM,
		[SUBMIT_SPF_FAIL] = REPLY_SPF_FAIL,
		[SUBMIT_DMARC_REJECT] = REPLY_DMARC_REJECT,
		[SUBMIT_MILTER_REJECT] = REPLY_MILTER_REJECT,
		[SUBMIT_MILTER_TEMPFAIL] = REPLY_MILTER_TEMPFAIL,
		[SUBMIT_SPAM_REJECT] = REPLY_SPAM_REJECT,
		[SUBMIT_SPAM_TEMPFAIL] = REPLY_SPAM_TEMPFAIL,
		[SUBMIT_VIRUS] = REPLY_VIRUS,
		[SUBMIT_STORE_FULL] = REPLY_STORE_FULL,
		[SUBMIT_UNAVAILABLE] = REPLY_STORE_UNAVAILABLE,
	};
	struct str argument = str_c(s->account);
	char size[24];

	if (result == SUBMIT_OK) {
		argument = str_c(submit_id(s->submit));
	} else if (result == SUBMIT_TOO_BIG) {
		snprintf(size, sizeof(size), "%llu", (unsigned long long)submit_max_size_bytes(s->submit));
		argument = str_c(size);
	} else if (submit_objection(s->submit).len != 0) {
		argument = submit_objection(s->submit);
	}
	/* A milter's own words, which may be several lines. */
	if (submit_objection(s->submit).len > 0 && (result == SUBMIT_MILTER_REJECT || result == SUBMIT_MILTER_TEMPFAIL))
		conn_write(s->conn, argument.p, argument.len);
	else
		smtp_reply(s, replies[result], argument);
	smtp_set_state(s, SMTP_GREETED);
	submit_free(&s->submit);
}

static void
transaction_on_done(void *arg, enum submit_result result)
{
	struct smtp_session *s = arg;

	if (result == SUBMIT_OK)
		s->messages++;
	transaction_answer(s, result);
	session_resume(&s->base);
}

void
smtp_transaction_end(struct smtp_session *s)
{
	if (!submit_commit(s->submit, transaction_on_done, s)) {
		transaction_answer(s, submit_result(s->submit));
		return;
	}
	smtp_set_state(s, SMTP_ACCEPTING);
	conn_set_timeout(s->conn, 0);
	conn_pause(s->conn);
}
