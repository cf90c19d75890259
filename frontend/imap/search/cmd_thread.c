/* THREAD and UID THREAD (RFC 5256, 3). */
#include "frontend/imap/search/sort.h"
#include "frontend/imap/search/thread.h"
#include "lib/message/fold.h"
#include "lib/message/subject.h"

struct threading {
	struct sort_run run; /* first */
	struct imap_thread *(*make)(struct thread_message *messages, uint32_t count, struct arena *arena);
	struct thread_message *messages; /* arena; in order of sequence number */
	uint32_t count;
};

static void
cmd_thread_on_found(struct sort_run *r)
{
	struct threading *w = (struct threading *)r;

	w->messages = arena_array(&r->search.session->command.arena, struct thread_message, r->search.found.count + 1);
}

static void
cmd_thread_take(struct sort_run *r, uint32_t row, const struct imap_record *record, const struct mailbox_hot *hot)
{
	struct threading *w = (struct threading *)r;
	struct arena *arena = &r->search.session->command.arena, *scratch = &r->search.scratch;
	const struct mime_digest *d = &record->digest.digest;
	struct thread_message *m = &w->messages[w->count++];

	(void)row;
	m->seq = record->seq;
	m->uid = hot->uid;
	m->date = record->cold.internal_date;
	if (!record->digest.ready)
		return; /* what cannot be read has no texts */
	if (d->has_date)
		m->date = d->date;
	arena_reset(scratch);
	m->subject = arena_str(
		arena, message_fold(message_base_subject(d->texts[DIGEST_SUBJECT], scratch, &m->is_reply), scratch));
	m->message_id = arena_str(arena, d->texts[DIGEST_MESSAGE_ID]);
	m->references = arena_str(arena, d->texts[DIGEST_REFERENCES]);
}

static void
cmd_thread_on_loaded(struct sort_run *r)
{
	struct threading *w = (struct threading *)r;
	struct imap_session *s = r->search.session;
	const struct imap_thread *roots = w->make(w->messages, w->count, &s->command.arena);
	struct buf out = BUF_EMPTY;

	buf_add_c(&out, roots != NULL ? "* THREAD " : "* THREAD");
	imap_thread_print(roots, s->by_uid, &out);
	buf_add_c(&out, "\r\n");
	imap_write(s, &out);
	buf_fini(&out);
	imap_sort_end(r);
	imap_ok(s);
}

enum cmd_status
imap_cmd_thread(struct imap_session *s, struct imap_lexer *lex)
{
	struct threading *w = arena_new(&s->command.arena, struct threading);

	w->run.search.session = s;
	w->run.take = cmd_thread_take;
	w->run.on_found = cmd_thread_on_found;
	w->run.on_loaded = cmd_thread_on_loaded;
	w->run.wants_digest = true;
	if (!imap_lex_sp(lex))
		return imap_syntax(s, lex);
	if (imap_lex_try_word(lex, "REFERENCES")) {
		w->make = imap_thread_by_references;
	} else if (imap_lex_try_word(lex, "ORDEREDSUBJECT")) {
		w->make = imap_thread_by_subject;
	} else {
		imap_lex_fail(lex, "an unknown threading algorithm");
		return imap_syntax(s, lex);
	}
	return imap_sort_begin(&w->run, lex);
}
