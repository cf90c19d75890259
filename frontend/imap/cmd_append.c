/* APPEND: messages stream to the blob store as they come; their digests are
 * computed on the way; all are filed by one script, or none. OK is said when
 * the bodies are synced and the index is written.
 *
 * REPLACE (RFC 8508) is an APPEND of one message, after which one of the
 * selected mailbox is expunged; it is left alone until the new one is there. */
#include "frontend/imap/append.h"

#include <string.h>

#include "frontend/imap/input.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/blob/refs.h"
#include "lib/mime/digest.h"

enum { MESSAGES_MAX = 1000 };

struct message {
	struct imap_session *session; /* held while its body is being synced */
	struct imap_append *append;   /* NULL: given up */
	struct blob_store *blobs;
	struct imap_flags flags;
	bool has_date;
	int64_t date;
	int16_t zone_minutes;
	struct blob_id body, digest;
	struct message *next;
};

/* What the store is asked to file; in the arena, since its answer may come when
 * the session is gone. */
struct filing {
	struct imap_session *session;
	struct frontend *frontend;
	struct message *messages;
	unsigned count;
};

struct imap_append {
	struct str mailbox;
	uint32_t folder_id;
	struct imap_literal literal; /* the last one announced */
	struct message *first, *last; /* in the arena */
	unsigned count;
	unsigned syncing; /* bodies on their way to the disk */
	bool utf8_open;	  /* "UTF8 (" stands before the literal: ")" must follow */
	bool whole;	  /* the command has come to its end */
	bool filing;	  /* the store has been asked */
	uint64_t bytes;	  /* of all messages announced */
	/* REPLACE: */
	bool replaces;
	uint32_t replaced; /* as the client gave it, then the UID */
	/* Why it cannot be: the rest is taken and thrown away. */
	const char *refused; /* constant; NULL: nothing is wrong */
	enum imap_reply refused_reply;
	/* The body that is coming. */
	struct blob_append *body;	    /* owner */
	struct mime_digest_builder *digest; /* owner */
	char before;			    /* its last byte */
};

/* ---- Giving up ---- */

static void
release(struct blob_store *blobs, const struct message *m)
{
	if (!blob_id_is_none(&m->body))
		blob_release(blobs, &m->body);
	if (!blob_id_is_none(&m->digest))
		blob_release(blobs, &m->digest);
}

static void
stop_body(struct imap_append *a)
{
	if (a->body != NULL)
		blob_append_abort(&a->body);
	if (a->digest != NULL)
		mime_digest_abort(&a->digest);
}

void
imap_append_free(struct imap_append **ap)
{
	struct imap_append *a = *ap;

	if (a == NULL)
		return;
	*ap = NULL;
	stop_body(a);
	for (struct message *m = a->first; m != NULL; m = m->next) {
		m->append = NULL;
		if (!a->filing)
			release(m->blobs, m);
	}
	mem_free(a);
}

static void
refuse(struct imap_append *a, enum imap_reply reply, const char *why)
{
	if (a->refused == NULL) {
		a->refused = why;
		a->refused_reply = reply;
	}
	stop_body(a);
}

/* Says why, now that nothing of the command is to come any more. */
static void
finish_refused(struct imap_session *s)
{
	enum imap_reply reply = s->append->refused_reply;
	const char *why = s->append->refused;

	imap_append_free(&s->append);
	imap_finish(s, reply, "%s", why);
}

/* ---- Arguments ---- */

/* Does the literal that was just announced stand here? */
static bool
is_announced(const struct imap_lexer *lex)
{
	struct str rest = str_from(lex->text, lex->at);

	return rest.len != 0 && (rest.p[0] == '{' || (rest.p[0] == '~' && rest.len > 1 && rest.p[1] == '{')) &&
	       memchr(rest.p, '\n', rest.len) == NULL;
}

