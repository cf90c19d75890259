/* Loads the data that orders messages, for everything a search has found: records and
 * digests in batches, for those messages whose data is not known yet. */
#include "frontend/imap/search/sort.h"
#include "lib/base/check.h"

enum { KNOWN_WORK = 3, TAKE_WORK = 40 }; /* per message, in units of lib/base/slice.h */

static void sort_load_next_batch(struct sort_run *r);

void
imap_sort_end(struct sort_run *r)
{
	imap_records_fini(&r->records);
	arena_fini(&r->search.scratch);
	if (r->clean != NULL)
		r->clean(r);
	r->search.session->on_cancel = NULL;
}

static void
sort_load_on_cancel(struct imap_session *s)
{
	imap_sort_end(s->work);
}

static void
sort_load_take_batch(struct sort_run *r)
{
	for (unsigned i = 0; i < r->records.count; i++) {
		const struct imap_record *record = &r->records.items[i];
		struct mailbox_hot hot;
		if (record->known && imap_view_hot(r->search.session->view, record->seq, &hot))
			r->take(r, record->row, record, &hot);
		else
			r->search.found.seqs[record->row] = 0; /* it has just been removed */
	}
	session_spend(&r->search.session->base, r->records.count * TAKE_WORK);
}

static void
sort_load_on_digests(struct imap_session *s, const struct err *err)
{
	CHECK(err == NULL);
	sort_load_take_batch(s->work);
	sort_load_next_batch(s->work);
}

/* True: the whole batch is loaded. */
static bool
sort_load_digests(struct sort_run *r)
{
	for (unsigned i = 0; i < r->records.count; i++)
		r->records.items[i].wants_digest = r->wants_digest;
	return imap_records_read_digests(&r->records, sort_load_on_digests);
}

static void
sort_load_on_cold(struct imap_session *s, const struct err *err)
{
	struct sort_run *r = s->work;

	if (err != NULL) {
		imap_sort_end(r);
		imap_failed(s, err);
		return;
	}
	if (sort_load_digests(r))
		sort_load_on_digests(s, NULL);
}

static void
sort_load_on_turn(struct imap_session *s)
{
	sort_load_next_batch(s->work);
}

/* Takes messages whose data is known, and collects a batch of others. */
static void
sort_load_fill_batch(struct sort_run *r)
{
	const struct imap_found *found = &r->search.found;
	bool over = false;

	imap_records_clear(&r->records);
	for (; r->at < found->count && !over; r->at++) {
		over = session_spend(&r->search.session->base, KNOWN_WORK);
		if (r->take_known != NULL && r->take_known(r, r->at))
			continue;
		if (!imap_records_add(&r->records, found->seqs[r->at]))
			return;
		r->records.items[r->records.count - 1].row = r->at;
	}
}

static void
sort_load_next_batch(struct sort_run *r)
{
	const struct imap_found *found = &r->search.found;

	for (;;) {
		sort_load_fill_batch(r);
		if (r->records.count == 0 && r->at == found->count) {
			r->on_loaded(r);
			return;
		}
		imap_tell_progress(r->search.session, &r->search.progress, r->at, found->count);
		if (!imap_records_read_cold(&r->records, found->count - r->at, sort_load_on_cold) ||
		    !sort_load_digests(r))
			return;
		sort_load_take_batch(r);
		if (session_spend(&r->search.session->base, 0)) {
			imap_later(r->search.session, sort_load_on_turn);
			return;
		}
	}
}

static void
sort_load_on_found(struct search_run *found)
{
	struct sort_run *r = (struct sort_run *)found;
	struct imap_session *s = found->session;

	imap_records_init(&r->records, s);
	s->work = r;
	s->on_cancel = sort_load_on_cancel;
	r->on_found(r);
	sort_load_next_batch(r);
}

enum cmd_status
imap_sort_begin(struct sort_run *r, struct imap_lexer *lex)
{
	struct search_run *search = &r->search;
	struct imap_session *s = search->session;
	struct str charset;
	const char *error;

	if (!imap_lex_sp(lex) || !imap_lex_astring(lex, &charset) || !imap_lex_sp(lex) ||
	    !imap_parse_search(lex, charset, &search->search))
		return imap_syntax(s, lex);
	if (search->search.bad_charset)
		return imap_finish(s, IMAP_NO, "[BADCHARSET (UTF-8 US-ASCII)] the charset is unknown");
	if (search->search.uses_modseq)
		imap_enable_condstore(s);
	error = imap_search_prepare(search);
	if (error != NULL) {
		imap_lex_fail(lex, error);
		return imap_syntax(s, lex);
	}
	search->on_found = sort_load_on_found;
	imap_search_run(search);
	return s->row == NULL ? CMD_DONE : CMD_WAIT; /* some are answered at once */
}
