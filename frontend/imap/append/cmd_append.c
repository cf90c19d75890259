/* APPEND: messages are streamed to the blob store as they arrive, and their digests
 * are computed at the same time. One script files all of them, or none. OK is sent
 * once the bodies are synced and the index is written.
 *
 * CATENATE (RFC 4469) builds a message from literals and parts of other messages.
 * REPLACE (RFC 8508) is an APPEND of one message, after which a message of the
 * selected mailbox is expunged; the old one is untouched until the new one is stored. */
#include "frontend/imap/append/append_private.h"

#include <string.h>

#include "frontend/imap/session/input.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"

/* The request to the store; in the arena, since the answer may arrive when the
 * session is gone. */
struct filing {
	struct imap_session *session;
	struct frontend *frontend;
	struct imap_append_message *messages;
};

/* Sends the reason, now that no more of the command will arrive. */
static void
append_finish_refused(struct imap_session *s)
{
	enum imap_reply reply = s->append->refused_reply;
	const char *why = s->append->refused;

	imap_append_free(&s->append);
	imap_finish(s, reply, "%s", why);
}

/* ---- Steps ---- */

enum steps_result {
	STEPS_DONE,    /* all done */
	STEPS_WAIT,    /* append_go_on() will be called */
	STEPS_LITERAL, /* the literal may be sent */
	STEPS_REFUSED, /* and the client need not send the literal */
};

static enum steps_result
append_do_steps(struct imap_session *s)
{
	struct imap_append *a = s->append;

	while (a->in.steps != NULL) {
		const struct append_step *step = a->in.steps;
		a->in.steps = step->next;
		if (step->next == NULL)
			a->in.last_step = NULL;
		switch (step->kind) {
		case APPEND_BEGIN: append_begin_body(a); break;
		case APPEND_END: append_end_body(s); break;
		case APPEND_LITERAL:
			return a->refused != NULL && a->literal.synchronous ? STEPS_REFUSED : STEPS_LITERAL;
		case APPEND_URL:
			if (a->refused != NULL)
				break;
			append_fetch_url(s, step->url);
			return STEPS_WAIT;
		}
	}
	return STEPS_DONE;
}

/* The command has been read to its end. */
static void
append_end_whole(struct imap_session *s)
{
	if (s->append->syncing == 0)
		append_finish(s);
}

void
append_go_on(struct imap_session *s)
{
	switch (append_do_steps(s)) {
	case STEPS_WAIT: break;
	case STEPS_LITERAL: imap_input_stream(s); break;
	case STEPS_REFUSED:
		imap_input_refuse(s);
		append_finish_refused(s);
		break;
	case STEPS_DONE: append_end_whole(s); break;
	}
}

/* ---- May the message be accepted? The answer comes before the go-ahead. ---- */

/* Finds the message to be replaced, which is identified by its UID from now on. */
static void
append_on_view(struct imap_session *s, const struct err *err)
{
	struct imap_append *a = s->append;
	uint32_t seq = s->by_uid && err == NULL ? imap_view_seq(s->view, a->replaced) : a->replaced;

	if (err != NULL)
		append_refuse(a, IMAP_NO, "[UNAVAILABLE] the mail store cannot be reached, try later");
	else if (!s->by_uid && seq > imap_view_count(s->view))
		append_refuse(a, IMAP_BAD, "there is no message with that number");
	else if (seq == 0 || imap_view_record(s->view, seq) == NULL)
		append_refuse(a, IMAP_NO, "[NONEXISTENT] the message to be replaced no longer exists");
	else if (s->view->read_only)
		append_refuse(a, IMAP_NO, "[CANNOT] the mailbox is selected read-only");
	else
		a->replaced = imap_view_uid(s->view, seq);
	append_go_on(s);
}

static void
append_find_replaced(struct imap_session *s)
{
	if (!s->append->replaces || s->append->refused != NULL)
		append_go_on(s);
	else if (imap_view_attach(s, append_on_view))
		append_on_view(s, NULL);
}

static void
append_on_quota(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	/* The store checks again when filing. */
	if (err == NULL && used->bytes + s->append->bytes > s->quota_bytes)
		append_refuse(s->append, IMAP_NO, "[OVERQUOTA] the account's quota is used up");
	append_find_replaced(s);
}

static void
append_on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;

	if (!session_back(&s->base))
		return;
	if (err == NULL)
		s->append->folder_id = folder->id;
	else if (err->code == ERR_NOT_FOUND)
		append_refuse(s->append, IMAP_NO, "[TRYCREATE] there is no such mailbox");
	else if (err->code == ERR_INVALID)
		append_refuse(s->append, IMAP_NO, "[CANNOT] that is not a mailbox name");
	else
		append_refuse(s->append, IMAP_NO, "[UNAVAILABLE] the mail store cannot be reached, try later");
	/* The replaced message frees room; only the filing script knows how much. */
	if (s->append->refused != NULL || s->quota_bytes == 0 || s->append->replaces) {
		append_find_replaced(s);
		return;
	}
	session_hold(&s->base);
	mailbox_quota_used(imap_store(s), imap_address(s), append_on_quota, s);
}

