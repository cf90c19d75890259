/* SEARCH and UID SEARCH (RFC 9051, 6.4.4): every message is judged by its
 * index record first; what that cannot decide goes in batches through its cold
 * record, its digest, its body, each read only for those still open. Long runs
 * come back to the loop between slices. */
#include "frontend/imap/search.h"

#include "lib/base/clock.h"
#include "lib/base/mem.h"

enum { SLICE = 20000, UID_SPAN_MAX = 4096 };

static void next_batch(struct search_run *r);

/* ---- The end ---- */
static void
free_batch(struct search_run *r)
{
	for (unsigned i = 0; i < r->batch_count; i++)
		imap_digest_fini(&r->batch[i].digest);
	r->batch_count = 0;
}

static void
clean(struct search_run *r)
{
	imap_search_bodies_cancel(r);
	free_batch(r);
	arena_fini(&r->scratch);
	r->session->on_cancel = NULL;
}

static void
on_cancel(struct imap_session *s)
{
	clean(s->work);
}

static void
fail(struct search_run *r, const struct err *err)
{
	clean(r);
	imap_failed(r->session, err);
}

static void
finish(struct search_run *r)
{
	struct imap_session *s = r->session;
	uint32_t count = imap_view_count(s->view);

	clean(r);
	r->found.seqs = arena_array(&s->command, uint32_t, count + 1);
	for (uint32_t seq = 1; seq <= count; seq++) {
		struct mailbox_hot hot;
		if (r->verdicts[seq - 1] != VERDICT_YES)
			continue;
		r->found.seqs[r->found.count++] = seq;
		if (r->search.uses_modseq && imap_view_hot(s->view, seq, &hot) && hot.modseq > r->found.modseq)
			r->found.modseq = hot.modseq;
	}
	r->on_found(r);
}

/* ---- What the records below the index say ---- */
static void
judge(struct search_run *r, struct search_entry *e)
{
	enum verdict v;

	arena_reset(&r->scratch);
	v = imap_search_eval(r->search.key, &e->m);
	if (v == VERDICT_UNKNOWN)
		return;
	e->open = false;
	r->verdicts[e->m.seq - 1] = (uint8_t)v;
}

static bool
any_open(const struct search_run *r)
{
	for (unsigned i = 0; i < r->batch_count; i++)
		if (r->batch[i].open)
			return true;
	return false;
}

void
imap_search_body_done(struct search_run *r)
{
	free_batch(r);
	next_batch(r);
}

struct waiting {
	struct search_run *run;
	struct search_entry *entry;
};

static void
end_digest(struct search_run *r)
{
	if (--r->loading != 0)
		return;
	if (any_open(r))
		imap_search_bodies(r);
	else
		imap_search_body_done(r);
}

static void
on_digest(void *arg, const struct err *err)
{
	struct waiting w = *(struct waiting *)arg;

	mem_free(arg);
	if (err == NULL && w.entry->digest.ready) {
		w.entry->m.digest = &w.entry->digest.digest;
		judge(w.run, w.entry);
	} else {
		w.entry->open = false; /* what cannot be read does not match */
	}
	end_digest(w.run);
}

static void
load_digests(struct search_run *r)
{
	r->loading = 1;
	for (unsigned i = 0; i < r->batch_count; i++) {
		struct waiting *w;
		if (!r->batch[i].open)
			continue;
		w = mem_new(struct waiting);
		*w = (struct waiting){r, &r->batch[i]};
		r->loading++;
		imap_digest_load(r->session, r->batch[i].m.uid, &r->batch[i].cold, &r->batch[i].digest, on_digest, w);
	}
	end_digest(r);
}

static void
on_cold(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct search_run *r = arg;
	uint32_t at = 0;

	if (!imap_back(r->session))
		return;
	if (err != NULL) {
		fail(r, err);
		return;
	}
	for (unsigned i = 0; i < r->batch_count; i++) {
		struct search_entry *e = &r->batch[i];
		struct mailbox_hot hot = {0};
		for (; at < records->count; at++) {
			mailbox_hot_unpack(records->hot + (size_t)at * MAILBOX_HOT_BYTES, &hot);
			if (hot.uid >= e->m.uid)
				break;
		}
		e->open = at < records->count && hot.uid == e->m.uid; /* else it has just gone */
		if (!e->open)
			continue;
		mailbox_cold_unpack(records->cold + (size_t)at * MAILBOX_COLD_BYTES, &e->cold);
		e->m.cold = &e->cold;
		judge(r, e);
	}
	load_digests(r);
}

