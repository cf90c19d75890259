/* CAPA (RFC 2449), UTF8 and LANG (RFC 6856), QUIT before login. */
#include "frontend/pop3/private.h"

/* EXPIRE NEVER: mail is kept until the user deletes it. */
static enum cmd_status
cmd_capa(struct pop3_session *s, const struct cmd_args *args)
{
	struct str mechanisms = pop3_mechanisms(s);
	bool before_login = (s->state & POP3_BEFORE_LOGIN) != 0;
	long long delay = (long long)((pop3_settings(s)->login_delay + 999) / 1000);

	(void)args;
	pop3_reply(s, POP3_OK_CAPA);
	conn_write_c(s->conn, "TOP\r\nUIDL\r\nPIPELINING\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nEXPIRE NEVER\r\n"
			      "UTF8 USER\r\nLANG\r\n");
	if (delay != 0)
		conn_printf(s->conn, "LOGIN-DELAY %lld\r\n", delay);
	if (before_login && conn_tls_available(s->conn) && !conn_is_tls(s->conn))
		conn_write_c(s->conn, "STLS\r\n");
	if (mechanisms.len != 0)
		conn_printf(s->conn, "USER\r\nSASL %.*s\r\n", STR_ARG(mechanisms));
	conn_write_c(s->conn, "IMPLEMENTATION Stagepost\r\n.\r\n");
	return CMD_DONE;
}

/* Messages are always sent as they were received, and names and passwords are always
 * UTF-8: UTF8 changes nothing. */
static enum cmd_status
cmd_utf8(struct pop3_session *s, const struct cmd_args *args)
{
	(void)args;
	pop3_reply(s, POP3_OK_UTF8);
	return CMD_DONE;
}

static enum cmd_status
cmd_lang(struct pop3_session *s, const struct cmd_args *args)
{
	if (args->count == 0) {
		pop3_reply(s, POP3_OK_LANGS);
		conn_write_c(s->conn, "en English\r\ni-default English, the default\r\n.\r\n");
		return CMD_DONE;
	}
	if (!pop3_is_our_language(args->v[0])) {
		pop3_reply(s, POP3_NO_SUCH_LANGUAGE);
		return CMD_REFUSED;
	}
	pop3_reply(s, POP3_OK_LANG);
	return CMD_DONE;
}

static enum cmd_status
cmd_capability_quit(struct pop3_session *s, const struct cmd_args *args)
{
	(void)args;
	if (s->state != POP3_TRANSACTION)
		return pop3_close(s, POP3_OK_BYE);
	pop3_set_state(s, POP3_UPDATE);
	pop3_maildrop_update(s);
	return CMD_WAIT;
}

const struct pop3_command pop3_capability_commands[] = {
	/* verb, allowed in, args, line, handler */
	{"CAPA", POP3_ANY_COMMAND, 0, 0, POP3_LINE_MAX, cmd_capa},
	{"UTF8", POP3_BEFORE_LOGIN, 0, 0, POP3_LINE_MAX, cmd_utf8},
	{"LANG", POP3_ANY_COMMAND, 0, 1, POP3_LINE_MAX, cmd_lang},
	{"QUIT", POP3_ANY_COMMAND, 0, 0, POP3_LINE_MAX, cmd_capability_quit},
	{NULL, 0, 0, 0, 0, NULL},
};