/* ---- The command's text ---- */

static void
append_check_literal(struct imap_session *s, const struct imap_literal *literal)
{
	struct imap_append *a = s->append;
	int64_t limit = imap_settings(s)->max_message_size;

	a->literal = *literal;
	a->bytes += literal->size;
	if (literal->size == 0 && a->in.place != APPEND_IN_CATENATE)
		append_refuse(a, IMAP_NO, "[CANNOT] a message may not be empty");
	else if (limit != 0 && literal->size > (uint64_t)limit)
		append_refuse(a, IMAP_NO, "[TOOBIG] the message is too large");
}

/* Parses the command's beginning: "2 " for REPLACE, the mailbox, and as much as has
 * arrived. literal NULL: no more will arrive. */
static enum append_parsed
append_begin(struct imap_session *s, const struct imap_command *row, struct imap_lexer *lex,
	     const struct imap_literal *literal)
{
	bool replaces = (row->flags & IMAP_REPLACES) != 0;
	uint32_t replaced = 0;
	struct str mailbox;
	enum append_parsed parsed;

	if (!imap_lex_sp(lex) || (replaces && (!imap_lex_nz_number(lex, &replaced) || !imap_lex_sp(lex))))
		return APPEND_MALFORMED;
	if (literal != NULL && append_is_announced(lex))
		return APPEND_INLINE;
	if (!imap_lex_mailbox(lex, &mailbox))
		return APPEND_MALFORMED;
	s->append = mem_new(struct imap_append);
	s->append->mailbox = mailbox;
	s->append->begun_ms = clock_unix_ms();
	s->append->replaces = s->append->in.one_only = replaces;
	s->append->replaced = replaced;
	parsed = append_parse(s, lex, literal != NULL);
	if (parsed != APPEND_PARSED)
		imap_append_free(&s->append);
	return parsed;
}

static void
append_find_mailbox(struct imap_session *s)
{
	session_hold(&s->base);
	mailbox_open(imap_store(s), imap_address(s), s->append->mailbox, append_on_folder, s);
}

/* BAD; the rest of the command is skipped. */
static enum imap_literal_use
append_refuse_syntax(struct imap_session *s)
{
	imap_append_free(&s->append);
	imap_syntax(s, &s->lexer);
	return IMAP_LITERAL_REFUSE;
}

static enum imap_literal_use
append_first_literal(struct imap_session *s, struct str text, const struct imap_literal *literal)
{
	struct imap_lexer *lex = &s->lexer;
	const struct imap_command *row;
	enum append_parsed parsed;
	struct str tag;

	if (!op_waits(&s->command))
		arena_reset(&s->command.arena);
	text = arena_str(&s->command.arena, text);
	row = imap_command_of(text, &tag);
	CHECK(row != NULL);
	imap_lex_init(lex, text, &s->command.arena, (s->enabled & (IMAP_UTF8_ACCEPT | IMAP_REV2)) != 0);
	/* The row was found, so tag and name precede this. */
	lex->at = tag.len + 1 + strlen(row->name);
	parsed = append_begin(s, row, lex, literal);
	if (parsed == APPEND_INLINE)
		return IMAP_LITERAL_INLINE;
	imap_begin(s, row, tag);
	if (parsed == APPEND_MALFORMED)
		return append_refuse_syntax(s);
	append_check_literal(s, literal);
	append_find_mailbox(s);
	return IMAP_LITERAL_WAIT;
}

enum imap_literal_use
imap_append_literal(struct imap_session *s, struct str text, const struct imap_literal *literal)
{
	struct imap_lexer *lex = &s->lexer;

	if (s->append == NULL)
		return append_first_literal(s, text, literal);
	imap_lex_init(lex, arena_str(&s->command.arena, text), &s->command.arena, false);
	switch (append_parse(s, lex, true)) {
	case APPEND_INLINE: return IMAP_LITERAL_INLINE;
	case APPEND_MALFORMED: return append_refuse_syntax(s);
	case APPEND_PARSED: break;
	}
	append_check_literal(s, literal);
	switch (append_do_steps(s)) {
	case STEPS_LITERAL: return IMAP_LITERAL_STREAM;
	case STEPS_REFUSED: append_finish_refused(s); return IMAP_LITERAL_REFUSE;
	default: return IMAP_LITERAL_WAIT;
	}
}

void
imap_append_end(struct imap_session *s, struct str text)
{
	struct imap_append *a = s->append;
	struct imap_lexer *lex = &s->lexer;

	imap_lex_init(lex, text, &s->command.arena, false);
	if (append_parse(s, lex, false) != APPEND_PARSED) {
		append_refuse(a, IMAP_BAD, lex->error);
		a->in.steps = NULL;
	}
	a->whole = true;
	if (append_do_steps(s) == STEPS_DONE)
		append_end_whole(s);
}

