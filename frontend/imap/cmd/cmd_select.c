/* SELECT, EXAMINE (RFC 9051, 6.3.2; CONDSTORE and QRESYNC: RFC 7162), CLOSE,
 * UNSELECT. */
#include <string.h>

#include "frontend/imap/private.h"
#include "frontend/imap/cmd/push.h"
#include "frontend/imap/cmd/select.h"
#include "frontend/imap/view/vanished.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

/* In units of lib/base/slice.h: for a range, a changed message, an unchanged one. */
enum { RANGE_WORK = 3, LINE_WORK = 20, LOOK_WORK = 1 };

struct selecting {
	struct str name;
	bool read_only;
	uint32_t first_unseen; /* sequence number according to the store; 0: not reported */
	bool resync;	       /* QRESYNC (...) was given: */
	uint32_t uid_validity; /* the values that the client knows */
	uint64_t modseq;
	struct imap_set known; /* its UIDs; no ranges: all */
	/* What it has missed and is sent: */
	struct imap_set vanished;
	uint32_t vanished_at, seq; /* ranges and messages sent so far */
	struct buf out;		   /* owner */
};

/* ---- Arguments ---- */

static bool
select_take_resync(struct imap_lexer *lex, struct selecting *w)
{
	struct imap_set unused;

	w->resync = true;
	if (!imap_lex_sp(lex) || !imap_lex_open(lex) || !imap_lex_nz_number(lex, &w->uid_validity) ||
	    !imap_lex_sp(lex) || !imap_lex_number64(lex, &w->modseq))
		return false;
	if (imap_lex_peek(lex) == ' ' && lex->at + 1 < lex->text.len && lex->text.p[lex->at + 1] != '(') {
		if (!imap_lex_sp(lex) || !imap_lex_known_uids(lex, &w->known))
			return false;
	}
	/* The sequence numbers of its UIDs would only save us from reporting UIDs that it
	 * knows to be gone; reporting them anyway does no harm. */
	if (imap_lex_try(lex, ' ') && (!imap_lex_open(lex) || !imap_lex_known_uids(lex, &unused) || !imap_lex_sp(lex) ||
				       !imap_lex_known_uids(lex, &unused) || !imap_lex_close(lex)))
		return false;
	return imap_lex_close(lex);
}

static bool
select_take_parameters(struct imap_session *s, struct imap_lexer *lex, struct selecting *w)
{
	if (!imap_lex_open(lex))
		return false;
	do {
		if (imap_lex_try_word(lex, "CONDSTORE")) {
			s->enabled |= IMAP_CONDSTORE;
		} else if (imap_lex_try_word(lex, "QRESYNC")) {
			if ((s->enabled & IMAP_QRESYNC) == 0)
				return imap_lex_fail(lex, "QRESYNC was not enabled");
			if (!select_take_resync(lex, w))
				return false;
		} else {
			return imap_lex_fail(lex, "unknown parameter");
		}
	} while (imap_lex_more(lex));
	return lex->error == NULL;
}

/* ---- Responses ---- */

/* IMAP4rev1 only (RFC 3501, 6.3.1). */
static void
select_tell_first_unseen(const struct imap_view *v, uint32_t first, struct buf *out)
{
	const char *record;

	/* If the records are loaded, they determine the state, not the store's answer. */
	if (v->uids != NULL)
		for (first = 1; first <= v->count && (record = imap_view_record(v, first)) != NULL; first++)
			if ((bytes_get_u16(record + MAILBOX_AT(hot, flags)) & MAILBOX_SEEN) == 0)
				break;
	if (first != 0 && first <= v->count)
		buf_printf(out, "* OK [UNSEEN %u] the first unseen message\r\n", first);
}

static void
select_tell_folder(struct imap_session *s, const struct selecting *w)
{
	struct imap_view *v = s->view;
	struct buf out = BUF_EMPTY;

	v->keywords_told = v->index->keywords_version;
	imap_print_folder_flags(v, &out);
	buf_printf(&out, "* %u EXISTS\r\n", v->count);
	if ((s->enabled & IMAP_REV2) == 0) {
		buf_printf(&out, "* %u RECENT\r\n", v->recent_count);
		select_tell_first_unseen(v, w->first_unseen, &out);
	}
	buf_printf(&out, "* OK [UIDVALIDITY %u] UIDs are valid\r\n* OK [UIDNEXT %u] predicted next UID\r\n",
		   v->index->folder.uid_validity, v->uid_next);
	buf_printf(&out, "* OK [HIGHESTMODSEQ %llu] highest\r\n* OK [MAILBOXID (", (unsigned long long)v->modseq);
	imap_print_mailbox_id(v->index->folder_id, &out);
	buf_add_c(&out, ")] mailbox id\r\n");
	if ((s->enabled & IMAP_REV2) != 0) {
		buf_add_c(&out, "* LIST () \"/\" ");
		imap_print_mailbox(s, w->name, &out);
		buf_add_c(&out, "\r\n");
	}
	imap_write(s, &out);
	buf_fini(&out);
}

