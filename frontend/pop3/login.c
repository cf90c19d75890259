/* Logging in: USER and PASS (RFC 1939, section 7), AUTH (RFC 5034), STLS (RFC
 * 2595). APOP would need passwords that can be read, so there is none. */
#include <limits.h>

#include "frontend/pop3/private.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

/* Passwords are not asked for where others may listen. */
bool
pop3_may_login(const struct pop3_session *s)
{
	return conn_is_secure(s->conn) || pop3_settings(s)->allow_insecure_auth;
}

struct str
pop3_mechanisms(const struct pop3_session *s)
{
	unsigned char exporter[32];

	if (!pop3_may_login(s))
		return STR_NONE;
	return conn_tls_exporter(s->conn, exporter) ? STR("PLAIN LOGIN SCRAM-SHA-256 SCRAM-SHA-256-PLUS")
						    : STR("PLAIN LOGIN SCRAM-SHA-256");
}

static bool
is_offered(const struct pop3_session *s, struct str mechanism)
{
	struct str word, rest = pop3_mechanisms(s);

	while (str_next_word(&rest, " ", &word))
		if (str_eq_ci(word, mechanism))
			return sasl_is_known(mechanism);
	return false;
}

static enum cmd_status
refuse(struct pop3_session *s, enum pop3_reply_name reply)
{
	pop3_reply(s, reply);
	return CMD_REFUSED;
}

/* ---- The result, of PASS and AUTH alike ---- */

static enum pop3_reply_name
reply_for(enum auth_result result)
{
	switch (result) {
	case AUTH_FAILED: return POP3_AUTH_FAILED;
	case AUTH_DISABLED: return POP3_AUTH_DISABLED;
	case AUTH_MALFORMED: return POP3_AUTH_MALFORMED;
	case AUTH_ABORTED: return POP3_AUTH_CANCELLED;
	case AUTH_UNAVAILABLE: return POP3_AUTH_UNAVAILABLE;
	case AUTH_OK: break;
	}
	CHECKF(false, "result %d", (int)result);
	return POP3_AUTH_FAILED;
}

/* True: the maildrop is being opened. */
static bool
finish_login(struct pop3_session *s, enum auth_result result, const struct auth_identity *identity)
{
	if (result == AUTH_OK) {
		metrics_add(M_AUTH_OK, 1);
		log_info(conn_log(s->conn), "authenticated", F_C("account", identity->address));
		if (s->state != POP3_OPENING)
			pop3_set_state(s, POP3_OPENING);
		pop3_forget_user(s);
		pop3_maildrop_open(s, str_c(identity->address));
		return true;
	}
	metrics_add(M_AUTH_FAILED, 1);
	pop3_set_state(s, POP3_AUTHORIZATION);
	pop3_reply(s, reply_for(result));
	pop3_forget_user(s);
	return false;
}

/* ---- USER and PASS ---- */

static enum cmd_status
cmd_user(struct pop3_session *s, const struct cmd_args *args)
{
	if (!pop3_may_login(s))
		return refuse(s, POP3_NEEDS_TLS);
	pop3_forget_user(s);
	s->user = str_dup(str_trim(args->rest));
	pop3_set_state(s, POP3_NAMED);
	pop3_reply(s, POP3_OK_USER); /* whether there is such a user is not told */
	return CMD_DONE;
}

static void
on_checked(void *arg, enum auth_result result, const struct auth_identity *identity)
{
	struct pop3_session *s = arg;

	s->check = NULL;
	if (!finish_login(s, result, identity))
		pop3_resume(s);
}

static enum cmd_status
cmd_pass(struct pop3_session *s, const struct cmd_args *args)
{
	/* All behind the blank: a password may have blanks too. */
	pop3_set_state(s, POP3_OPENING);
	s->check = auth_check_password(conn_frontend(s->conn)->auth, str_c(s->user), args->rest, conn_peer(s->conn),
				       on_checked, s);
	return CMD_WAIT;
}

/* ---- AUTH: what the engine says may come from within our own calls ---- */

static void
on_challenge(void *arg, struct str challenge)
{
	struct pop3_session *s = arg;
	struct buf text = BUF_EMPTY;

	buf_add_c(&text, "+ ");
	base64_encode(challenge, &text);
	buf_add_c(&text, "\r\n");
	conn_write(s->conn, text.data, text.len);
	buf_fini(&text);
	s->sasl_answered = true;
	pop3_resume(s);
}