/* " (\Seen) "date" " up to a message's literal. */
static bool
take_message(struct imap_append *a, struct imap_lexer *lex, struct message *m)
{
	if (!imap_lex_sp(lex))
		return false;
	if (imap_lex_peek(lex) == '(' && (!imap_lex_flag_list(lex, &m->flags) || !imap_lex_sp(lex)))
		return false;
	if (imap_lex_peek(lex) == '"') {
		m->has_date = true;
		if (!imap_lex_date_time(lex, &m->date, &m->zone_minutes) || !imap_lex_sp(lex))
			return false;
	}
	if (imap_lex_try_word(lex, "UTF8")) {
		a->utf8_open = true;
		if (!imap_lex_sp(lex) || !imap_lex_char(lex, '(') || imap_lex_peek(lex) != '~')
			return imap_lex_fail(lex, "UTF8 wants a literal8 in parentheses");
	}
	return is_announced(lex) || imap_lex_fail(lex, "the message's literal is missing");
}

/* Behind a message. */
static bool
take_close(struct imap_append *a, struct imap_lexer *lex)
{
	bool open = a->utf8_open;

	a->utf8_open = false;
	return !open || imap_lex_char(lex, ')');
}

static struct message *
add_message(struct imap_session *s)
{
	struct imap_append *a = s->append;
	struct message *m = arena_new(&s->command, struct message);

	m->session = s;
	m->append = a;
	m->blobs = conn_frontend(s->conn)->service->blobs;
	if (a->last != NULL)
		a->last->next = m;
	else
		a->first = m;
	a->last = m;
	a->count++;
	return m;
}

static void
check_limits(struct imap_session *s)
{
	struct imap_append *a = s->append;
	int64_t limit = imap_settings(s)->max_message_size;

	if (a->literal.size == 0)
		refuse(a, IMAP_NO, "[CANNOT] a message may not be empty");
	else if (limit != 0 && a->literal.size > (uint64_t)limit)
		refuse(a, IMAP_NO, "[TOOBIG] the message is too large");
	else if (a->count > MESSAGES_MAX)
		refuse(a, IMAP_NO, "[LIMIT] too many messages in one APPEND");
	a->bytes += a->literal.size;
}

/* ---- A message's bytes ---- */

static void
begin_body(struct imap_append *a)
{
	if (a->refused != NULL)
		return;
	a->body = blob_append_begin(a->last->blobs, BLOB_BODY, a->literal.size);
	a->digest = mime_digest_begin();
	a->before = '\0';
}

static bool
add_piece(struct imap_append *a, const char *data, size_t len)
{
	struct err err;

	if (len == 0)
		return true;
	mime_digest_feed(a->digest, str_of(data, len));
	if (blob_append_data(a->body, data, len, &err) == 0)
		return true;
	log_error(NULL, "a message cannot be stored", F_ERR(&err));
	refuse(a, IMAP_NO, "[UNAVAILABLE] the message cannot be stored now, try later");
	return false;
}

/* Lines end with CRLF in what is stored; a binary message stays as it is. */
static bool
add_text(struct imap_append *a, const char *data, size_t len)
{
	size_t from = 0;

	if (a->literal.binary)
		return add_piece(a, data, len);
	if (memchr(data, '\0', len) != NULL) {
		refuse(a, IMAP_NO, "[UNKNOWN-CTE] a message with NUL must come as a binary literal");
		return false;
	}
	for (const char *lf = memchr(data, '\n', len); lf != NULL; lf = memchr(lf + 1, '\n', len - (size_t)(lf + 1 - data))) {
		if ((lf == data ? a->before : lf[-1]) == '\r')
			continue;
		if (!add_piece(a, data + from, (size_t)(lf - data) - from) || !add_piece(a, "\r", 1))
			return false;
		from = (size_t)(lf - data);
	}
	a->before = data[len - 1];
	return add_piece(a, data + from, len - from);
}

static void
on_room(void *arg)
{
	imap_resume(arg);
}

