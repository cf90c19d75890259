/* CAPABILITY, NOOP, CHECK, LOGOUT, ID (RFC 2971), ENABLE (RFC 5161), NAMESPACE
 * (RFC 2342). */
#include <stdio.h>

#include "frontend/imap/private.h"

static enum cmd_status
cmd_capability(struct imap_session *s, struct imap_lexer *lex)
{
	struct buf capabilities = BUF_EMPTY;

	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	imap_print_capabilities(s, &capabilities);
	imap_untagged(s, "CAPABILITY %s", capabilities.data);
	buf_fini(&capabilities);
	return imap_ok(s);
}

/* Missing news from the store is no reason to fail: the client will poll again. */
static void
cmd_session_on_refreshed(struct imap_session *s, const struct err *err)
{
	(void)err;
	imap_ok(s);
}

static enum cmd_status
cmd_session_noop(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (s->view == NULL)
		return imap_ok(s);
	imap_view_refresh(s, cmd_session_on_refreshed);
	return CMD_WAIT;
}

static enum cmd_status
cmd_logout(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	imap_untagged(s, "BYE until next time");
	imap_ok(s);
	imap_set_state(s, IMAP_LOGGED_OUT);
	conn_close(s->conn);
	return CMD_DONE;
}

/* ---- ID ---- */

enum { ID_FIELDS_MAX = 30 };

/* The client's name and version, for the log. */
static bool
cmd_session_take_id(struct imap_lexer *lex, struct str *name_out, struct str *version_out)
{
	struct str field, value;
	unsigned count = 0;

	if (imap_lex_try_word(lex, "NIL"))
		return true;
	if (!imap_lex_open(lex))
		return false;
	if (imap_lex_peek(lex) == ')')
		return imap_lex_close(lex);
	do {
		if (++count > ID_FIELDS_MAX)
			return imap_lex_fail(lex, "too many fields");
		if (!imap_lex_string(lex, &field) || !imap_lex_sp(lex) || !imap_lex_nstring(lex, &value))
			return false;
		if (str_eq_ci(field, STR("name")))
			*name_out = value;
		if (str_eq_ci(field, STR("version")))
			*version_out = value;
	} while (imap_lex_more(lex));
	return lex->error == NULL;
}

static enum cmd_status
cmd_id(struct imap_session *s, struct imap_lexer *lex)
{
	struct str name = STR_NONE, version = STR_NONE;

	if (!imap_lex_sp(lex) || !cmd_session_take_id(lex, &name, &version) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	log_info(conn_log(s->conn), "client identified itself", F_STR("name", name), F_STR("version", version));
	imap_untagged(s, "ID (\"name\" \"Stagepost\")");
	return imap_ok(s);
}

/* ---- ENABLE ---- */

static enum cmd_status
cmd_enable(struct imap_session *s, struct imap_lexer *lex)
{
	struct buf enabled = BUF_EMPTY;
	struct str name;

	do {
		unsigned bits;
		if (!imap_lex_sp(lex) || !imap_lex_atom(lex, &name)) {
			buf_fini(&enabled);
			return imap_syntax(s, lex);
		}
		bits = imap_enable_bit(name);
		if (bits == 0)
			continue;
		if ((s->enabled & bits) != bits)
			buf_printf(&enabled, " %.*s", STR_ARG(name));
		s->enabled |= bits & ~(unsigned)IMAP_CONDSTORE;
		if ((bits & IMAP_CONDSTORE) != 0)
			imap_enable_condstore(s);
	} while (!imap_lex_at_end(lex));
	imap_untagged(s, "ENABLED%s", enabled.len != 0 ? enabled.data : "");
	buf_fini(&enabled);
	return imap_ok(s);
}

static enum cmd_status
cmd_namespace(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	imap_untagged(s, "NAMESPACE ((\"\" \"/\")) NIL NIL");
	return imap_ok(s);
}

const struct imap_command imap_session_commands[] = {
	/* name, allowed in, flags, handler */
	{"CAPABILITY", IMAP_ANY, 0, cmd_capability},
	{"NOOP", IMAP_ANY, 0, cmd_session_noop},
	{"CHECK", IMAP_SELECTED, 0, cmd_session_noop},
	{"LOGOUT", IMAP_ANY, IMAP_NO_SYNC, cmd_logout},
	{"ID", IMAP_ANY, 0, cmd_id},
	{"ENABLE", IMAP_LOGGED_IN, 0, cmd_enable},
	{"NAMESPACE", IMAP_LOGGED_IN, 0, cmd_namespace},
	{NULL, 0, 0, NULL},
};