/* Without a message literal: only CATENATE with URLs makes sense. */
static enum cmd_status
cmd_append(struct imap_session *s, struct imap_lexer *lex)
{
	if (append_begin(s, s->row, lex, NULL) != APPEND_PARSED)
		return imap_syntax(s, lex);
	s->append->whole = true;
	append_find_mailbox(s);
	return CMD_WAIT;
}

/* ---- The end ---- */

static void
append_on_told(struct imap_session *s, const struct err *err)
{
	(void)err; /* the command has succeeded; the client hears of it later */
	imap_finish(s, IMAP_OK, "%s", (const char *)s->work);
}

static void
append_finish_filed(struct imap_session *s, const struct mailbox_filed *filed)
{
	uint32_t folder_id = s->append->folder_id;
	char *text;

	metrics_add(M_IMAP_APPENDED, filed->count);
	log_info(conn_log(s->conn), "messages appended", F_C("account", s->account),
		 F_STR("mailbox", s->append->mailbox), F_I64("count", filed->count), F_I64("uid", filed->first_uid));
	imap_append_free(&s->append);
	if (filed->count == 1)
		text = arena_printf(&s->command.arena, "[APPENDUID %u %u] appended", filed->uid_validity,
				    filed->first_uid);
	else
		text = arena_printf(&s->command.arena, "[APPENDUID %u %u:%u] appended", filed->uid_validity,
				    filed->first_uid, filed->first_uid + filed->count - 1);
	s->work = text;
	if (filed->replaced.count != 0) {
		/* The new UID is sent before the EXPUNGE (RFC 8508, 3.4). */
		imap_untagged(s, "OK %s", text);
		folder_index_take_expunged(s->view->index, &filed->replaced);
		s->work = (void *)(uintptr_t) "replaced";
		imap_view_refresh(s, append_on_told);
	} else if (s->view != NULL && s->view->index->folder_id == folder_id) {
		imap_view_refresh(s, append_on_told);
	} else {
		append_on_told(s, NULL);
	}
}

static void
append_on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	struct filing *f = arg;
	struct imap_session *s = f->session;

	/* Without an answer it may have been filed: the sweep will find out. */
	if (err != NULL && mailbox_is_certain(err))
		for (const struct imap_append_message *m = f->messages; m != NULL; m = m->next)
			append_release(f->frontend->service->blobs, m);
	if (!session_back(&s->base))
		return;
	if (err == NULL) {
		append_finish_filed(s, filed);
		return;
	}
	imap_append_free(&s->append);
	if (err->code == ERR_NOT_FOUND)
		imap_finish(s, IMAP_NO, "[TRYCREATE] %s", err->text);
	else if (err->code == ERR_FENCED)
		imap_finish(s, IMAP_NO, "[NONEXISTENT] %s", err->text);
	else
		imap_failed(s, err);
}

static void
append_file_all(struct imap_session *s)
{
	struct imap_append *a = s->append;
	struct filing *f = arena_new(&s->command.arena, struct filing);
	struct mailbox_new_message *list = arena_array(&s->command.arena, struct mailbox_new_message, a->in.count);
	struct mailbox_filing filing = {.address = imap_address(s),
					.folder = a->mailbox,
					.quota_bytes = s->quota_bytes,
					.messages = list,
					.count = a->in.count};
	const struct imap_append_message *m = a->in.first;

	if (a->replaces) {
		filing.replaced_folder = s->view->index->folder_id;
		filing.replaced_uid = a->replaced;
	}
	*f = (struct filing){s, conn_frontend(s->conn), a->in.first};
	for (unsigned i = 0; i < a->in.count; i++, m = m->next)
		list[i] = (struct mailbox_new_message){
			.flags = m->flags.flags,
			.keywords = m->flags.keywords,
			.keyword_count = m->flags.keyword_count,
			.body = m->body,
			.digest = m->digest,
			.internal_date = m->has_date ? m->date : clock_unix_ms() / 1000,
			.zone_minutes = m->zone_minutes,
		};
	a->filing = true;
	session_hold(&s->base);
	mailbox_file(imap_store(s), &filing, append_on_filed, f);
}

/* The first body is referenced only by the command: a sweep releases what an earlier one
 * found without a reference (SWEEP_SUSPECT_MS, which is longer). */
#define APPEND_LONGEST_MS MAILBOX_TRY_LIFE_MS

void
append_finish(struct imap_session *s)
{
	if (clock_unix_ms() - s->append->begun_ms > APPEND_LONGEST_MS)
		append_refuse(s->append, IMAP_NO, "[LIMIT] the command took too long");
	if (s->append->refused != NULL)
		append_finish_refused(s);
	else
		append_file_all(s);
}

const struct imap_command imap_append_commands[] = {
	/* name, allowed in, flags, handler */
	{"APPEND", IMAP_LOGGED_IN, IMAP_LITERALS_STREAM, cmd_append},
	{"REPLACE", IMAP_SELECTED, IMAP_LITERALS_STREAM | IMAP_REPLACES, cmd_append},
	{"UID REPLACE", IMAP_SELECTED, IMAP_LITERALS_STREAM | IMAP_REPLACES | IMAP_BY_UID, cmd_append},
	{NULL, 0, 0, NULL},
};
