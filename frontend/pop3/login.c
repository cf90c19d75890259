/* Login: USER and PASS (RFC 1939, section 7), AUTH (RFC 5034), STLS (RFC 2595). APOP
 * is not supported, because it needs passwords stored in readable form. */
#include <limits.h>

#include "frontend/core/login.h"
#include "frontend/pop3/private.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

struct str
pop3_mechanisms(const struct pop3_session *s)
{
	return login_is_allowed(&s->base) ? login_mechanisms(&s->base, true) : STR_NONE;
}

static enum cmd_status
pop3_login_refuse(struct pop3_session *s, enum pop3_reply_name reply)
{
	pop3_reply(s, reply);
	return CMD_REFUSED;
}

/* ---- The result, for PASS and AUTH alike ---- */

static enum pop3_reply_name
login_reply(enum auth_result result)
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

bool
pop3_on_login(struct session *base, enum auth_result result)
{
	struct pop3_session *s = (struct pop3_session *)base;

	if (result == AUTH_OK) {
		if (s->state != POP3_OPENING)
			pop3_set_state(s, POP3_OPENING);
		pop3_forget_user(s);
		pop3_maildrop_open(s, str_c(s->account));
		return false;
	}
	pop3_set_state(s, POP3_AUTHORIZATION);
	pop3_reply(s, login_reply(result));
	pop3_forget_user(s);
	return true;
}

/* ---- USER and PASS ---- */

static enum cmd_status
cmd_user(struct pop3_session *s, const struct cmd_args *args)
{
	if (!login_is_allowed(&s->base))
		return pop3_login_refuse(s, POP3_NEEDS_TLS);
	pop3_forget_user(s);
	s->user = str_dup(str_trim(args->rest));
	pop3_set_state(s, POP3_NAMED);
	pop3_reply(s, POP3_OK_USER); /* does not reveal whether the user exists */
	return CMD_DONE;
}

static enum cmd_status
cmd_pass(struct pop3_session *s, const struct cmd_args *args)
{
	/* Everything after the blank: a password may contain blanks too. */
	pop3_set_state(s, POP3_OPENING);
	login_by_password(&s->base, str_c(s->user), args->rest);
	return CMD_WAIT;
}

/* ---- AUTH ---- */

void
pop3_on_challenge(struct session *s, struct str challenge)
{
	conn_write_c(s->conn, "+ ");
	conn_write(s->conn, challenge.p, challenge.len);
	conn_write_c(s->conn, "\r\n");
}

/* AUTH alone lists the mechanisms, as clients from before RFC 2449 expect. */
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
	if (args->count == 0)
		return list_mechanisms(s);
	if (!login_is_allowed(&s->base))
		return pop3_login_refuse(s, POP3_NEEDS_TLS);
	if (!login_is_offered(pop3_mechanisms(s), args->v[0]))
		return pop3_login_refuse(s, POP3_UNKNOWN_MECHANISM);
	pop3_forget_user(s);
	pop3_set_state(s, POP3_SASL);
	return login_begin(&s->base, args->v[0], args->count == 2 ? args->v[1] : STR_NONE) ? CMD_DONE : CMD_WAIT;
}

enum cmd_status
pop3_sasl_line(struct pop3_session *s, struct str line)
{
	return login_respond(&s->base, line) ? CMD_DONE : CMD_WAIT;
}

/* ---- STLS ---- */

static enum cmd_status
cmd_stls(struct pop3_session *s, const struct cmd_args *args)
{
	(void)args;
	if (conn_is_tls(s->conn) || !conn_tls_available(s->conn))
		return pop3_login_refuse(s, POP3_NO_TLS);
	pop3_reply(s, POP3_OK_STLS);
	session_start_tls(&s->base);
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
