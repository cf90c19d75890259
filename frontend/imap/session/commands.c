/* The dispatcher: a command's row says when it is allowed and what it needs;
 * its handler judges only the meaning of its arguments. */
#include <stdio.h>

#include "frontend/imap/private.h"
#include "lib/base/check.h"

static const struct imap_command *const tables[] = {
	imap_data_commands,    imap_store_commands,    imap_copy_commands,    imap_expunge_commands,
	imap_append_commands,  imap_select_commands,   imap_status_commands,  imap_list_commands,
	imap_folder_commands,  imap_idle_commands,     imap_session_commands, imap_login_commands,
	imap_account_commands, imap_metadata_commands,
};

const struct imap_command *
imap_command_find(struct str name)
{
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++)
		for (const struct imap_command *row = tables[i]; row->name != NULL; row++)
			if (str_eq_ci(name, str_c(row->name)))
				return row;
	return NULL;
}

/* The command's name; two words after UID. */
static bool
command_take_name(struct imap_lexer *lex, struct str *name_out)
{
	struct str second;

	if (!imap_lex_name(lex, name_out))
		return false;
	if (!str_eq_ci(*name_out, STR("UID")) || !imap_lex_try(lex, ' ') || !imap_lex_name(lex, &second))
		return true;
	name_out->len = (size_t)(second.p + second.len - name_out->p);
	return true;
}

const struct imap_command *
imap_command_of(struct str text, struct str *tag_out)
{
	struct imap_lexer lex;
	struct str name;

	imap_lex_init(&lex, text, NULL, false);
	if (!imap_lex_tag(&lex, tag_out) || !imap_lex_sp(&lex) || !command_take_name(&lex, &name))
		return NULL;
	return imap_command_find(name);
}

/* ---- The end of a command ---- */

static const char *
command_reply_word(enum imap_reply reply)
{
	return reply == IMAP_OK ? "OK" : reply == IMAP_NO ? "NO" : "BAD";
}

static enum cmd_status
command_end(struct imap_session *s, enum imap_reply reply, struct str text)
{
	if (!conn_is_closing(s->conn)) {
		conn_printf(s->conn, "%.*s %s ", STR_ARG(s->tag), command_reply_word(reply));
		conn_write(s->conn, text.p, text.len);
		conn_write(s->conn, "\r\n", 2);
	}
	if (reply == IMAP_BAD)
		s->bad_commands++;
	s->row = NULL;
	s->work = NULL;
	s->on_cancel = NULL;
	s->on_line = NULL;
	session_resume(&s->base);
	return CMD_DONE;
}

/* What remains to be written before the tagged reply. */
struct command_ending {
	enum imap_reply reply;
	struct str text;
};

static void
command_on_told(struct imap_session *s)
{
	const struct command_ending *e = s->work;

	command_end(s, e->reply, e->text);
}

/* BAD means that the command was not understood: changes are reported by the next one. */
static bool
command_tells_changes(const struct imap_session *s, enum imap_reply reply)
{
	return !conn_is_closing(s->conn) && s->view != NULL && (s->row->flags & IMAP_NO_SYNC) == 0 && reply != IMAP_BAD;
}

enum cmd_status
imap_finish(struct imap_session *s, enum imap_reply reply, const char *format, ...)
{
	struct command_ending *e = arena_new(&s->command.arena, struct command_ending);
	struct buf text = BUF_EMPTY;
	va_list ap;

	CHECK(s->row != NULL);
	va_start(ap, format);
	buf_vprintf(&text, format, ap);
	va_end(ap);
	*e = (struct command_ending){reply, arena_str(&s->command.arena, buf_str(&text))};
	buf_fini(&text);
	s->work = e;
	s->on_cancel = NULL;
	s->on_line = NULL;
	if (!command_tells_changes(s, reply) ||
	    imap_view_sync(s, (s->row->flags & IMAP_NO_EXPUNGE) == 0, command_on_told))
		return command_end(s, e->reply, e->text);
	conn_pause(s->conn);
	return CMD_WAIT;
}

enum cmd_status
imap_ok(struct imap_session *s)
{
	return imap_finish(s, IMAP_OK, "%s completed", s->row->name);
}

