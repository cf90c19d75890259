/* FETCH and UID FETCH (RFC 9051, 6.4.5; RFC 7162, 3.1.4 and 3.2.6; RFC 9394).
 *
 * Data from the index is written in one tight loop. For data beyond the index,
 * messages are processed in batches: cold records first, then digests, then each
 * message is written and its sections are streamed. */
#include "frontend/imap/fetch/fetch.h"

#include "lib/base/check.h"

enum {
	/* In units of lib/base/slice.h. */
	MESSAGE_WORK = 8,
	BYTES_A_UNIT = 16,
};

static void fetch_run(struct fetch *f);

/* ---- The end ---- */
static void
fetch_clean(struct fetch *f)
{
	imap_records_fini(&f->records);
	buf_fini(&f->line);
	buf_fini(&f->piece);
	message_preview_fini(&f->preview);
	buf_fini(&f->lost);
	f->session->on_cancel = NULL;
}

static void
fetch_on_cancel(struct imap_session *s)
{
	fetch_clean(s->work);
}

static void fetch_check_lost(struct fetch *f);

static void
fetch_finish(struct fetch *f)
{
	struct imap_session *s = f->session;

	imap_write(s, &f->line);
	buf_clear(&f->line);
	if (f->some_lost && !f->lost_checked) {
		fetch_check_lost(f);
		return;
	}
	fetch_clean(f);
	if (f->some_lost)
		imap_finish(s, IMAP_NO, "[SERVERBUG] some messages cannot be read");
	else if (f->some_unknown_cte)
		imap_finish(s, IMAP_NO, "[UNKNOWN-CTE] some parts cannot be decoded");
	else if (f->some_gone && !s->by_uid) /* RFC 5530 */
		imap_finish(s, IMAP_OK, "[EXPUNGEISSUED] some messages are gone");
	else
		imap_ok(s);
}

/* ---- Unreadable messages ---- */
static void
fetch_note_lost(struct fetch *f, uint32_t seq)
{
	f->some_lost = true;
	buf_add(&f->lost, &seq, sizeof(seq));
}

static void
fetch_on_fresh(struct imap_session *s, const struct err *err)
{
	struct fetch *f = s->work;
	const uint32_t *seqs = (const uint32_t *)(const void *)f->lost.data;
	size_t count = f->lost.len / sizeof(*seqs);

	f->lost_checked = true;
	f->some_lost = err != NULL;
	for (size_t i = 0; err == NULL && i < count; i++) {
		if (imap_view_record(s->view, seqs[i]) == NULL) {
			f->some_gone = true;
			continue;
		}
		f->some_lost = true;
		log_error(conn_log(s->conn), "a message cannot be read", F_I64("uid", imap_view_uid(s->view, seqs[i])));
	}
	fetch_finish(f);
}

/* Most likely another session has just expunged it, and we have not heard of that yet. */
static void
fetch_check_lost(struct fetch *f)
{
	imap_view_refresh(f->session, fetch_on_fresh);
}

static void
fetch_fail(struct fetch *f, const struct err *err)
{
	fetch_clean(f);
	imap_failed(f->session, err);
}

/* If part of its literal has already been sent, the client could not understand
 * anything sent now: the connection is aborted. Otherwise the message is skipped. */
static void
fetch_on_lost(struct fetch *f, const struct err *err)
{
	if (f->mark == FETCH_SENT) {
		log_error(conn_log(f->session->conn), "a message cannot be read", F_I64("uid", fetch_record(f)->uid),
			  F_ERR(err));
		conn_abort(f->session->conn);
		return;
	}
	f->line.len = f->mark;
	buf_clear(&f->piece);
	fetch_note_lost(f, fetch_record(f)->seq);
	f->record_at++;
	fetch_run(f);
}

/* ---- A message ---- */
/* Starts at f->section. True: all sections are sent. False: fetch_on_section() continues later. */
static bool
fetch_sections(struct fetch *f)
{
	for (; f->section != NULL; f->section = f->section->next) {
		bool told = false;
		switch (f->section->kind) {
		case SECTION_BODY: told = fetch_tell_body(f); break;
		case SECTION_BINARY:
		case SECTION_BINARY_SIZE: told = fetch_tell_binary(f); break;
		case SECTION_PREVIEW: told = fetch_tell_preview(f); break;
		}
		if (!told)
			return false;
	}
	return true;
}

static void
fetch_end_message(struct fetch *f)
{
	buf_add_str(&f->line, STR(")\r\n"));
	f->record_at++;
}

static void
fetch_on_section(struct fetch *f)
{
	f->section = f->section->next;
	if (!fetch_sections(f))
		return;
	fetch_end_message(f);
	fetch_run(f);
}

