/* LOGIN, AUTHENTICATE (RFC 9051, 6.2; SASL-IR: RFC 4959), STARTTLS, and
 * UNAUTHENTICATE (RFC 8437). */
#include "frontend/imap/login.h"

#include "frontend/imap/accounts.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

struct imap_login {
	struct auth_request *check; /* owner; LOGIN */
	struct sasl *sasl;	    /* owner; AUTHENTICATE */
	bool over;
};

bool
imap_may_login(const struct imap_session *s)
{
	return conn_is_secure(s->conn) || imap_settings(s)->allow_insecure_auth;
}

void
imap_login_free(struct imap_login **l)
{
	if (*l == NULL)
		return;
	auth_cancel(&(*l)->check);
	sasl_free(&(*l)->sasl);
	mem_free(*l);
	*l = NULL;
}

void
imap_login_clean(struct imap_session *s)
{
	if (s->login != NULL && s->login->over)
		imap_login_free(&s->login);
}

static void
begin_login(struct imap_session *s)
{
	imap_login_clean(s);
	CHECK(s->login == NULL);
	s->login = mem_new(struct imap_login);
}

/* ---- The result, of both alike ---- */

static enum cmd_status
refuse_login(struct imap_session *s, enum auth_result result)
{
	switch (result) {
	case AUTH_FAILED:
		s->bad_commands++;
		return imap_finish(s, IMAP_NO, "[AUTHENTICATIONFAILED] wrong user name or password");
	case AUTH_DISABLED: return imap_finish(s, IMAP_NO, "[AUTHORIZATIONFAILED] the account is disabled");
	case AUTH_UNAVAILABLE:
		return imap_finish(s, IMAP_NO, "[UNAVAILABLE] logging in is not possible for now, try later");
	case AUTH_ABORTED: return imap_finish(s, IMAP_BAD, "authentication cancelled");
	default: return imap_finish(s, IMAP_BAD, "malformed authentication response");
	}
}

static enum cmd_status
finish_login(struct imap_session *s, enum auth_result result, const struct auth_identity *identity)
{
	struct buf capabilities = BUF_EMPTY;

	s->login->over = true;
	if (result != AUTH_OK) {
		metrics_add(M_AUTH_FAILED, 1);
		log_info(conn_log(s->conn), "login refused", F_I64("result", result));
		return refuse_login(s, result);
	}
	metrics_add(M_AUTH_OK, 1);
	log_info(conn_log(s->conn), "authenticated", F_C("account", identity->address));
	s->address = mem_strdup(identity->address);
	s->quota_bytes = identity->quota_bytes;
	imap_accounts_enter(s);
	imap_set_state(s, IMAP_AUTHENTICATED);
	imap_print_capabilities(s, &capabilities);
	imap_finish(s, IMAP_OK, "[CAPABILITY %s] logged in", capabilities.data);
	buf_fini(&capabilities);
	return CMD_DONE;
}

/* ---- LOGIN ---- */

static void
on_checked(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct imap_session *s = arg;

	s->login->check = NULL;
	finish_login(s, result, identity);
}

static enum cmd_status
cmd_login(struct imap_session *s, struct imap_lexer *lex)
{
	struct str user, password;

	if (!imap_lex_sp(lex) || !imap_lex_astring(lex, &user) || !imap_lex_sp(lex) ||
	    !imap_lex_astring(lex, &password) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (!imap_may_login(s))
		return imap_finish(s, IMAP_NO, "[PRIVACYREQUIRED] no passwords without TLS, begin with STARTTLS");
	begin_login(s);
	s->login->check =
		auth_check_password(conn_frontend(s->conn)->auth, user, password, conn_peer(s->conn), on_checked, s);
	return CMD_WAIT;
}

/* ---- AUTHENTICATE ---- */

static void
on_response(struct imap_session *s, struct str line)
{
	struct str response;
	bool aborted = false, ok;

	s->on_line = NULL;
	ok = line.p != NULL && sasl_decode(&s->command, line, &response, &aborted);
	if (!ok || aborted) {
		sasl_free(&s->login->sasl);
		finish_login(s, ok ? AUTH_ABORTED : AUTH_MALFORMED, NULL);
		return;
	}
	sasl_respond(s->login->sasl, response);
	if (s->row != NULL && s->on_line == NULL)
		conn_pause(s->conn);
}

static void
on_challenge(void *arg, struct str challenge)
{
	struct imap_session *s = arg;
	struct buf text = BUF_EMPTY;

	base64_encode(challenge, &text);
	conn_printf(s->conn, "+ %s\r\n", text.len != 0 ? text.data : "");
	buf_fini(&text);
	s->on_line = on_response;
	imap_resume(s);
}

static void
on_sasl_done(void *arg, enum auth_result result, const struct auth_identity *identity, struct str final_data)
{
	(void)final_data;
	finish_login(arg, result, identity);
}

static const struct sasl_events sasl_events = {.on_challenge = on_challenge, .on_done = on_sasl_done};

static enum cmd_status
start_sasl(struct imap_session *s, struct str mechanism, const struct str *initial)
{
	unsigned char exporter[32];
	struct sasl_options options = {.peer = conn_peer(s->conn)};
	struct sasl *sasl;

	if (conn_tls_exporter(s->conn, exporter))
		options.exporter = exporter;
	begin_login(s);
	sasl = sasl_start(conn_frontend(s->conn)->auth, mechanism, initial, &options, &sasl_events, s);
	if (sasl == NULL) {
		s->login->over = true;
		return imap_finish(s, IMAP_NO, "[CANNOT] unknown authentication mechanism");
	}
	s->login->sasl = sasl;
	return s->row != NULL ? CMD_WAIT : CMD_DONE;
}

static enum cmd_status
cmd_authenticate(struct imap_session *s, struct imap_lexer *lex)
{
	struct str mechanism, text, initial = STR_NONE;
	bool aborted = false, has_initial;

	if (!imap_lex_sp(lex) || !imap_lex_atom(lex, &mechanism))
		return imap_syntax(s, lex);
	has_initial = imap_lex_try(lex, ' ');
	if (has_initial && !imap_lex_atom(lex, &text))
		return imap_syntax(s, lex);
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (!imap_may_login(s))
		return imap_finish(s, IMAP_NO, "[PRIVACYREQUIRED] no passwords without TLS, begin with STARTTLS");
	if (!sasl_is_known(mechanism))
		return imap_finish(s, IMAP_NO, "[CANNOT] unknown authentication mechanism");
	if (has_initial && (!sasl_decode(&s->command, text, &initial, &aborted) || aborted))
		return imap_finish(s, IMAP_BAD, "malformed initial response");
	return start_sasl(s, mechanism, has_initial ? &initial : NULL);
}

/* ---- STARTTLS, UNAUTHENTICATE ---- */

static enum cmd_status
cmd_starttls(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (conn_is_tls(s->conn) || !conn_tls_available(s->conn))
		return imap_finish(s, IMAP_BAD, "TLS is not available, or in use already");
	imap_finish(s, IMAP_OK, "begin TLS");
	imap_set_state(s, IMAP_STARTING_TLS);
	conn_start_tls(s->conn);
	return CMD_DONE;
}

static enum cmd_status
cmd_unauthenticate(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	log_info(conn_log(s->conn), "unauthenticated", F_C("account", s->address));
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
