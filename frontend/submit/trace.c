/* The lines on top of a message: Return-Path, Received, and what a submission
 * left out (RFC 5321, 4.4; RFC 6409, section 8). */
#include <stdio.h>

#include "frontend/smtp/private.h"
#include "lib/base/clock.h"

const char *
smtp_protocol_word(const struct smtp_transaction *t)
{
	/* UTF-8, TLS, authenticated */
	static const char *const words[2][2][2] = {
		{{"ESMTP", "ESMTPA"}, {"ESMTPS", "ESMTPSA"}},
		{{"UTF8SMTP", "UTF8SMTPA"}, {"UTF8SMTPS", "UTF8SMTPSA"}},
	};
	const struct smtp_session *s = t->session;

	if (!s->esmtp)
		return "SMTP";
	return words[t->params.utf8][conn_is_tls(s->conn)][s->account != NULL];
}

/* What the client calls itself, with nothing in it that has a meaning here. */
static void
add_helo(struct buf *out, const char *helo)
{
	for (; *helo != '\0'; helo++) {
		char c = *helo;
		bool plain = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     strchr("-._:[]", c) != NULL;
		buf_add_byte(out, plain ? c : '?');
	}
}

static bool
wants_received(const struct smtp_session *s)
{
	switch (smtp_settings(s)->append_received_line) {
	case RECEIVED_LINE_NONE: return false;
	case RECEIVED_LINE_AUTHENTICATED: return s->account != NULL;
	default: return true;
	}
}

static void
add_received(struct smtp_transaction *t, struct buf *out)
{
	struct smtp_session *s = t->session;
	char client[IP_LITERAL_MAX], date[CLOCK_RFC5322_MAX];

	ip_literal(conn_peer(s->conn), client);
	clock_rfc5322(t->begun_ms, date, sizeof(date));
	buf_add_c(out, "Received: from ");
	add_helo(out, s->helo);
	buf_printf(out, " (%s)\r\n\tby %s (Stagepost) with %s", client, smtp_hostname(t->frontend),
		   smtp_protocol_word(t));
	if (conn_is_tls(s->conn))
		buf_printf(out, "\r\n\t(%s %s)", conn_tls_version(s->conn), conn_tls_cipher(s->conn));
	buf_printf(out, "\r\n\tid %s", t->id);
	/* Of several, none is named: they need not know of each other. */
	if (t->recipient_count == 1)
		buf_printf(out, "\r\n\tfor <%s>", t->recipients->record.address);
	if (t->params.has_priority)
		buf_printf(out, "\r\n\tPRIORITY %d", t->priority);
	buf_printf(out, "; %s\r\n", date);
}

void
smtp_trace_lines(struct smtp_transaction *t, struct buf *out)
{
	buf_add_c(out, "Return-Path: <");
	buf_add_str(out, t->reverse_path);
	buf_add_c(out, ">\r\n");
	t->return_path_length = (uint32_t)out->len;
	if (wants_received(t->session))
		add_received(t, out);
}

void
smtp_missing_lines(struct smtp_transaction *t, struct buf *out)
{
	char date[CLOCK_RFC5322_MAX];

	if (!t->watch.has_date) {
		clock_rfc5322(t->begun_ms, date, sizeof(date));
		buf_printf(out, "Date: %s\r\n", date);
	}
	if (!t->watch.has_message_id)
		buf_printf(out, "Message-ID: <%s@%s>\r\n", t->id, smtp_hostname(t->frontend));
}
