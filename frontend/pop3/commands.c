/* The dispatcher. A command's row says when it is allowed and how many arguments it
 * has; its handler judges only their meaning. */
#include "frontend/pop3/private.h"

static const struct pop3_command *
find_in(const struct pop3_command *commands, struct str verb)
{
	for (; commands->verb != NULL; commands++)
		if (str_eq_ci(verb, str_c(commands->verb)))
			return commands;
	return NULL;
}

static const struct pop3_command *
commands_find_command(struct str verb)
{
	const struct pop3_command *command = find_in(pop3_transaction_commands, verb);

	if (command == NULL)
		command = find_in(pop3_login_commands, verb);
	return command != NULL ? command : find_in(pop3_capability_commands, verb);
}

static enum cmd_status
commands_refuse(struct pop3_session *s, enum pop3_reply_name reply)
{
	pop3_reply(s, reply);
	return CMD_REFUSED;
}

enum cmd_status
pop3_dispatch(struct pop3_session *s, struct str line)
{
	const struct pop3_command *command;
	struct cmd_args args;
	struct str verb;

	if (!pop3_parse_line(line, &verb, &args))
		return commands_refuse(s, line.len != 0 ? POP3_BAD_LINE : POP3_UNKNOWN_COMMAND);
	command = commands_find_command(verb);
	if (line.len + 2 > (command != NULL ? command->line_max : POP3_LINE_MAX))
		return commands_refuse(s, POP3_LINE_TOO_LONG);
	if (command == NULL)
		return commands_refuse(s, POP3_UNKNOWN_COMMAND);
	if ((command->states & s->state) == 0)
		return commands_refuse(s, POP3_NOT_NOW);
	if (args.count < command->args_min || args.count > command->args_max)
		return commands_refuse(s, POP3_BAD_ARGUMENTS);
	return command->handler(s, &args);
}
