/* What orders messages, read for all that a search has found: records and
 * digests in batches. */
#include "lib/message/fold.h"
#include "frontend/imap/search/sort.h"
#include "lib/message/subject.h"
#include "lib/base/check.h"

static void sort_load_next_batch(struct sort_run *r);

static void
sort_load_clean(struct sort_run *r)
{
	imap_records_fini(&r->records);
	r->search.session->on_cancel = NULL;
}

static void
sort_load_on_cancel(struct imap_session *s)
{
	sort_load_clean(s->work);
}

static const struct {
	enum sort_key key;
	enum mime_digest_text text;
} digest_texts[] = {
	{SORT_CC, DIGEST_CC_BOX},
	{SORT_FROM, DIGEST_FROM_BOX},
	{SORT_TO, DIGEST_TO_BOX},
	{SORT_DISPLAY_FROM, DIGEST_FROM_DISPLAY},
	{SORT_DISPLAY_TO, DIGEST_TO_DISPLAY},
};

static struct str
sort_load_base_subject(struct str subject, struct arena *arena, bool *is_reply)
{
	struct arena scratch;
	struct str folded;

	arena_init(&scratch);
	folded = message_fold(message_base_subject(subject, &scratch, is_reply), arena);
	arena_fini(&scratch);
	return folded;
}

static void
sort_load_take_digest(struct sort_run *r, const struct mime_digest *d, struct sort_message *m)
{
	struct arena *arena = &r->search.session->command.arena;

	if (d->has_date)
		m->date = d->date;
	for (unsigned i = 0; i < sizeof(digest_texts) / sizeof(digest_texts[0]); i++)
		if ((r->wants & 1u << digest_texts[i].key) != 0)
			m->texts[digest_texts[i].key] = message_fold(d->texts[digest_texts[i].text], arena);
	if ((r->wants & 1u << SORT_SUBJECT) != 0)
		m->texts[SORT_SUBJECT] = sort_load_base_subject(d->texts[DIGEST_SUBJECT], arena, &m->is_reply);
	if (r->wants_threads) {
		m->message_id = arena_str(arena, d->texts[DIGEST_MESSAGE_ID]);
		m->references = arena_str(arena, d->texts[DIGEST_REFERENCES]);
	}
}

static void
sort_load_take_batch(struct sort_run *r)
{
	for (unsigned i = 0; i < r->records.count; i++) {
		const struct imap_record *record = &r->records.items[i];
		struct sort_message *m = &r->messages[r->count];
		struct mailbox_hot hot;
		if (!record->known || !imap_view_hot(r->search.session->view, record->seq, &hot))
			continue; /* it has just gone */
		*m = (struct sort_message){.seq = record->seq,
					   .uid = record->uid,
					   .arrival = record->cold.internal_date,
					   .date = record->cold.internal_date,
					   .size = hot.size};
		if (record->digest.ready) /* what cannot be read has no texts */
			sort_load_take_digest(r, &record->digest.digest, m);
		r->count++;
	}
}

static bool
sort_load_wants_digests(const struct sort_run *r)
{
	return r->wants_threads || (r->wants & ~(1u << SORT_ARRIVAL | 1u << SORT_SIZE | 1u << SORT_END)) != 0;
}

static void
sort_load_on_digests(struct imap_session *s, const struct err *err)
{
	CHECK(err == NULL);
	sort_load_take_batch(s->work);
	sort_load_next_batch(s->work);
}

/* True: all of the batch is there. */
static bool
sort_load_digests(struct sort_run *r)
{
	for (unsigned i = 0; i < r->records.count; i++)
		r->records.items[i].wants_digest = sort_load_wants_digests(r);
	return imap_records_read_digests(&r->records, sort_load_on_digests);
}

static void
sort_load_on_cold(struct imap_session *s, const struct err *err)
{
	struct sort_run *r = s->work;

	if (err != NULL) {
		sort_load_clean(r);
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

static void
sort_load_next_batch(struct sort_run *r)
{
	const struct imap_found *found = &r->search.found;

	for (;;) {
		imap_records_clear(&r->records);
		while (r->at < found->count && imap_records_add(&r->records, found->seqs[r->at]))
			r->at++;
		if (r->records.count == 0) {
			sort_load_clean(r);
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

void
imap_sort_load(struct search_run *found)
{
	struct sort_run *r = (struct sort_run *)found;
	struct imap_session *s = found->session;

	r->messages = arena_array(&s->command.arena, struct sort_message, found->found.count + 1);
	imap_records_init(&r->records, s);
	s->work = r;
	s->on_cancel = sort_load_on_cancel;
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
		return imap_finish(s, IMAP_NO, "[BADCHARSET (UTF-8 US-ASCII)] the charset is not known");
	if (search->search.uses_modseq)
		imap_enable_condstore(s);
	error = imap_search_prepare(search);
	if (error != NULL) {
		imap_lex_fail(lex, error);
		return imap_syntax(s, lex);
	}
	search->on_found = imap_sort_load;
	imap_search_run(search);
	return s->row == NULL ? CMD_DONE : CMD_WAIT; /* some are answered at once */
}