static void
select_end(struct imap_session *s)
{
	const struct selecting *w = s->work;

	log_info(conn_log(s->conn), "mailbox selected", F_C("account", s->account), F_STR("mailbox", w->name),
		 F_I64("messages", s->view->count));
	if (w->read_only)
		imap_finish(s, IMAP_OK, "[READ-ONLY] selected");
	else
		imap_finish(s, IMAP_OK, "[READ-WRITE] selected");
}

/* ---- What a returning client has missed ---- */

static void
select_tell_changed(struct imap_session *s, const struct selecting *w, uint32_t seq, struct buf *out)
{
	struct imap_view *v = s->view;
	struct mailbox_hot hot;

	if (!imap_view_hot(v, seq, &hot) || hot.modseq <= w->modseq ||
	    (w->known.count != 0 && !imap_set_has(&w->known, hot.uid)))
		return;
	buf_add_c(out, "* ");
	buf_add_decimal(out, seq);
	buf_add_c(out, " FETCH (UID ");
	buf_add_decimal(out, hot.uid);
	buf_add_c(out, " FLAGS ");
	imap_print_message_flags(v, &hot, out);
	buf_add_c(out, " MODSEQ (");
	buf_add_decimal(out, hot.modseq);
	buf_add_c(out, "))\r\n");
	imap_view_told(v, &hot);
}

static void
select_on_cancel(struct imap_session *s)
{
	buf_fini(&((struct selecting *)s->work)->out);
}

static void
select_tell_missed(struct imap_session *s)
{
	struct selecting *w = s->work;
	struct imap_view *v = s->view;

	while (w->vanished_at < w->vanished.count) {
		if (w->vanished_at == 0)
			buf_add_c(&w->out, "* VANISHED (EARLIER) ");
		imap_vanished_print(&w->vanished.ranges[w->vanished_at], w->vanished_at == 0, &w->out);
		if (++w->vanished_at == w->vanished.count)
			buf_add_c(&w->out, "\r\n");
		if (!imap_may_go_on(s, &w->out, RANGE_WORK, select_tell_missed))
			return;
	}
	if (w->seq == 0)
		imap_view_tell_keywords(v, &w->out);
	while (w->seq < v->count) {
		size_t before = w->out.len;
		select_tell_changed(s, w, ++w->seq, &w->out);
		if (!imap_may_go_on(s, &w->out, w->out.len != before ? LINE_WORK : LOOK_WORK, select_tell_missed))
			return;
	}
	imap_write(s, &w->out);
	select_on_cancel(s);
	select_end(s);
}

/* OK would tell the client a HIGHESTMODSEQ up to which it has not heard all. */
static void
select_fail_resync(struct imap_session *s, const struct err *err)
{
	if (s->state == IMAP_SELECTED)
		imap_unselect(s, true);
	imap_failed(s, err);
}

static void
select_on_missed(void *arg, const struct mailbox_changes *changes, const struct err *err)
{
	struct imap_session *s = arg;
	struct selecting *w;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		log_warning(conn_log(s->conn), "changes cannot be read", F_C("account", s->account), F_ERR(err));
		select_fail_resync(s, err);
		return;
	}
	w = s->work;
	w->vanished = imap_vanished(s->view, changes, w->known.count != 0 ? &w->known : NULL, s->view->uid_next,
				    &s->command.arena);
	session_spend(&s->base, (changes->gone_count + s->view->count) / 4);
	s->on_cancel = select_on_cancel;
	select_tell_missed(s);
}

static void
select_on_resync_attached(struct imap_session *s, const struct err *err)
{
	const struct selecting *w = s->work;

	if (err != NULL) {
		select_fail_resync(s, err);
		return;
	}
	session_hold(&s->base);
	mailbox_read_changes(imap_store(s), imap_address(s), s->view->index->folder_id, w->modseq, false,
			     select_on_missed, s);
}

/* ---- Opening ---- */

/* The index is loaded: the view starts out with its state, which may be newer than
 * mailbox_open()'s result. */
