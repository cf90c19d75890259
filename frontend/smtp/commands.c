/* The table of commands, its dispatcher, and the short commands. */
#include <string.h>

#include "frontend/smtp/private.h"

/* A line from a web browser, or from a request forged through one: nothing that
 * follows it can be meant for us. */
static enum smtp_status
cmd_http(struct smtp_session *s, struct str argument)
{
	(void)argument;
	return smtp_close(s, REPLY_NOT_SMTP);
}

static enum smtp_status
commands_noop(struct smtp_session *s, struct str argument)
{
	(void)argument;
	smtp_reply(s, REPLY_OK, STR_NONE);
	return SMTP_DONE;
}

static enum smtp_status
commands_rset(struct smtp_session *s, struct str argument)
{
	(void)argument;
	smtp_transaction_reset(s);
	smtp_reply(s, REPLY_RESET, STR_NONE);
	return SMTP_DONE;
}

static enum smtp_status
commands_quit(struct smtp_session *s, struct str argument)
{
	(void)argument;
	return smtp_close(s, REPLY_GOODBYE);
}

static const struct smtp_command *
command_find(struct str verb)
{
	for (const struct smtp_command *command = smtp_commands; command->verb != NULL; command++)
		if (str_eq_ci(verb, str_c(command->verb)))
			return command;
	return NULL;
}

/* "214-2.0.0 ..." for one command or for all. */
static enum smtp_status
cmd_help(struct smtp_session *s, struct str argument)
{
	const struct smtp_command *one = command_find(argument);

	if (one != NULL && one->syntax != NULL) {
		conn_printf(s->conn, "214 2.0.0 Syntax: %s\r\n", one->syntax);
		return SMTP_DONE;
	}
	conn_write_c(s->conn, "214-2.0.0 Commands:\r\n");
	for (const struct smtp_command *command = smtp_commands; command->verb != NULL; command++)
		if (command->syntax != NULL && command->syntax[0] != '\0')
			conn_printf(s->conn, "214-2.0.0   %s\r\n", command->syntax);
	conn_write_c(s->conn, "214 2.0.0 End of help\r\n");
	return SMTP_DONE;
}

#define IN_TRANSACTION (SMTP_MAIL | SMTP_RCPT)
#define AFTER_HELLO    (SMTP_GREETED | SMTP_MAIL | SMTP_RCPT | SMTP_CHUNKED)

/* BDAT is allowed in any state, because its octets must be read in any. */
const struct smtp_command smtp_commands[] = {
	/* verb, states, order, argument, syntax, line_max, handler */
	{"MAIL", SMTP_GREETED, "MAIL once, after EHLO or HELO", ARG_REQUIRED, "MAIL FROM:<reverse-path> [parameters]",
	 SMTP_LINE_LONG_MAX, smtp_cmd_mail},
	{"RCPT", IN_TRANSACTION, "RCPT after MAIL, before DATA", ARG_REQUIRED, "RCPT TO:<forward-path> [parameters]",
	 SMTP_LINE_LONG_MAX, smtp_cmd_rcpt},
	{"DATA", IN_TRANSACTION, "DATA after MAIL and RCPT", ARG_NONE, "DATA", SMTP_LINE_MAX, smtp_cmd_data},
	{"BDAT", SMTP_ANY_COMMAND, "", ARG_REQUIRED, "BDAT octets [LAST]", SMTP_LINE_MAX, smtp_cmd_bdat},
	{"EHLO", SMTP_ANY_COMMAND, "", ARG_REQUIRED, "EHLO hostname", SMTP_LINE_MAX, smtp_cmd_ehlo},
	{"HELO", SMTP_ANY_COMMAND, "", ARG_REQUIRED, "HELO hostname", SMTP_LINE_MAX, smtp_cmd_helo},
	{"RSET", SMTP_ANY_COMMAND, "", ARG_NONE, "RSET", SMTP_LINE_MAX, commands_rset},
	{"NOOP", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, "NOOP [anything]", SMTP_LINE_MAX, commands_noop},
	{"QUIT", SMTP_ANY_COMMAND, "", ARG_NONE, "QUIT", SMTP_LINE_MAX, commands_quit},
	{"AUTH", SMTP_GREETED, "AUTH after EHLO, outside a transaction", ARG_REQUIRED,
	 "AUTH mechanism [initial-response]", SMTP_LINE_AUTH_MAX, smtp_cmd_auth},
	{"STARTTLS", AFTER_HELLO, "STARTTLS after EHLO", ARG_NONE, "STARTTLS", SMTP_LINE_MAX, smtp_cmd_starttls},
	{"VRFY", SMTP_ANY_COMMAND, "", ARG_REQUIRED, "VRFY address", SMTP_LINE_LONG_MAX, smtp_cmd_vrfy},
	{"EXPN", SMTP_ANY_COMMAND, "", ARG_REQUIRED, "EXPN list", SMTP_LINE_LONG_MAX, smtp_cmd_expn},
	{"HELP", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, "HELP [command]", SMTP_LINE_MAX, cmd_help},
	/* Known but not served. */
	{"ETRN", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, NULL, SMTP_LINE_MAX, NULL},
	{"ATRN", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, NULL, SMTP_LINE_MAX, NULL},
	{"TURN", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, NULL, SMTP_LINE_MAX, NULL},
	{"SEND", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, NULL, SMTP_LINE_MAX, NULL},
	{"SOML", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, NULL, SMTP_LINE_MAX, NULL},
	{"SAML", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, NULL, SMTP_LINE_MAX, NULL},
	{"GET", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, "", SMTP_LINE_AUTH_MAX, cmd_http},
	{"POST", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, "", SMTP_LINE_AUTH_MAX, cmd_http},
	{"PUT", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, "", SMTP_LINE_AUTH_MAX, cmd_http},
	{"CONNECT", SMTP_ANY_COMMAND, "", ARG_OPTIONAL, "", SMTP_LINE_AUTH_MAX, cmd_http},
	{NULL, 0, NULL, ARG_NONE, NULL, 0, NULL},
};

/* No legitimate client sends a CR, LF or NUL within a line. */
static bool
command_has_stray_bytes(struct str line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.p[i] == '\r' || line.p[i] == '\n' || line.p[i] == '\0')
			return true;
	return false;
}

static enum smtp_status
command_refuse(struct smtp_session *s, enum smtp_reply_name reply, const char *argument)
{
	smtp_reply(s, reply, str_c(argument));
	return SMTP_DONE;
}

enum smtp_status
smtp_dispatch(struct smtp_session *s, struct str line)
{
	struct str verb, argument;
	const struct smtp_command *command;

	str_cut(line, ' ', &verb, &argument);
	argument = str_trim(argument);
	command = command_find(verb);
	if (command_has_stray_bytes(line))
		return command_refuse(s, REPLY_BARE_LINE_END, NULL);
	if (line.len + 2 > (command != NULL ? command->line_max : SMTP_LINE_MAX))
		return command_refuse(s, REPLY_LINE_TOO_LONG, NULL);
	if (command == NULL)
		return command_refuse(s, REPLY_UNKNOWN_COMMAND, NULL);
	if (command->handler == NULL)
		return command_refuse(s, REPLY_NOT_IMPLEMENTED, NULL);
	if ((command->states & s->state) == 0)
		return command_refuse(s, REPLY_BAD_SEQUENCE, command->order);
	if ((command->argument == ARG_NONE && argument.len != 0) ||
	    (command->argument == ARG_REQUIRED && argument.len == 0))
		return command_refuse(s, REPLY_SYNTAX, command->syntax);
	return command->handler(s, argument);
}