/* True: the message is complete. False: its sections are still being sent. */
static bool
fetch_tell_message(struct fetch *f)
{
	struct imap_record *r = fetch_record(f);
	bool gone, unknown_cte;
	struct mailbox_hot hot;

	gone = !r->known || !imap_view_hot(f->session->view, r->seq, &hot);
	unknown_cte = !gone && r->digest.ready && fetch_has_unknown_cte(f, &r->digest.digest);
	if (gone || r->lost || unknown_cte) {
		f->some_gone |= gone;
		if (r->lost)
			fetch_note_lost(f, r->seq);
		f->some_unknown_cte |= unknown_cte;
		f->record_at++;
		return true;
	}
	fetch_begin_message(f, r->seq, &hot);
	fetch_tell_deeper(f, r);
	f->section = f->items.sections;
	if (!fetch_sections(f))
		return false;
	fetch_end_message(f);
	return true;
}

/* ---- The batch ---- */
static void
fetch_on_digests(struct imap_session *s, const struct err *err)
{
	CHECK(err == NULL);
	fetch_run(s->work);
}

/* True: they are loaded. */
static bool
fetch_load_digests(struct fetch *f)
{
	if (!f->wants_digest)
		return true;
	for (unsigned i = 0; i < f->records.count; i++)
		f->records.items[i].wants_digest = true;
	return imap_records_read_digests(&f->records, fetch_on_digests);
}

static void
fetch_on_seen(void *arg, const struct mailbox_stored *stored, const struct err *err)
{
	struct fetch *f = arg;
	struct imap_session *s = f->session;

	if (!session_back(&s->base))
		return;
	if (err != NULL) {
		fetch_fail(f, err);
		return;
	}
	folder_index_take_stored(s->view->index, stored);
	if (fetch_load_digests(f))
		fetch_run(f);
}

/* Runs for each batch before it is sent: the answer contains the new flags, and a
 * client that leaves in the middle has not seen what it did not receive. True:
 * nothing to wait for. */
static bool
fetch_mark_seen(struct fetch *f)
{
	struct imap_session *s = f->session;
	struct mailbox_flag_change change = {
		.mode = MAILBOX_FLAGS_ADD, .flags = MAILBOX_SEEN, .unchanged_since = UINT64_MAX};

	f->seen_count = 0;
	for (unsigned i = 0; i < f->records.count && f->seen_uids != NULL; i++) {
		struct imap_record *r = &f->records.items[i];
		struct mailbox_hot hot;
		if (r->known && imap_view_hot(s->view, r->seq, &hot) && (hot.flags & MAILBOX_SEEN) == 0)
			f->seen_uids[f->seen_count++] = hot.uid;
	}
	if (f->seen_count == 0)
		return true;
	session_hold(&s->base);
	mailbox_store_flags(imap_store(s), imap_address(s), s->view->index->folder_id, f->seen_uids, f->seen_count,
			    &change, fetch_on_seen, f);
	return false;
}

static void
fetch_on_cold(struct imap_session *s, const struct err *err)
{
	struct fetch *f = s->work;

	if (err != NULL)
		fetch_fail(f, err);
	else if (fetch_mark_seen(f) && fetch_load_digests(f))
		fetch_run(f);
}

/* True: the next batch is ready. */
static bool
fetch_load_batch(struct fetch *f)
{
	imap_records_clear(&f->records);
	f->record_at = 0;
	while (f->at < f->messages.count && imap_records_add(&f->records, f->messages.seqs[f->at]))
		f->at++;
	return imap_records_read_cold(&f->records, f->messages.count - f->at, fetch_on_cold) && fetch_mark_seen(f) &&
	       fetch_load_digests(f);
}

/* ---- Continuing ---- */
static void
fetch_go_on(struct imap_session *s)
{
	fetch_run(s->work);
}

/* Called after a message whose line began at `from`. False: the rest comes later. */
static bool
fetch_may_go_on(struct fetch *f, size_t from)
{
	return imap_may_go_on(f->session, &f->line, MESSAGE_WORK + (uint32_t)(f->line.len - from) / BYTES_A_UNIT,
			      fetch_go_on);
}

static void
fetch_run_index(struct fetch *f)
{
	while (f->at < f->messages.count) {
		struct mailbox_hot hot;
		size_t from = f->line.len;
		uint32_t seq = f->messages.seqs[f->at++];
		if (!imap_view_hot(f->session->view, seq, &hot)) {
			f->some_gone = true; /* the client is told in due course */
			continue;
		}
		fetch_begin_message(f, seq, &hot);
		buf_add_str(&f->line, STR(")\r\n"));
		if (!fetch_may_go_on(f, from))
			return;
	}
	fetch_finish(f);
}

static void
fetch_run(struct fetch *f)
{
	if (!f->wants_cold) {
		fetch_run_index(f);
		return;
	}
	for (;;) {
		size_t from = f->line.len;
		if (f->record_at == f->records.count && f->at == f->messages.count) {
			fetch_finish(f);
			return;
		}
		if (f->record_at == f->records.count && !fetch_load_batch(f))
			return;
		if (!fetch_tell_message(f) || !fetch_may_go_on(f, from))
			return;
	}
}

