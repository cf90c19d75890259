/* LOGIN, AUTHENTICATE (RFC 9051, 6.2; SASL-IR: RFC 4959), STARTTLS, and
 * UNAUTHENTICATE (RFC 8437). */
#include "frontend/imap/session/login.h"

#include "frontend/core/login.h"

void
imap_forget_account(struct imap_session *s)
{
	imap_view_free(&s->view);
	session_forget_account(&s->base);
	s->enabled = 0;
}

/* ---- The result, for both alike ---- */

static enum cmd_status
imap_login_refuse(struct imap_session *s, enum auth_result result)
{
	switch (result) {
	case AUTH_FAILED:
		s->bad_commands++;
		return imap_finish(s, IMAP_NO, "[AUTHENTICATIONFAILED] wrong user name or password");
	case AUTH_DISABLED: return imap_finish(s, IMAP_NO, "[AUTHORIZATIONFAILED] the account is disabled");
	case AUTH_UNAVAILABLE:
		return imap_finish(s, IMAP_NO, "[UNAVAILABLE] login is temporarily unavailable, try later");
	case AUTH_ABORTED: return imap_finish(s, IMAP_BAD, "authentication cancelled");
	default: return imap_finish(s, IMAP_BAD, "malformed authentication response");
	}
}

bool
imap_on_login(struct session *base, enum auth_result result)
{
	struct imap_session *s = (struct imap_session *)base;
	struct buf capabilities = BUF_EMPTY;

	s->on_line = NULL;
	if (result != AUTH_OK) {
		imap_login_refuse(s, result);
		return true;
	}
	imap_set_state(s, IMAP_AUTHENTICATED);
	imap_print_capabilities(s, &capabilities);
	imap_finish(s, IMAP_OK, "[CAPABILITY %s] logged in", capabilities.data);
	buf_fini(&capabilities);
	return true;
}

/* ---- LOGIN ---- */

static enum cmd_status
cmd_login(struct imap_session *s, struct imap_lexer *lex)
{
	struct str user, password;

	if (!imap_lex_sp(lex) || !imap_lex_astring(lex, &user) || !imap_lex_sp(lex) ||
	    !imap_lex_astring(lex, &password) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (!login_is_allowed(&s->base))
		return imap_finish(s, IMAP_NO, "[PRIVACYREQUIRED] TLS is required for passwords, send STARTTLS first");
	login_by_password(&s->base, user, password);
	return CMD_WAIT;
}

/* ---- AUTHENTICATE ---- */

static void
imap_login_on_response(struct imap_session *s, struct str line)
{
	s->on_line = NULL;
	if (!login_respond(&s->base, line))
		conn_pause(s->conn);
}

void
imap_on_challenge(struct session *base, struct str challenge)
{
	struct imap_session *s = (struct imap_session *)base;

	conn_write_c(s->conn, "+ ");
	conn_write(s->conn, challenge.p, challenge.len);
	conn_write_c(s->conn, "\r\n");
	s->on_line = imap_login_on_response;
}

static enum cmd_status
cmd_authenticate(struct imap_session *s, struct imap_lexer *lex)
{
	struct str mechanism, initial = STR_NONE;

	if (!imap_lex_sp(lex) || !imap_lex_atom(lex, &mechanism))
		return imap_syntax(s, lex);
	if (imap_lex_try(lex, ' ') && !imap_lex_atom(lex, &initial))
		return imap_syntax(s, lex);
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (!login_is_allowed(&s->base))
		return imap_finish(s, IMAP_NO, "[PRIVACYREQUIRED] TLS is required for passwords, send STARTTLS first");
	if (!login_is_offered(login_mechanisms(&s->base, true), mechanism))
		return imap_finish(s, IMAP_NO, "[CANNOT] unknown authentication mechanism");
	login_begin(&s->base, mechanism, initial);
	return s->row != NULL ? CMD_WAIT : CMD_DONE;
}

/* ---- STARTTLS, UNAUTHENTICATE ---- */

static enum cmd_status
cmd_starttls(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (conn_is_tls(s->conn) || !conn_tls_available(s->conn))
		return imap_finish(s, IMAP_BAD, "TLS is not available, or already in use");
	imap_finish(s, IMAP_OK, "begin TLS");
	session_start_tls(&s->base);
	return CMD_DONE;
}

static enum cmd_status
cmd_unauthenticate(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	log_info(conn_log(s->conn), "unauthenticated", F_C("account", s->account));
	imap_forget_account(s);
	imap_set_state(s, IMAP_NOT_AUTHENTICATED);
	return imap_ok(s);
}

const struct imap_command imap_login_commands[] = {
	/* name, allowed in, flags, handler */
	{"LOGIN", IMAP_NOT_AUTHENTICATED, IMAP_SECRET, cmd_login},
	{"AUTHENTICATE", IMAP_NOT_AUTHENTICATED, IMAP_SECRET, cmd_authenticate},
	{"STARTTLS", IMAP_NOT_AUTHENTICATED, 0, cmd_starttls},
	{"UNAUTHENTICATE", IMAP_LOGGED_IN, IMAP_NO_SYNC, cmd_unauthenticate},
	{NULL, 0, 0, NULL},
};