/* The next messages that are not decided, near each other. */
static void
next_batch(struct search_run *r)
{
	struct imap_session *s = r->session;
	uint32_t count = imap_view_count(s->view), first = 0, last = 0;

	for (; r->at < count && r->batch_count < SEARCH_BATCH; r->at++) {
		uint32_t seq = r->at + 1, uid = imap_view_uid(s->view, seq);
		struct search_entry *e = &r->batch[r->batch_count];
		if (r->verdicts[r->at] != VERDICT_UNKNOWN)
			continue;
		if (first != 0 && uid - first > UID_SPAN_MAX)
			break;
		r->verdicts[r->at] = VERDICT_NO; /* until it is known better */
		*e = (struct search_entry){.open = true};
		if (!imap_view_hot(s->view, seq, &e->hot))
			continue;
		e->m = (struct search_subject){
			.seq = seq, .uid = uid, .hot = &e->hot, .scratch = &r->scratch, .now = clock_unix_ms() / 1000};
		first = first == 0 ? uid : first;
		last = uid;
		r->batch_count++;
	}
	if (r->batch_count == 0) {
		finish(r);
		return;
	}
	imap_hold(s);
	mailbox_read(imap_store(s), imap_address(s), s->view->index->folder_id, first, last, MAILBOX_HOT | MAILBOX_COLD, 0,
		     on_cold, r);
}

/* ---- The index ---- */
static void
judge_hot(struct imap_session *s)
{
	struct search_run *r = s->work;
	uint32_t count = imap_view_count(s->view), end = r->at + SLICE < count ? r->at + SLICE : count;
	bool any_unknown = false;

	for (; r->at < end; r->at++) {
		struct mailbox_hot hot;
		struct search_subject m = {
			.seq = r->at + 1, .uid = imap_view_uid(s->view, r->at + 1), .hot = &hot, .scratch = &r->scratch};
		if (imap_view_hot(s->view, m.seq, &hot))
			r->verdicts[r->at] = (uint8_t)imap_search_eval(r->search.key, &m);
		any_unknown |= r->verdicts[r->at] == VERDICT_UNKNOWN;
	}
	r->hot_done |= any_unknown; /* here: something is left for the second round */
	if (r->at < count) {
		imap_later(s, judge_hot);
	} else if (r->hot_done) {
		r->at = 0;
		r->batch = arena_array(&s->command, struct search_entry, SEARCH_BATCH);
		next_batch(r);
	} else {
		finish(r);
	}
}

void
imap_search_run(struct search_run *r)
{
	struct imap_session *s = r->session;

	r->verdicts = arena_alloc(&s->command, imap_view_count(s->view) + 1);
	arena_init(&r->scratch);
	s->work = r;
	s->on_cancel = on_cancel;
	judge_hot(s);
}

/* ---- The command ---- */
enum cmd_status
imap_cmd_search(struct imap_session *s, struct imap_lexer *lex)
{
	struct search_run *r = arena_new(&s->command, struct search_run);
	struct str charset;
	const char *error;

	r->session = s;
	r->on_found = imap_search_answer;
	if (!imap_lex_sp(lex) || !imap_parse_return(lex, &r->search) || !imap_parse_charset(lex, &charset) ||
	    !imap_parse_search(lex, charset, &r->search))
		return imap_syntax(s, lex);
	if (r->search.bad_charset)
		return imap_finish(s, IMAP_NO, "[BADCHARSET (UTF-8 US-ASCII)] the charset is not known");
	if (r->search.uses_modseq)
		imap_enable_condstore(s);
	error = imap_search_prepare(s, &r->search, r->body_keys, &r->body_key_count);
	if (error != NULL) {
		imap_lex_fail(lex, error);
		return imap_syntax(s, lex);
	}
	imap_search_run(r);
	return s->row == NULL ? CMD_DONE : CMD_WAIT; /* some are answered at once */
}
