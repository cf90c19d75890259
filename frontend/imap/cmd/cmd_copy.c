/* COPY and MOVE (RFC 9051, 6.4.7 and 6.4.8), with COPYUID. No body is copied. */
#include "frontend/imap/private.h"

struct copying {
	struct str to;
	bool move;
};

static void
copy_on_told(struct imap_session *s, const struct err *err)
{
	(void)err; /* the command has succeeded; the client hears of it later */
	imap_ok(s);
}

/* "COPYUID 38505 304,319:320 3956:3958" */
static void
copy_print_copyuid(const struct mailbox_copied *copied, struct buf *out)
{
	buf_printf(out, "COPYUID %u ", copied->uid_validity);
	imap_set_print_numbers(copied->from_uids, copied->count, out);
	buf_add_byte(out, ' ');
	imap_set_print_numbers(copied->to_uids, copied->count, out);
}

static void
copy_finish_copied(struct imap_session *s, const struct mailbox_copied *copied)
{
	const struct copying *w = s->work;
	struct buf codes = BUF_EMPTY;

	log_info(conn_log(s->conn), w->move ? "messages moved" : "messages copied", F_C("account", s->account),
		 F_STR("mailbox", w->to), F_I64("count", copied->count));
	if (copied->count == 0) {
		imap_ok(s);
		return;
	}
	copy_print_copyuid(copied, &codes);
	if (w->move) {
		/* Before the EXPUNGEs, so that the client knows where the messages went. */
		imap_untagged(s, "OK [%s] moved", codes.data);
		imap_view_refresh(s, copy_on_told);
	} else {
		imap_finish(s, IMAP_OK, "[%s] copied", codes.data);
	}
	buf_fini(&codes);
}

static void
copy_on_copied(void *arg, const struct mailbox_copied *copied, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err == NULL)
		copy_finish_copied(s, copied);
	else if (err->code == ERR_NOT_FOUND)
		imap_finish(s, IMAP_NO, "[TRYCREATE] %s", err->text);
	else
		imap_failed(s, err);
}

static enum cmd_status
copy_or_move(struct imap_session *s, struct imap_lexer *lex, bool move)
{
	struct copying *w = arena_new(&s->command.arena, struct copying);
	struct imap_messages messages;
	struct imap_set set;
	const char *error;

	w->move = move;
	if (!imap_lex_sp(lex) || !imap_lex_set(lex, &set) || !imap_lex_sp(lex) || !imap_lex_mailbox(lex, &w->to) ||
	    !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (move && s->view->read_only)
		return imap_finish(s, IMAP_NO, "[CANNOT] the mailbox is selected read-only");
	error = imap_view_resolve(s->view, &set, s->by_uid, &s->command.arena, &messages);
	if (error != NULL)
		return imap_finish(s, IMAP_BAD, "%s", error);
	s->work = w;
	session_hold(&s->base);
	mailbox_copy(imap_store(s), imap_address(s), s->view->index->folder_id,
		     imap_view_uids(s->view, &messages, &s->command.arena), messages.count, w->to, move, s->quota_bytes,
		     copy_on_copied, s);
	return CMD_WAIT;
}

static enum cmd_status
cmd_copy(struct imap_session *s, struct imap_lexer *lex)
{
	return copy_or_move(s, lex, false);
}

static enum cmd_status
cmd_move(struct imap_session *s, struct imap_lexer *lex)
{
	return copy_or_move(s, lex, true);
}

const struct imap_command imap_copy_commands[] = {
	/* name, allowed in, flags, handler */
	{"COPY", IMAP_SELECTED, IMAP_NEEDS_VIEW, cmd_copy},
	{"UID COPY", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_BY_UID, cmd_copy},
	{"MOVE", IMAP_SELECTED, IMAP_NEEDS_VIEW, cmd_move},
	{"UID MOVE", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_BY_UID, cmd_move},
	{NULL, 0, 0, NULL},
};