bool
imap_append_data(struct imap_session *s, const char *data, size_t len)
{
	struct imap_append *a = s->append;

	if (a->refused != NULL || !add_text(a, data, len))
		return true;
	if (blob_append_backlog(a->body) <= BLOB_BACKLOG_BYTES)
		return true;
	conn_set_timeout(s->conn, 0);
	blob_append_wait_room(a->body, on_room, s);
	return false;
}

static void finish_append(struct imap_session *s);

static void
on_synced(void *arg, const struct blob_id *id, const struct err *err)
{
	struct message *m = arg;
	struct imap_session *s = m->session;
	bool wanted = m->append != NULL;

	if (err == NULL && wanted)
		m->body = *id;
	else if (err == NULL)
		blob_release(m->blobs, id);
	if (!imap_back(s) || !wanted)
		return;
	if (err != NULL) {
		log_error(conn_log(s->conn), "a message cannot be stored", F_C("account", s->address), F_ERR(err));
		refuse(s->append, IMAP_NO,
		       err->code == ERR_NO_SPACE ? "[UNAVAILABLE] no space is left to store the message"
						 : "[UNAVAILABLE] the message cannot be stored now, try later");
	}
	s->append->syncing--;
	if (s->append->whole && s->append->syncing == 0)
		finish_append(s);
}

void
imap_append_literal_end(struct imap_session *s)
{
	struct imap_append *a = s->append;
	struct message *m = a->last;
	struct buf digest = BUF_EMPTY;
	struct err err;

	if (a->refused != NULL)
		return;
	mime_digest_end(&a->digest, &digest);
	if (blob_put(m->blobs, BLOB_DIGEST, digest.data, digest.len, &m->digest, NULL, NULL, &err) != 0)
		m->digest = (struct blob_id){0}; /* it can be computed anew */
	buf_fini(&digest);
	a->syncing++;
	imap_hold(s);
	blob_append_commit(&a->body, on_synced, m);
}

/* ---- May it be? The answer comes before the go-ahead. ---- */

static void
go_on(struct imap_session *s)
{
	struct imap_append *a = s->append;

	if (a->refused != NULL && a->literal.synchronous) {
		imap_input_refuse(s);
		finish_refused(s);
		return;
	}
	begin_body(a);
	imap_input_stream(s);
}

/* The message to be replaced, by its UID from now on. */
static void
on_view(struct imap_session *s, const struct err *err)
{
	struct imap_append *a = s->append;
	uint32_t seq = s->by_uid && err == NULL ? imap_view_seq(s->view, a->replaced) : a->replaced;

	if (err != NULL)
		refuse(a, IMAP_NO, "[UNAVAILABLE] the mail store cannot be reached, try later");
	else if (!s->by_uid && seq > imap_view_count(s->view))
		refuse(a, IMAP_BAD, "there is no message of that number");
	else if (seq == 0 || imap_view_record(s->view, seq) == NULL)
		refuse(a, IMAP_NO, "[NONEXISTENT] the message to be replaced is no more");
	else if (s->view->read_only)
		refuse(a, IMAP_NO, "[CANNOT] the mailbox is selected read-only");
	else
		a->replaced = imap_view_uid(s->view, seq);
	go_on(s);
}

static void
find_replaced(struct imap_session *s)
{
	if (!s->append->replaces || s->append->refused != NULL)
		go_on(s);
	else if (imap_view_attach(s, on_view))
		on_view(s, NULL);
}

static void
on_quota(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	struct imap_session *s = arg;

	if (!imap_back(s))
		return;
	/* The store checks again when it files. */
	if (err == NULL && used->bytes + s->append->bytes > s->quota_bytes)
		refuse(s->append, IMAP_NO, "[OVERQUOTA] the account holds all that it may");
	find_replaced(s);
}