static void
select_adopt(struct imap_view *v)
{
	const struct mailbox_folder *f = &v->index->folder;

	v->uids = v->index->uids;
	v->uids->refs++;
	v->count = folder_index_count(v->index);
	v->modseq = f->highest_modseq;
	v->uid_next = f->uid_next;
	imap_view_take_recent(v);
}

static void
select_opened(struct imap_session *s)
{
	const struct selecting *w = s->work;

	if (s->view->index->loaded && s->view->uids == NULL)
		select_adopt(s->view);
	imap_set_state(s, IMAP_SELECTED);
	select_tell_folder(s, w);
	if (!w->resync || w->uid_validity != s->view->index->folder.uid_validity || w->modseq >= s->view->modseq)
		select_end(s);
	else if (imap_view_attach(s, select_on_resync_attached))
		select_on_resync_attached(s, NULL);
}

static void
select_on_fresh(void *arg, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err == NULL) {
		select_opened(s);
		return;
	}
	imap_view_free(&s->view);
	imap_failed(s, err);
}

static void
select_on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;
	struct selecting *w;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	w = s->work;
	w->first_unseen = folder->first_unseen;
	s->view = imap_view_new(s, folder, w->read_only, imap_push);
	if (!s->view->index->loaded || s->view->index->folder.highest_modseq >= folder->highest_modseq) {
		select_opened(s);
		return;
	}
	session_hold(&s->base);
	folder_index_refresh(s->view->index, select_on_fresh, s);
}

void
imap_unselect(struct imap_session *s, bool tell)
{
	if (s->view == NULL)
		return;
	imap_view_free(&s->view);
	imap_set_state(s, IMAP_AUTHENTICATED);
	if (tell)
		imap_untagged(s, "OK [CLOSED] the mailbox is closed");
}

static enum cmd_status
select_folder(struct imap_session *s, struct imap_lexer *lex, bool read_only)
{
	struct selecting *w = arena_new(&s->command.arena, struct selecting);

	w->read_only = read_only;
	if (!imap_lex_sp(lex) || !imap_lex_mailbox(lex, &w->name) ||
	    (imap_lex_try(lex, ' ') && !select_take_parameters(s, lex, w)) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	s->work = w;
	imap_unselect(s, true);
	session_hold(&s->base);
	mailbox_select(imap_store(s), imap_address(s), w->name, !read_only && (s->enabled & IMAP_REV2) == 0,
		       select_on_folder, s);
	return CMD_WAIT;
}

static enum cmd_status
cmd_select(struct imap_session *s, struct imap_lexer *lex)
{
	return select_folder(s, lex, false);
}

static enum cmd_status
cmd_examine(struct imap_session *s, struct imap_lexer *lex)
{
	return select_folder(s, lex, true);
}

/* ---- Closing ---- */

static enum cmd_status
cmd_unselect(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	imap_unselect(s, false);
	return imap_ok(s);
}

static void
select_end_close(struct imap_session *s)
{
	imap_unselect(s, false);
	imap_ok(s);
}

static void
select_on_closed(void *arg, const struct mailbox_expunged *expunged, const struct err *err)
{
	struct imap_session *s = arg;

	(void)expunged;
	if (!session_back(&s->base))
		return;
	if (err != NULL)
		imap_failed(s, err);
	else
		select_end_close(s);
}

static void
select_on_close_ready(struct imap_session *s, const struct err *err)
{
	uint32_t *uids, count = 0;

	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	if (!s->view->index->loaded && s->view->index->folder.deleted != 0 &&
	    !imap_view_attach(s, select_on_close_ready))
		return;
	uids = imap_deleted_uids(s, NULL, &count);
	if (count == 0) {
		select_end_close(s);
		return;
	}
	session_hold(&s->base);
	mailbox_expunge(imap_store(s), imap_address(s), s->view->index->folder_id, uids, count, true, select_on_closed,
			s);
}

/* Removes messages with \Deleted, silently. */
static enum cmd_status
cmd_close(struct imap_session *s, struct imap_lexer *lex)
{
	if (!imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (s->view->read_only)
		return cmd_unselect(s, lex);
	imap_view_refresh(s, select_on_close_ready);
	return CMD_WAIT;
}

const struct imap_command imap_select_commands[] = {
	/* name, allowed in, flags, handler */
	{"SELECT", IMAP_LOGGED_IN, IMAP_NO_SYNC, cmd_select},
	{"EXAMINE", IMAP_LOGGED_IN, IMAP_NO_SYNC, cmd_examine},
	{"CLOSE", IMAP_SELECTED, IMAP_NO_SYNC, cmd_close},
	{"UNSELECT", IMAP_SELECTED, IMAP_NO_SYNC, cmd_unselect},
	{NULL, 0, 0, NULL},
};
