/* SEARCH and UID SEARCH (RFC 9051, 6.4.4): each message is judged by its index record
 * first. What remains undecided is processed in batches through cold records, digests
 * and bodies, each read only for messages that are still open. Long runs return to
 * the loop between slices. */
#include "frontend/imap/search/search.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"

enum { KEY_WORK = 2 }; /* to test one key on one index record, in units of lib/base/slice.h */

static void search_next_batch(struct search_run *r);

/* ---- The end ---- */
static void
search_clean(struct search_run *r)
{
	imap_search_bodies_cancel(r);
	imap_records_fini(&r->records);
	arena_fini(&r->scratch);
	r->session->on_cancel = NULL;
}

static void
search_on_cancel(struct imap_session *s)
{
	search_clean(s->work);
}

static void
search_fail(struct search_run *r, const struct err *err)
{
	search_clean(r);
	if ((r->search.returns & RETURN_SAVE) != 0) /* RFC 5182, 2.1 */
		imap_view_save(r->session->view, NULL, 0);
	imap_failed(r->session, err);
}

static void
search_finish(struct search_run *r)
{
	uint32_t count = imap_view_count(r->session->view), found = 0;

	search_clean(r);
	for (uint32_t i = 0; i < count; i++)
		found += r->verdicts[i] == VERDICT_YES;
	r->found.seqs = arena_array(&r->session->command.arena, uint32_t, found + 1);
	for (uint32_t i = 0; i < count; i++)
		if (r->verdicts[i] == VERDICT_YES)
			r->found.seqs[r->found.count++] = i + 1;
	r->on_found(r);
}

/* ---- Beyond the index ---- */
/* True: some messages need more than is known. */
static bool
search_judge_batch(struct search_run *r)
{
	bool open = false;

	for (unsigned i = 0; i < r->records.count; i++) {
		struct imap_record *record = &r->records.items[i];
		uint8_t *verdict = &r->verdicts[record->seq - 1];
		if (*verdict == VERDICT_UNKNOWN)
			*verdict = (uint8_t)imap_search_judge(r, record, NULL);
		record->wants_digest = *verdict == VERDICT_UNKNOWN;
		open |= record->wants_digest;
	}
	return open;
}

/* True: the batch is decided. False: it continues by itself. */
static bool
search_judge_digests(struct search_run *r)
{
	if (!search_judge_batch(r))
		return true;
	imap_search_bodies(r, search_next_batch);
	return false;
}

static void
search_on_digests(struct imap_session *s, const struct err *err)
{
	struct search_run *r = s->work;

	CHECK(err == NULL);
	if (search_judge_digests(r))
		search_next_batch(r);
}

static bool
search_judge_cold(struct search_run *r)
{
	if (!search_judge_batch(r))
		return true;
	return imap_records_read_digests(&r->records, search_on_digests) && search_judge_digests(r);
}

static void
search_on_cold(struct imap_session *s, const struct err *err)
{
	struct search_run *r = s->work;

	if (err != NULL)
		search_fail(r, err);
	else if (search_judge_cold(r))
		search_next_batch(r);
}

static void
search_on_turn(struct imap_session *s)
{
	search_next_batch(s->work);
}

/* Collects the next undecided messages. */
static void
search_next_batch(struct search_run *r)
{
	uint32_t count = imap_view_count(r->session->view);

	for (;;) {
		imap_records_clear(&r->records);
		for (; r->at < count; r->at++)
			if (r->verdicts[r->at] == VERDICT_UNKNOWN && !imap_records_add(&r->records, r->at + 1))
				break;
		if (r->records.count == 0) {
			search_finish(r);
			return;
		}
		imap_tell_progress(r->session, &r->progress, r->records.items[0].seq - 1, count);
		r->open -= r->records.count;
		if (!imap_records_read_cold(&r->records, r->open, search_on_cold) || !search_judge_cold(r))
			return;
		if (session_spend(&r->session->base, 0)) {
			imap_later(r->session, search_on_turn);
			return;
		}
	}
}

/* ---- The index ---- */
static void
search_judge_index(struct imap_session *s)
{
	struct search_run *r = s->work;
	uint32_t count = imap_view_count(s->view);

	for (; r->at < count; r->at++) {
		struct mailbox_hot hot;
		struct message_known m = {.hot = &hot};
		if (session_spend(&s->base, r->judge_work)) {
			imap_later(s, search_judge_index);
			return;
		}
		if (imap_view_hot(s->view, r->at + 1, &hot))
			r->verdicts[r->at] = (uint8_t)message_match(r->search.key, &m);
		r->open += r->verdicts[r->at] == VERDICT_UNKNOWN;
	}
	if (r->open == 0) {
		search_finish(r);
		return;
	}
	r->at = 0;
	search_next_batch(r);
}

static void
search_on_current(struct imap_session *s, const struct err *err)
{
	if (err != NULL)
		search_fail(s->work, err);
	else
		search_judge_index(s);
}

static uint32_t
search_count_keys(const struct message_key *k)
{
	uint32_t count = 1;

	for (k = k->children; k != NULL; k = k->next)
		count += search_count_keys(k);
	return count;
}

void
imap_search_run(struct search_run *r)
{
	struct imap_session *s = r->session;

	r->judge_work = KEY_WORK * search_count_keys(r->search.key);
	r->verdicts = arena_alloc(&s->command.arena, imap_view_count(s->view) + 1);
	r->now = clock_unix_ms() / 1000;
	arena_init(&r->scratch);
	imap_records_init(&r->records, s);
	s->work = r;
	s->on_cancel = search_on_cancel;
	/* As in FETCH with CHANGEDSINCE: includes all changes, wherever they were made. */
	if (r->search.uses_modseq)
		imap_view_refresh(s, search_on_current);
	else
		search_judge_index(s);
}

/* ---- The command ---- */
enum cmd_status
imap_cmd_search(struct imap_session *s, struct imap_lexer *lex)
{
	struct search_run *r = arena_new(&s->command.arena, struct search_run);
	struct str charset;
	const char *error;

	r->session = s;
	r->on_found = imap_search_answer;
	if (!imap_lex_sp(lex) || !imap_parse_return(lex, &r->search) || !imap_parse_charset(lex, &charset) ||
	    !imap_parse_search(lex, charset, &r->search))
		return imap_syntax(s, lex);
	if (r->search.bad_charset)
		return imap_finish(s, IMAP_NO, "[BADCHARSET (UTF-8 US-ASCII)] the charset is unknown");
	if (r->search.uses_modseq)
		imap_enable_condstore(s);
	error = imap_search_prepare(r);
	if (error != NULL) {
		imap_lex_fail(lex, error);
		return imap_syntax(s, lex);
	}
	imap_search_run(r);
	return s->row == NULL ? CMD_DONE : CMD_WAIT; /* some commands complete at once */
}
