/* THREAD and UID THREAD (RFC 5256, 3). */
#include <string.h>

#include "frontend/imap/search/sort.h"
#include "frontend/imap/search/thread.h"
#include "lib/message/fold.h"
#include "lib/message/subject.h"

struct threading {
	struct sort_run run; /* first */
	enum thread_algorithm algorithm;
	struct thread_message *messages; /* arena; in order of sequence number */
	uint32_t count;
	struct imap_threads *threads; /* owner */
	struct buf out;		      /* owner */
};

enum { PRINT_WORK = 2000 }; /* one piece of the answer, in units of lib/base/slice.h */

static void
cmd_thread_on_found(struct sort_run *r)
{
	struct threading *w = (struct threading *)r;

	w->messages = arena_array(&r->search.session->command.arena, struct thread_message, r->search.found.count + 1);
}

static const struct folder_text *
cmd_thread_text(struct arena *arena, struct str s)
{
	struct folder_text *text = arena_alloc(arena, sizeof(*text) + s.len);

	text->len = (uint32_t)s.len;
	if (s.len != 0)
		memcpy(text->bytes, s.p, s.len);
	return text;
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
	m->subject = cmd_thread_text(arena, STR_NONE);
	if (!record->digest.ready)
		return; /* an unreadable message has no texts */
	if (d->has_date)
		m->date = d->date;
	arena_reset(scratch);
	m->subject = cmd_thread_text(
		arena, message_fold(message_base_subject(d->texts[DIGEST_SUBJECT], scratch, &m->is_reply), scratch));
	m->message_id = arena_str(arena, d->texts[DIGEST_MESSAGE_ID]);
	m->references = arena_str(arena, d->texts[DIGEST_REFERENCES]);
}

static void
cmd_thread_clean(struct sort_run *r)
{
	struct threading *w = (struct threading *)r;

	imap_threads_free(&w->threads);
	buf_fini(&w->out);
}

static void
cmd_thread_tell(struct imap_session *s)
{
	struct threading *w = s->work;

	while (!imap_threads_print(w->threads, s->by_uid, &w->out))
		if (!imap_may_go_on(s, &w->out, PRINT_WORK, cmd_thread_tell))
			return;
	buf_add_c(&w->out, "\r\n");
	imap_write(s, &w->out);
	imap_sort_end(&w->run);
	imap_ok(s);
}

static void
cmd_thread_go_on(struct imap_session *s)
{
	struct threading *w = s->work;

	if (!imap_threads_run(w->threads, &s->command.slice)) {
		imap_later(s, cmd_thread_go_on);
		return;
	}
	buf_add_c(&w->out, w->count != 0 ? "* THREAD " : "* THREAD");
	cmd_thread_tell(s);
}

static void
cmd_thread_on_loaded(struct sort_run *r)
{
	struct threading *w = (struct threading *)r;
	struct imap_session *s = r->search.session;

	w->threads = imap_threads_new(w->algorithm, w->messages, w->count, &s->command.arena);
	cmd_thread_go_on(s);
}

enum cmd_status
imap_cmd_thread(struct imap_session *s, struct imap_lexer *lex)
{
	struct threading *w = arena_new(&s->command.arena, struct threading);

	w->run.search.session = s;
	w->run.take = cmd_thread_take;
	w->run.on_found = cmd_thread_on_found;
	w->run.on_loaded = cmd_thread_on_loaded;
	w->run.clean = cmd_thread_clean;
	w->run.wants_digest = true;
	if (!imap_lex_sp(lex))
		return imap_syntax(s, lex);
	if (imap_lex_try_word(lex, "REFERENCES")) {
		w->algorithm = THREAD_REFERENCES;
	} else if (imap_lex_try_word(lex, "ORDEREDSUBJECT")) {
		w->algorithm = THREAD_ORDEREDSUBJECT;
	} else {
		imap_lex_fail(lex, "unknown threading algorithm");
		return imap_syntax(s, lex);
	}
	return imap_sort_begin(&w->run, lex);
}