enum cmd_status
imap_syntax(struct imap_session *s, const struct imap_lexer *lex)
{
	return imap_finish(s, IMAP_BAD, "%s", lex->error != NULL ? lex->error : "the command is malformed");
}

enum cmd_status
imap_failed(struct imap_session *s, const struct err *err)
{
	static const struct {
		enum err_code code;
		const char *response;
	} rows[] = {{ERR_NOT_FOUND, "NONEXISTENT"}, {ERR_EXISTS, "ALREADYEXISTS"}, {ERR_OVER_QUOTA, "OVERQUOTA"},
		    {ERR_LIMIT, "LIMIT"},	    {ERR_DENIED, "CANNOT"},	   {ERR_INVALID, "CANNOT"},
		    {ERR_NO_SPACE, "UNAVAILABLE"},  {ERR_IO, "UNAVAILABLE"},	   {ERR_UNAVAILABLE, "UNAVAILABLE"},
		    {ERR_TIMEOUT, "UNAVAILABLE"}};
	const char *response = "SERVERBUG";

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].code == err->code)
			response = rows[i].response;
	log_info(conn_log(s->conn), "command refused", F_C("command", s->row->name), F_C("account", s->account),
		 F_ERR(err));
	return imap_finish(s, IMAP_NO, "[%s] %s", response, err->text);
}

void
imap_enable_condstore(struct imap_session *s)
{
	bool was_on = (s->enabled & IMAP_CONDSTORE) != 0;

	s->enabled |= IMAP_CONDSTORE;
	if (s->view != NULL && !was_on)
		imap_untagged(s, "OK [HIGHESTMODSEQ %llu] CONDSTORE is on", (unsigned long long)s->view->modseq);
}

/* ---- Beginning of a command ---- */

static void
commands_refuse_command(struct imap_session *s, struct str tag, const char *why)
{
	s->bad_commands++;
	if (tag.len != 0)
		conn_printf(s->conn, "%.*s BAD %s\r\n", STR_ARG(tag), why);
	else
		imap_untagged(s, "BAD %s", why);
}

static void
command_run(struct imap_session *s)
{
	enum cmd_status status = s->row->handler(s, &s->lexer);

	CHECKF((status == CMD_DONE) == (s->row == NULL), "status %d", (int)status);
	if (status == CMD_WAIT && s->on_line == NULL)
		conn_pause(s->conn);
}

static void
command_on_attached(struct imap_session *s, const struct err *err)
{
	const struct imap_command *row = s->row;

	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	row->handler(s, &s->lexer);
	/* A handler that waits for lines may get them now. */
	if (s->row != NULL && s->on_line != NULL)
		session_resume(&s->base);
}

void
imap_begin(struct imap_session *s, const struct imap_command *row, struct str tag)
{
	CHECK(s->row == NULL);
	s->row = row;
	s->tag = tag;
	s->by_uid = (row->flags & IMAP_BY_UID) != 0;
	metrics_add(M_IMAP_COMMANDS, 1);
}

void
imap_dispatch(struct imap_session *s, struct str text)
{
	struct imap_lexer *lex = &s->lexer;
	const struct imap_command *row;
	struct str tag, name;

	if (text.len == 0)
		return; /* a blank line, as some clients send after a literal */
	imap_lex_init(lex, text, &s->command.arena, (s->enabled & (IMAP_UTF8_ACCEPT | IMAP_REV2)) != 0);
	if (!imap_lex_tag(lex, &tag) || imap_lex_peek(lex) != ' ') {
		commands_refuse_command(s, STR_NONE, "a command must begin with a tag and a space");
		return;
	}
	if (!imap_lex_sp(lex) || !command_take_name(lex, &name)) {
		commands_refuse_command(s, tag, "the command is missing");
		return;
	}
	row = imap_command_find(name);
	if (row == NULL) {
		commands_refuse_command(s, tag, "unknown command");
		return;
	}
	if ((row->states & s->state) == 0) {
		commands_refuse_command(s, tag, "the command is not allowed in this state");
		return;
	}
	imap_begin(s, row, tag);
	if ((row->flags & IMAP_NEEDS_VIEW) != 0 && !imap_view_attach(s, command_on_attached))
		conn_pause(s->conn);
	else
		command_run(s);
}
