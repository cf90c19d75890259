/* THREAD and UID THREAD (RFC 5256, 3). */
#include "frontend/imap/search/thread.h"

static void
cmd_thread_answer(struct sort_run *r, const struct imap_thread *roots)
{
	struct imap_session *s = r->search.session;
	struct buf out = BUF_EMPTY;

	buf_add_c(&out, roots != NULL ? "* THREAD " : "* THREAD");
	imap_thread_print(roots, s->by_uid, &out);
	buf_add_c(&out, "\r\n");
	imap_write(s, &out);
	buf_fini(&out);
	imap_ok(s);
}

static void
cmd_thread_by_references(struct sort_run *r)
{
	cmd_thread_answer(r, imap_thread_by_references(r->messages, r->count, &r->search.session->command.arena));
}

static void
cmd_thread_by_subject(struct sort_run *r)
{
	cmd_thread_answer(r, imap_thread_by_subject(r->messages, r->count, &r->search.session->command.arena));
}

enum cmd_status
imap_cmd_thread(struct imap_session *s, struct imap_lexer *lex)
{
	struct sort_run *r = arena_new(&s->command.arena, struct sort_run);

	r->search.session = s;
	r->wants = 1u << SORT_SUBJECT | 1u << SORT_DATE;
	if (!imap_lex_sp(lex))
		return imap_syntax(s, lex);
	if (imap_lex_try_word(lex, "REFERENCES")) {
		r->on_loaded = cmd_thread_by_references;
		r->wants_threads = true;
	} else if (imap_lex_try_word(lex, "ORDEREDSUBJECT")) {
		r->on_loaded = cmd_thread_by_subject;
	} else {
		imap_lex_fail(lex, "an unknown threading algorithm");
		return imap_syntax(s, lex);
	}
	return imap_sort_begin(r, lex);
}
