/* HELO, EHLO and the extensions that it offers, STARTTLS (RFC 5321, 4.1.1.1; RFC 3207). */
#include "frontend/core/login.h"
#include "frontend/smtp/private.h"

enum { HELO_MAX = 255 };

/* A name or address literal. Its truth is not checked (RFC 5321, 4.1.4: mail must not
 * be refused because of it), only that it is a single word. */
static bool
hello_take_name(struct smtp_session *s, struct str name)
{
	if (name.len > HELO_MAX || str_index(name, ' ') >= 0 || !str_is_printable_ascii(name))
		return false;
	smtp_set_text(&s->helo, name);
	return true;
}

enum smtp_status
smtp_cmd_helo(struct smtp_session *s, struct str argument)
{
	if (!hello_take_name(s, argument)) {
		smtp_reply(s, REPLY_SYNTAX, STR("HELO hostname"));
		return SMTP_DONE;
	}
	smtp_transaction_reset(s);
	smtp_set_state(s, SMTP_GREETED);
	s->esmtp = false;
	conn_printf(s->conn, "250 %s\r\n", smtp_hostname(conn_frontend(s->conn)));
	return SMTP_DONE;
}

/* RFC 9422. */
static void
hello_offer_limits(struct smtp_session *s, const struct settings_smtp_in *settings)
{
	conn_printf(s->conn, "250-LIMITS RCPTMAX=%lld", (long long)settings->max_recipients);
	if (settings->max_messages_per_session != 0)
		conn_printf(s->conn, " MAILMAX=%lld", (long long)settings->max_messages_per_session);
	conn_write_c(s->conn, "\r\n");
}

static void
hello_offer_extensions(struct smtp_session *s, const struct settings_smtp_in *settings)
{
	struct str mechanisms = smtp_auth_mechanisms(s);

	conn_write_c(s->conn, "250-PIPELINING\r\n");
	if (settings->max_message_size != 0)
		conn_printf(s->conn, "250-SIZE %lld\r\n", (long long)settings->max_message_size);
	else
		conn_write_c(s->conn, "250-SIZE\r\n");
	if (settings->enable_vrfy)
		conn_write_c(s->conn, "250-VRFY\r\n");
	if (settings->enable_expn)
		conn_write_c(s->conn, "250-EXPN\r\n");
	if (conn_tls_available(s->conn) && !conn_is_tls(s->conn))
		conn_write_c(s->conn, "250-STARTTLS\r\n");
	/* RFC 8689, section 2: only over TLS. */
	if (conn_is_tls(s->conn))
		conn_write_c(s->conn, "250-REQUIRETLS\r\n");
	if (mechanisms.len != 0 && login_is_allowed(&s->base))
		conn_printf(s->conn, "250-AUTH %.*s\r\n", STR_ARG(mechanisms));
	hello_offer_limits(s, settings);
	conn_write_c(s->conn, "250-ENHANCEDSTATUSCODES\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n"
			      "250-CHUNKING\r\n250-DSN\r\n250-MT-PRIORITY MIXER\r\n250 HELP\r\n");
}

enum smtp_status
smtp_cmd_ehlo(struct smtp_session *s, struct str argument)
{
	if (!hello_take_name(s, argument)) {
		smtp_reply(s, REPLY_SYNTAX, STR("EHLO hostname"));
		return SMTP_DONE;
	}
	smtp_transaction_reset(s);
	smtp_set_state(s, SMTP_GREETED);
	s->esmtp = true;
	conn_printf(s->conn, "250-%s\r\n", smtp_hostname(conn_frontend(s->conn)));
	hello_offer_extensions(s, smtp_settings(s));
	return SMTP_DONE;
}

enum smtp_status
smtp_cmd_starttls(struct smtp_session *s, struct str argument)
{
	(void)argument;
	if (conn_is_tls(s->conn)) {
		smtp_reply(s, REPLY_BAD_SEQUENCE, STR("TLS is already in use"));
		return SMTP_DONE;
	}
	if (!conn_tls_available(s->conn)) {
		smtp_reply(s, REPLY_NOT_IMPLEMENTED, STR_NONE);
		return SMTP_DONE;
	}
	smtp_transaction_reset(s);
	smtp_reply(s, REPLY_TLS_READY, STR_NONE);
	session_start_tls(&s->base);
	return SMTP_DONE;
}