static void
on_done(void *arg, enum auth_result result, const struct auth_identity *identity, struct str final_data)
{
	struct pop3_session *s = arg;

	(void)final_data; /* sent as a challenge before, since +OK carries none */
	s->sasl_over = true;
	if (finish_login(s, result, identity))
		return;
	s->sasl_answered = true;
	pop3_resume(s);
}

static const struct sasl_events events = {.on_challenge = on_challenge, .on_done = on_done};

static enum cmd_status
start(struct pop3_session *s, struct str mechanism, const struct str *initial)
{
	unsigned char exporter[32];
	bool has_exporter = conn_tls_exporter(s->conn, exporter);
	struct sasl_options options = {
		.peer = conn_peer(s->conn), .success_data = false, .exporter = has_exporter ? exporter : NULL};

	pop3_forget_user(s);
	pop3_set_state(s, POP3_SASL);
	s->sasl_answered = false;
	CHECK(s->sasl == NULL);
	s->sasl = sasl_start(conn_frontend(s->conn)->auth, mechanism, initial, &options, &events, s);
	CHECKF(s->sasl != NULL, "mechanism %.*s", STR_ARG(mechanism));
	return s->sasl_answered ? CMD_DONE : CMD_WAIT;
}

/* AUTH alone lists the mechanisms, as clients from before RFC 2449 want it. */
static enum cmd_status
list_mechanisms(struct pop3_session *s)
{
	struct str word, rest = pop3_mechanisms(s);

	pop3_reply(s, POP3_OK_SASL);
	while (str_next_word(&rest, " ", &word))
		conn_printf(s->conn, "%.*s\r\n", STR_ARG(word));
	conn_write_c(s->conn, ".\r\n");
	return CMD_DONE;
}

static enum cmd_status
cmd_auth(struct pop3_session *s, const struct cmd_args *args)
{
	struct str initial = STR_NONE;
	bool aborted = false;

	if (args->count == 0)
		return list_mechanisms(s);
	if (!pop3_may_login(s))
		return refuse(s, POP3_NEEDS_TLS);
	if (!is_offered(s, args->v[0]))
		return refuse(s, POP3_UNKNOWN_MECHANISM);
	if (args->count == 2 && (!sasl_decode(&s->command, args->v[1], &initial, &aborted) || aborted))
		return refuse(s, POP3_AUTH_MALFORMED);
	sasl_free(&s->sasl); /* of a try before: it is not our caller */
	s->sasl_over = false;
	return start(s, args->v[0], args->count == 2 ? &initial : NULL);
}

void
pop3_sasl_refuse(struct pop3_session *s)
{
	sasl_free(&s->sasl);
	finish_login(s, AUTH_MALFORMED, NULL);
}

enum cmd_status
pop3_sasl_line(struct pop3_session *s, struct str line)
{
	struct str response;
	bool aborted = false;

	if (!sasl_decode(&s->command, line, &response, &aborted)) {
		pop3_sasl_refuse(s);
		return CMD_REFUSED;
	}
	if (aborted) {
		sasl_free(&s->sasl);
		finish_login(s, AUTH_ABORTED, NULL);
		return CMD_REFUSED;
	}
	s->sasl_answered = false;
	sasl_respond(s->sasl, response);
	return s->sasl_answered ? CMD_DONE : CMD_WAIT;
}

/* ---- STLS ---- */

static enum cmd_status
cmd_stls(struct pop3_session *s, const struct cmd_args *args)
{
	(void)args;
	if (conn_is_tls(s->conn) || !conn_tls_available(s->conn))
		return refuse(s, POP3_NO_TLS);
	pop3_reply(s, POP3_OK_STLS);
	pop3_set_state(s, POP3_STARTING_TLS);
	conn_set_timeout(s->conn, pop3_settings(s)->command_timeout);
	conn_start_tls(s->conn);
	return CMD_DONE;
}

const struct pop3_command pop3_login_commands[] = {
	/* verb, allowed in, args, line, handler */
	{"USER", POP3_BEFORE_LOGIN, 1, UINT_MAX, POP3_LINE_USER_MAX, cmd_user},
	{"PASS", POP3_NAMED, 0, UINT_MAX, POP3_LINE_USER_MAX, cmd_pass},
	{"AUTH", POP3_BEFORE_LOGIN, 0, 2, POP3_LINE_MAX, cmd_auth},
	{"STLS", POP3_BEFORE_LOGIN, 0, 0, POP3_LINE_MAX, cmd_stls},
	{NULL, 0, 0, 0, 0, NULL},
};
