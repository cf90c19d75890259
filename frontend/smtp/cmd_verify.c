/* VRFY and EXPN (RFC 5321, 3.5), each only if a setting allows it. */
#include "frontend/smtp/private.h"

/* The requested address: bare or in <>, perhaps followed by SMTPUTF8. A word without
 * a domain means that user in our nearest domain. */
static bool
verify_parse_address(struct smtp_session *s, struct str argument, struct smtp_path *path_out)
{
	struct str text, parameter, rest;

	if (str_ends_ci(argument, STR(" SMTPUTF8")))
		argument = str_trim(str_first(argument, argument.len - strlen(" SMTPUTF8")));
	if (argument.len != 0 && argument.p[0] == '<')
		return smtp_path_parse(argument, true, &s->command.arena, path_out, &rest) == SMTP_PATH_OK &&
		       rest.len == 0 && path_out->kind != SMTP_PATH_NULL;
	if (smtp_address_parse(argument, true, &s->command.arena, path_out) == SMTP_PATH_OK)
		return true;
	/* Is it a local part? Then it is an address once any domain is added. */
	if (str_cut(argument, '@', &text, &parameter))
		return false;
	text = str_c(arena_printf(&s->command.arena, "%.*s@localhost", STR_ARG(argument)));
	if (smtp_address_parse(text, true, &s->command.arena, path_out) != SMTP_PATH_OK)
		return false;
	path_out->domain = STR_NONE;
	return true;
}

static enum smtp_status
verify_answer(struct smtp_session *s, enum smtp_reply_name reply, struct str argument)
{
	smtp_reply(s, reply, argument);
	return SMTP_DONE;
}

static enum smtp_status
verify_on_found(struct smtp_session *s, const struct smtp_found *found, void *arg)
{
	(void)arg;
	if (found->err != NULL)
		return verify_answer(s, REPLY_STORE_UNAVAILABLE, STR_NONE);
	switch (found->result->kind) {
	case DIR_USER:
	case DIR_ALIAS:
	case DIR_CATCH_ALL:
	case DIR_UNCLAIMED: return verify_answer(s, REPLY_VERIFIED, found->address);
	case DIR_NOT_LOCAL: return verify_answer(s, REPLY_NOT_VERIFIED, STR_NONE);
	case DIR_DISABLED: return verify_answer(s, REPLY_USER_DISABLED, found->address);
	case DIR_UNKNOWN: break;
	}
	return verify_answer(s, REPLY_UNKNOWN_USER, found->address);
}

static enum smtp_status
verify_on_expanded(struct smtp_session *s, const struct smtp_found *found, void *arg)
{
	const struct directory_result *result = found->result;

	if (found->err != NULL || result->kind != DIR_ALIAS || result->target_count == 0)
		return verify_on_found(s, found, arg);
	for (unsigned i = 0; i < result->target_count; i++)
		conn_printf(s->conn, "250%c2.1.5 <%.*s>\r\n", i + 1 < result->target_count ? '-' : ' ',
			    STR_ARG(result->targets[i]));
	return SMTP_DONE;
}

static enum smtp_status
verify_look_up(struct smtp_session *s, struct str argument, smtp_on_found *done)
{
	struct smtp_path path;

	if (!verify_parse_address(s, argument, &path))
		return verify_answer(s, REPLY_SYNTAX, STR("VRFY address, EXPN list"));
	return smtp_lookup(s, &path, done, NULL);
}

enum smtp_status
smtp_cmd_vrfy(struct smtp_session *s, struct str argument)
{
	if (!smtp_settings(s)->enable_vrfy)
		return verify_answer(s, REPLY_NOT_VERIFIED, STR_NONE);
	return verify_look_up(s, argument, verify_on_found);
}

enum smtp_status
smtp_cmd_expn(struct smtp_session *s, struct str argument)
{
	if (!smtp_settings(s)->enable_expn)
		return verify_answer(s, REPLY_DISABLED_COMMAND, STR_NONE);
	return verify_look_up(s, argument, verify_on_expanded);
}
