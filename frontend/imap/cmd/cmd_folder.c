/* CREATE (USE: RFC 6154), DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE. */
#include "frontend/imap/private.h"
#include "frontend/imap/cmd/select.h"

/* "a/b/" means that names below will be created; that is allowed in any case. */
static struct str
folder_without_slash(struct str name)
{
	if (name.len > 1 && name.p[name.len - 1] == '/')
		name.len--;
	return name;
}

static bool
folder_take_name(struct imap_lexer *lex, struct str *name_out)
{
	return imap_lex_sp(lex) && imap_lex_mailbox(lex, name_out);
}

static void
folder_on_done(void *arg, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err != NULL)
		imap_failed(s, err);
	else
		imap_ok(s);
}

/* ---- CREATE ---- */

/* Not \All and \Flagged: they are views of messages in other mailboxes. */
static const char *const special_uses[] = {"Archive", "Drafts", "Junk", "Sent", "Trash", "Important"};

/* "(USE (\Sent))"; *unknown_out: a use that we do not support. */
static bool
folder_take_uses(struct imap_session *s, struct imap_lexer *lex, struct str *uses_out, bool *unknown_out)
{
	struct buf uses = BUF_EMPTY;
	struct str name;
	bool ok;

	ok = imap_lex_open(lex) && (imap_lex_try_word(lex, "USE") || imap_lex_fail(lex, "unknown CREATE parameter")) &&
	     imap_lex_sp(lex) && imap_lex_open(lex);
	while (ok && imap_lex_char(lex, '\\') && imap_lex_atom(lex, &name)) {
		const char *found = NULL;
		for (size_t i = 0; i < sizeof(special_uses) / sizeof(special_uses[0]); i++)
			if (str_eq_ci(name, str_c(special_uses[i])))
				found = special_uses[i];
		*unknown_out = *unknown_out || found == NULL;
		if (found != NULL)
			buf_printf(&uses, "%s\\%s", uses.len != 0 ? " " : "", found);
		if (!imap_lex_more(lex))
			break;
	}
	*uses_out = arena_str(&s->command.arena, buf_str(&uses));
	buf_fini(&uses);
	return lex->error == NULL && imap_lex_close(lex);
}

static void
folder_on_created(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err != NULL)
		imap_failed(s, err);
	else
		imap_finish(s, IMAP_OK, "[MAILBOXID (F%u)] created", folder->id);
}

static enum cmd_status
cmd_create(struct imap_session *s, struct imap_lexer *lex)
{
	struct str name, uses = STR_NONE;
	bool unknown_use = false;

	if (!folder_take_name(lex, &name) ||
	    (imap_lex_try(lex, ' ') && !folder_take_uses(s, lex, &uses, &unknown_use)) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (unknown_use)
		return imap_finish(s, IMAP_NO, "[USEATTR] that special use is not supported");
	session_hold(&s->base);
	mailbox_create(imap_store(s), imap_address(s), folder_without_slash(name), uses, folder_on_created, s);
	return CMD_WAIT;
}

/* ---- DELETE ---- */

struct deleting {
	struct str name;
};

static void
folder_on_deleted(void *arg, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err != NULL && err->code == ERR_DENIED && !str_eq(((struct deleting *)s->work)->name, STR("INBOX")))
		imap_finish(s, IMAP_NO, "[HASCHILDREN] %s", err->text);
	else if (err != NULL)
		imap_failed(s, err);
	else
		imap_ok(s);
}

static void
folder_on_to_delete(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;
	const struct deleting *w;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	w = s->work;
	/* A session cannot stay in a deleted mailbox. */
	if (s->view != NULL && s->view->index->folder_id == folder->id && folder->id != 1)
		imap_unselect(s, true);
	session_hold(&s->base);
	mailbox_delete(imap_store(s), imap_address(s), w->name, folder_on_deleted, s);
}

static enum cmd_status
cmd_delete(struct imap_session *s, struct imap_lexer *lex)
{
	struct deleting *w = arena_new(&s->command.arena, struct deleting);

	if (!folder_take_name(lex, &w->name) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	s->work = w;
	w->name = folder_without_slash(w->name);
	session_hold(&s->base);
	mailbox_open(imap_store(s), imap_address(s), w->name, folder_on_to_delete, s);
	return CMD_WAIT;
}

/* ---- RENAME, SUBSCRIBE, UNSUBSCRIBE ---- */

static enum cmd_status
cmd_rename(struct imap_session *s, struct imap_lexer *lex)
{
	struct str from, to;

	if (!folder_take_name(lex, &from) || !folder_take_name(lex, &to) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	session_hold(&s->base);
	mailbox_rename(imap_store(s), imap_address(s), folder_without_slash(from), folder_without_slash(to),
		       folder_on_done, s);
	return CMD_WAIT;
}

static enum cmd_status
folder_subscribe(struct imap_session *s, struct imap_lexer *lex, bool on)
{
	struct str name;

	if (!folder_take_name(lex, &name) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	session_hold(&s->base);
	mailbox_subscribe(imap_store(s), imap_address(s), folder_without_slash(name), on, folder_on_done, s);
	return CMD_WAIT;
}

static enum cmd_status
cmd_subscribe(struct imap_session *s, struct imap_lexer *lex)
{
	return folder_subscribe(s, lex, true);
}

static enum cmd_status
cmd_unsubscribe(struct imap_session *s, struct imap_lexer *lex)
{
	return folder_subscribe(s, lex, false);
}

const struct imap_command imap_folder_commands[] = {
	/* name, allowed in, flags, handler */
	{"CREATE", IMAP_LOGGED_IN, 0, cmd_create},	     {"DELETE", IMAP_LOGGED_IN, 0, cmd_delete},
	{"RENAME", IMAP_LOGGED_IN, 0, cmd_rename},	     {"SUBSCRIBE", IMAP_LOGGED_IN, 0, cmd_subscribe},
	{"UNSUBSCRIBE", IMAP_LOGGED_IN, 0, cmd_unsubscribe}, {NULL, 0, 0, NULL},
};