/* ---- CHANGEDSINCE, PARTIAL ---- */
static void
fetch_keep_changed(struct fetch *f)
{
	uint32_t kept = 0;

	for (uint32_t i = 0; i < f->messages.count; i++) {
		struct mailbox_hot hot;
		if (imap_view_hot(f->session->view, f->messages.seqs[i], &hot) && hot.modseq > f->items.changed_since)
			f->messages.seqs[kept++] = f->messages.seqs[i];
	}
	f->messages.count = kept;
}

static void
fetch_keep_partial(struct fetch *f)
{
	uint32_t begin, end;

	imap_partial_range(&f->items.partial, f->messages.count, &begin, &end);
	f->messages.seqs += begin;
	f->messages.count = end - begin;
}

static bool
fetch_sets_seen(const struct fetch *f)
{
	const struct imap_section *section;

	if (f->session->view->read_only)
		return false;
	for (section = f->items.sections; section != NULL; section = section->next)
		if (!section->peek)
			return true;
	return false;
}

static bool
fetch_wants_digest(const struct imap_section *p)
{
	return p->kind != SECTION_BODY || p->number_count != 0 || p->part != SECTION_WHOLE;
}

static void
fetch_start(struct fetch *f)
{
	if (f->items.has_changed_since)
		fetch_keep_changed(f);
	if (f->items.partial.first != 0)
		fetch_keep_partial(f);
	f->wants_cold = (f->items.items & (FETCH_WANTS_COLD | FETCH_WANTS_DIGEST)) != 0 || f->items.sections != NULL;
	f->wants_digest = (f->items.items & FETCH_WANTS_DIGEST) != 0;
	for (struct imap_section *p = f->items.sections; p != NULL; p = p->next)
		f->wants_digest |= fetch_wants_digest(p);
	if (f->wants_cold)
		imap_records_init(&f->records, f->session);
	if (fetch_sets_seen(f))
		f->seen_uids = arena_array(&f->session->command.arena, uint32_t, IMAP_RECORDS_MAX);
	fetch_run(f);
}

static void
fetch_on_vanished(struct fetch *f, const struct err *err)
{
	if (err != NULL)
		fetch_fail(f, err);
	else
		fetch_start(f);
}

static void
fetch_on_current(struct imap_session *s, const struct err *err)
{
	struct fetch *f = s->work;

	if (err != NULL)
		fetch_fail(f, err);
	else if (f->items.vanished)
		fetch_ask_vanished(f, &f->asked, fetch_on_vanished);
	else
		fetch_start(f);
}

/* ---- The command ---- */
static const char *
fetch_check_modifiers(const struct imap_session *s, const struct imap_fetch_items *items)
{
	if (items->vanished && (!s->by_uid || !items->has_changed_since || (s->enabled & IMAP_QRESYNC) == 0))
		return "VANISHED requires UID FETCH with CHANGEDSINCE, and QRESYNC enabled";
	if (items->partial.first != 0 && !s->by_uid)
		return "PARTIAL requires UID FETCH";
	return NULL;
}

enum cmd_status
imap_cmd_fetch(struct imap_session *s, struct imap_lexer *lex)
{
	struct fetch *f = arena_new(&s->command.arena, struct fetch);
	const char *error;
	struct imap_set set;

	f->session = s;
	if (!imap_lex_sp(lex) || !imap_lex_set(lex, &set) || !imap_lex_sp(lex) || !imap_parse_fetch(lex, &f->items))
		return imap_syntax(s, lex);
	f->asked = imap_set_copy(&set, &s->command.arena);
	error = fetch_check_modifiers(s, &f->items);
	if (error == NULL)
		error = imap_view_resolve(s->view, &set, s->by_uid, &s->command.arena, &f->messages);
	if (error != NULL) {
		imap_lex_fail(lex, error);
		return imap_syntax(s, lex);
	}
	if (f->items.has_changed_since || (f->items.items & FETCH_MODSEQ) != 0)
		imap_enable_condstore(s);
	if (f->items.has_changed_since)
		f->items.items |= FETCH_MODSEQ;
	if (s->by_uid)
		f->items.items |= FETCH_UID;
	s->work = f;
	s->on_cancel = fetch_on_cancel;
	f->on_section = fetch_on_section;
	f->on_lost = fetch_on_lost;
	/* A client that asks for changes gets all of them, including those just made through
	 * another frontend. */
	if (f->items.has_changed_since)
		imap_view_refresh(s, fetch_on_current);
	else
		fetch_start(f);
	return s->row == NULL ? CMD_DONE : CMD_WAIT; /* some commands complete at once */
}