static void
on_folder(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct imap_session *s = arg;

	if (!imap_back(s))
		return;
	if (err == NULL)
		s->append->folder_id = folder->id;
	else if (err->code == ERR_NOT_FOUND)
		refuse(s->append, IMAP_NO, "[TRYCREATE] there is no such mailbox");
	else if (err->code == ERR_INVALID)
		refuse(s->append, IMAP_NO, "[CANNOT] that is no name of a mailbox");
	else
		refuse(s->append, IMAP_NO, "[UNAVAILABLE] the mail store cannot be reached, try later");
	if (s->append->refused != NULL || s->quota_bytes == 0) {
		find_replaced(s);
		return;
	}
	imap_hold(s);
	mailbox_quota_used(imap_store(s), imap_address(s), on_quota, s);
}

/* ---- Literals ---- */

/* BAD; what is left of the command is skipped. */
static enum imap_literal_use
refuse_syntax(struct imap_session *s, const struct imap_lexer *lex)
{
	imap_append_free(&s->append);
	imap_syntax(s, lex);
	return IMAP_LITERAL_REFUSE;
}

static enum imap_literal_use
first_literal(struct imap_session *s, struct str text, const struct imap_literal *literal)
{
	struct imap_lexer *lex = &s->lexer;
	const struct imap_command *row;
	struct str tag, mailbox;
	uint32_t replaced = 0;
	bool ok;

	if (s->holds == 0)
		arena_reset(&s->command);
	text = arena_str(&s->command, text);
	row = imap_command_of(text, &tag);
	CHECK(row != NULL);
	imap_lex_init(lex, text, &s->command, (s->enabled & (IMAP_UTF8_ACCEPT | IMAP_REV2)) != 0);
	/* The row was found, so tag and name stand there. */
	lex->at = tag.len + 1 + strlen(row->name);
	ok = imap_lex_sp(lex);
	if (ok && (row->flags & IMAP_REPLACES) != 0)
		ok = imap_lex_nz_number(lex, &replaced) && imap_lex_sp(lex);
	if (ok && is_announced(lex))
		return IMAP_LITERAL_INLINE;
	imap_begin(s, row, tag);
	if (!ok || !imap_lex_mailbox(lex, &mailbox))
		return refuse_syntax(s, lex);
	s->append = mem_new(struct imap_append);
	s->append->mailbox = mailbox;
	s->append->literal = *literal;
	s->append->replaces = (row->flags & IMAP_REPLACES) != 0;
	s->append->replaced = replaced;
	if (!take_message(s->append, lex, add_message(s)))
		return refuse_syntax(s, lex);
	check_limits(s);
	imap_hold(s);
	mailbox_open(imap_store(s), imap_address(s), mailbox, on_folder, s);
	return IMAP_LITERAL_WAIT;
}

enum imap_literal_use
imap_append_literal(struct imap_session *s, struct str text, const struct imap_literal *literal)
{
	struct imap_append *a = s->append;
	struct imap_lexer *lex = &s->lexer;

	if (a == NULL)
		return first_literal(s, text, literal);
	a->literal = *literal;
	imap_lex_init(lex, arena_str(&s->command, text), &s->command, false);
	if (!take_close(a, lex) || (a->replaces && !imap_lex_end(lex)) || !take_message(a, lex, add_message(s)))
		return refuse_syntax(s, lex);
	check_limits(s);
	if (a->refused != NULL && literal->synchronous) {
		finish_refused(s);
		return IMAP_LITERAL_REFUSE;
	}
	begin_body(a);
	return IMAP_LITERAL_STREAM;
}

/* ---- The end ---- */

static void
on_told(struct imap_session *s, const struct err *err)
{
	(void)err; /* it is done; the client hears of it later */
	imap_finish(s, IMAP_OK, "%s", (const char *)s->work);
}

static void
on_replaced_gone(void *arg, const struct mailbox_expunged *expunged, const struct err *err)
{
	struct imap_session *s = arg;

	if (!imap_back(s))
		return;
	if (err != NULL) {
		imap_failed(s, err);
		return;
	}
	imap_index_take_expunged(s->view->index, expunged);
	s->work = (void *)(uintptr_t)"replaced";
	imap_view_refresh(s, on_told);
}

