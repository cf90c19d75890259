/* What orders messages, read for all that a search has found: records and
 * digests in batches. */
#include "frontend/imap/sort.h"
#include "frontend/imap/subject.h"
#include "lib/base/mem.h"

enum { UID_SPAN_MAX = 4096 };

static void next_batch(struct sort_run *r);

static void
free_batch(struct sort_run *r)
{
	for (unsigned i = 0; i < r->batch_count; i++)
		imap_digest_fini(&r->batch[i].digest);
	r->batch_count = 0;
}

static void
on_cancel(struct imap_session *s)
{
	free_batch(s->work);
}

static const struct {
	enum sort_key key;
	enum mime_digest_text text;
} digest_texts[] = {
	{SORT_CC, DIGEST_CC_BOX},	    {SORT_FROM, DIGEST_FROM_BOX},
	{SORT_TO, DIGEST_TO_BOX},	    {SORT_DISPLAY_FROM, DIGEST_FROM_DISPLAY},
	{SORT_DISPLAY_TO, DIGEST_TO_DISPLAY},
};

static void
take_digest(struct sort_run *r, struct search_entry *e, struct sort_message *m)
{
	struct arena *arena = &r->search.session->command;
	const struct mime_digest *d = &e->digest.digest;

	if (d->has_date)
		m->date = d->date;
	for (unsigned i = 0; i < sizeof(digest_texts) / sizeof(digest_texts[0]); i++)
		if ((r->wants & 1u << digest_texts[i].key) != 0)
			m->texts[digest_texts[i].key] = imap_fold(d->texts[digest_texts[i].text], arena);
	if ((r->wants & 1u << SORT_SUBJECT) != 0)
		m->texts[SORT_SUBJECT] = imap_fold(imap_base_subject(d->texts[DIGEST_SUBJECT], arena, &m->is_reply), arena);
	if (r->wants_threads) {
		m->message_id = arena_str(arena, d->texts[DIGEST_MESSAGE_ID]);
		m->references = arena_str(arena, d->texts[DIGEST_REFERENCES]);
	}
}

static void
take_batch(struct sort_run *r)
{
	for (unsigned i = 0; i < r->batch_count; i++) {
		struct search_entry *e = &r->batch[i];
		struct sort_message *m = &r->messages[r->count];
		if (!e->open)
			continue; /* it has just gone */
		*m = (struct sort_message){.seq = e->m.seq,
					   .uid = e->m.uid,
					   .arrival = e->cold.internal_date,
					   .date = e->cold.internal_date,
					   .size = e->hot.size};
		if (e->digest.ready)
			take_digest(r, e, m);
		r->count++;
	}
	free_batch(r);
	next_batch(r);
}

static void
on_digest(void *arg, const struct err *err)
{
	struct sort_run *r = arg;

	(void)err; /* what cannot be read has no texts */
	if (--r->loading == 0)
		take_batch(r);
}

static bool
wants_digests(const struct sort_run *r)
{
	return r->wants_threads ||
	       (r->wants & ~(1u << SORT_ARRIVAL | 1u << SORT_SIZE | 1u << SORT_END)) != 0;
}

static void
on_cold(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct sort_run *r = arg;
	struct imap_session *s = r->search.session;
	uint32_t at = 0;

	if (!imap_back(s))
		return;
	if (err != NULL) {
		free_batch(r);
		s->on_cancel = NULL;
		imap_failed(s, err);
		return;
	}
	r->loading = 1;
	for (unsigned i = 0; i < r->batch_count; i++) {
		struct search_entry *e = &r->batch[i];
		struct mailbox_hot hot = {0};
		for (; at < records->count; at++) {
			mailbox_hot_unpack(records->hot + (size_t)at * MAILBOX_HOT_BYTES, &hot);
			if (hot.uid >= e->m.uid)
				break;
		}
		e->open = at < records->count && hot.uid == e->m.uid;
		if (!e->open)
			continue;
		e->hot = hot;
		mailbox_cold_unpack(records->cold + (size_t)at * MAILBOX_COLD_BYTES, &e->cold);
		if (!wants_digests(r))
			continue;
		r->loading++;
		imap_digest_load(s, e->m.uid, &e->cold, &e->digest, on_digest, r);
	}
	if (--r->loading == 0)
		take_batch(r);
}

static void
next_batch(struct sort_run *r)
{
	struct imap_session *s = r->search.session;
	const struct imap_found *found = &r->search.found;
	uint32_t first = 0, last = 0;

	while (r->at < found->count && r->batch_count < SEARCH_BATCH) {
		uint32_t seq = found->seqs[r->at], uid = imap_view_uid(s->view, seq);
		if (first != 0 && uid - first > UID_SPAN_MAX)
			break;
		first = first == 0 ? uid : first;
		last = uid;
		r->batch[r->batch_count] = (struct search_entry){.m = {.seq = seq, .uid = uid}};
		r->batch_count++;
		r->at++;
	}
	if (r->batch_count == 0) {
		s->on_cancel = NULL;
		r->on_loaded(r);
		return;
	}
	imap_hold(s);
	mailbox_read(imap_store(s), imap_address(s), s->view->index->folder_id, first, last, MAILBOX_HOT | MAILBOX_COLD, 0,
		     on_cold, r);
}

void
imap_sort_load(struct search_run *found)
{
	struct sort_run *r = (struct sort_run *)found;
	struct imap_session *s = found->session;

	r->messages = arena_array(&s->command, struct sort_message, found->found.count + 1);
	r->batch = arena_array(&s->command, struct search_entry, SEARCH_BATCH);
	s->work = r;
	s->on_cancel = on_cancel;
	next_batch(r);
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
	error = imap_search_prepare(s, &search->search, search->body_keys, &search->body_key_count);
	if (error != NULL) {
		imap_lex_fail(lex, error);
		return imap_syntax(s, lex);
	}
	search->on_found = imap_sort_load;
	imap_search_run(search);
	return s->row == NULL ? CMD_DONE : CMD_WAIT; /* some are answered at once */
}
