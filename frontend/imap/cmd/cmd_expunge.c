/* EXPUNGE and UID EXPUNGE (RFC 9051, 6.4.3 and 6.4.9). */
#include "frontend/imap/private.h"
#include "frontend/imap/cmd/select.h"

struct expunging {
	struct imap_set set; /* UID EXPUNGE */
	uint64_t modseq;
};

uint32_t *
imap_deleted_uids(struct imap_session *s, struct imap_set *among, uint32_t *count_out)
{
	const struct folder_index *ix = s->view->index;
	uint32_t count = ix->loaded ? folder_index_count(ix) : 0, kept = 0;
	uint32_t *uids = arena_array(&s->command.arena, uint32_t, (size_t)count + 1);

	for (uint32_t i = 0; i < count; i++) {
		const char *record = folder_index_record(ix, i);
		uint32_t uid = mailbox_hot_uid(record);
		if ((bytes_get_u16(record + MAILBOX_AT(hot, flags)) & MAILBOX_DELETED) == 0)
			continue;
		if (among == NULL || imap_set_has(among, uid))
			uids[kept++] = uid;
	}
	*count_out = kept;
	return uids;
}

static void
expunge_on_told(struct imap_session *s)
{
	const struct expunging *w = s->work;

	if ((s->enabled & IMAP_CONDSTORE) != 0 && w->modseq != 0)
		imap_finish(s, IMAP_OK, "[HIGHESTMODSEQ %llu] expunged", (unsigned long long)s->view->modseq);
	else
		imap_ok(s);
}

/* The index is up to date now, and the client is told. */
static void
expunge_on_known(struct imap_session *s, const struct err *err)
{
	(void)err; /* the command has succeeded; the client hears of it later */
	if (imap_view_sync(s, true, expunge_on_told))
		expunge_on_told(s);
}

static void
expunge_on_expunged(void *arg, const struct mailbox_expunged *expunged, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	log_info(conn_log(s->conn), "messages expunged", F_C("account", s->account), F_I64("count", expunged->count));
	((struct expunging *)s->work)->modseq = expunged->count != 0 ? expunged->modseq : 0;
	folder_index_take_expunged(s->view->index, expunged);
	if (s->view->index->folder.highest_modseq >= expunged->modseq)
		expunge_on_known(s, NULL);
	else
		imap_view_refresh(s, expunge_on_known);
}

static void
expunge_on_ready(struct imap_session *s, const struct err *err)
{
	struct expunging *w = s->work;
	uint32_t *uids, count;

	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	if (s->by_uid && !w->set.saved)
		imap_set_resolve(&w->set, s->view->count != 0 ? imap_view_uid(s->view, s->view->count) : 0);
	if (w->set.saved)
		w->set = imap_set_of(&s->command.arena, s->view->saved, s->view->saved_count);
	uids = imap_deleted_uids(s, s->by_uid ? &w->set : NULL, &count);
	if (count == 0) {
		imap_ok(s);
		return;
	}
	session_hold(&s->base);
	mailbox_expunge(imap_store(s), imap_address(s), s->view->index->folder_id, uids, count, true,
			expunge_on_expunged, s);
}

/* Others may have set \Deleted in the meantime: the store's present state counts. */
static enum cmd_status
cmd_expunge(struct imap_session *s, struct imap_lexer *lex)
{
	struct expunging *w = arena_new(&s->command.arena, struct expunging);

	if ((s->by_uid && (!imap_lex_sp(lex) || !imap_lex_set(lex, &w->set))) || !imap_lex_end(lex))
		return imap_syntax(s, lex);
	if (s->view->read_only)
		return imap_finish(s, IMAP_NO, "[CANNOT] the mailbox is selected read-only");
	s->work = w;
	imap_view_refresh(s, expunge_on_ready);
	return CMD_WAIT;
}

const struct imap_command imap_expunge_commands[] = {
	/* name, allowed in, flags, handler */
	{"EXPUNGE", IMAP_SELECTED, IMAP_NEEDS_VIEW, cmd_expunge},
	{"UID EXPUNGE", IMAP_SELECTED, IMAP_NEEDS_VIEW | IMAP_BY_UID, cmd_expunge},
	{NULL, 0, 0, NULL},
};