static void
finish_filed(struct imap_session *s, const struct mailbox_filed *filed)
{
	uint32_t folder_id = s->append->folder_id, replaced = s->append->replaces ? s->append->replaced : 0;
	char *text;

	metrics_add(M_IMAP_APPENDED, filed->count);
	log_info(conn_log(s->conn), "messages appended", F_C("account", s->address), F_STR("mailbox", s->append->mailbox),
		 F_I64("count", filed->count), F_I64("uid", filed->first_uid));
	imap_append_free(&s->append);
	if (filed->count == 1)
		text = arena_printf(&s->command, "[APPENDUID %u %u] appended", filed->uid_validity, filed->first_uid);
	else
		text = arena_printf(&s->command, "[APPENDUID %u %u:%u] appended", filed->uid_validity, filed->first_uid,
				    filed->first_uid + filed->count - 1);
	s->work = text;
	if (replaced != 0) {
		imap_untagged(s, "OK %s", text);
		imap_hold(s);
		mailbox_expunge(imap_store(s), imap_address(s), s->view->index->folder_id, &replaced, 1, false,
				on_replaced_gone, s);
	} else if (s->view != NULL && s->view->index->folder_id == folder_id) {
		imap_view_refresh(s, on_told);
	} else {
		on_told(s, NULL);
	}
}

static void
on_filed(void *arg, const struct mailbox_filed *filed, const struct err *err)
{
	struct filing *f = arg;
	struct imap_session *s = f->session;

	/* Without an answer it may have been filed: the sweep will tell. */
	if (err != NULL && err->code != ERR_UNAVAILABLE)
		for (const struct message *m = f->messages; m != NULL; m = m->next)
			release(f->frontend->service->blobs, m);
	if (!imap_back(s))
		return;
	if (err == NULL) {
		finish_filed(s, filed);
		return;
	}
	imap_append_free(&s->append);
	if (err->code == ERR_NOT_FOUND)
		imap_finish(s, IMAP_NO, "[TRYCREATE] %s", err->text);
	else
		imap_failed(s, err);
}

static void
file_all(struct imap_session *s)
{
	struct imap_append *a = s->append;
	struct filing *f = arena_new(&s->command, struct filing);
	struct mailbox_new_message *list = arena_array(&s->command, struct mailbox_new_message, a->count);
	struct mailbox_filing filing = {.address = imap_address(s),
					.folder = a->mailbox,
					.quota_bytes = s->quota_bytes,
					.messages = list,
					.count = a->count};
	const struct message *m = a->first;

	*f = (struct filing){s, conn_frontend(s->conn), a->first, a->count};
	for (unsigned i = 0; i < a->count; i++, m = m->next)
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
	imap_hold(s);
	mailbox_file(imap_store(s), &filing, on_filed, f);
}

static void
finish_append(struct imap_session *s)
{
	if (s->append->refused != NULL)
		finish_refused(s);
	else
		file_all(s);
}

void
imap_append_end(struct imap_session *s, struct str text)
{
	struct imap_append *a = s->append;
	struct imap_lexer *lex = &s->lexer;

	imap_lex_init(lex, text, &s->command, false);
	if (!take_close(a, lex) || !imap_lex_end(lex))
		refuse(a, IMAP_BAD, lex->error);
	a->whole = true;
	if (a->syncing == 0)
		finish_append(s);
}

/* Without any message's literal. */
static enum cmd_status
cmd_append(struct imap_session *s, struct imap_lexer *lex)
{
	imap_lex_fail(lex, "the message's literal is missing");
	return imap_syntax(s, lex);
}

const struct imap_command imap_append_commands[] = {
	/* name, allowed in, flags, handler */
	{"APPEND", IMAP_LOGGED_IN, IMAP_LITERALS_STREAM, cmd_append},
	{"REPLACE", IMAP_SELECTED, IMAP_LITERALS_STREAM | IMAP_REPLACES, cmd_append},
	{"UID REPLACE", IMAP_SELECTED, IMAP_LITERALS_STREAM | IMAP_REPLACES | IMAP_BY_UID, cmd_append},
	{NULL, 0, 0, NULL},
};
