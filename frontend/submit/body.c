/* A message's body on its way into the blob store.
 *
 * A small, fixed amount of it is ever in memory: what the store has not yet
 * written (above its limit the client is not read), and, until it is known
 * what goes on top, the first line, or a submission's header up to HELD_MAX. */
#include "frontend/smtp/private.h"

#include "lib/base/check.h"
#include "lib/mime/address.h"

enum { HELD_MAX = 64 * 1024 };

void
smtp_body_begin(struct smtp_transaction *t, bool dot_lines)
{
	const struct smtp_session *s = t->session;
	const struct settings_smtp_in *settings = smtp_settings(s);
	bool signs = smtp_sign_begin(t);

	CHECK(t->append == NULL && !t->streams);
	smtp_data_reader_init(&t->reader, dot_lines);
	t->checks_from = s->account != NULL && settings->require_auth_match != AUTH_MATCH_NONE;
	header_watch_init(&t->watch, t->checks_from || signs);
	t->adds_missing = smtp_is_submission(s) || s->account != NULL;
	t->max_size_bytes = settings->max_message_size;
	t->max_hops = settings->max_hop_count;
	t->append = blob_append_begin(t->frontend->service->blobs, BLOB_BODY, t->params.size_bytes);
}

void
smtp_body_refuse(struct smtp_transaction *t, enum smtp_reply_name reply)
{
	if (t->is_refused)
		return;
	t->is_refused = true;
	t->refusal = reply;
	if (t->append != NULL)
		blob_append_abort(&t->append);
	buf_fini(&t->held);
	dkim_stream_free(&t->dkim);
}

enum smtp_reply_name
smtp_reply_for_error(const struct err *err)
{
	return err->code == ERR_NO_SPACE ? REPLY_STORE_FULL : REPLY_STORE_UNAVAILABLE;
}

static void
append(struct smtp_transaction *t, struct str piece)
{
	struct err err;

	if (t->is_refused || piece.len == 0 || blob_append_data(t->append, piece.p, piece.len, &err) == 0)
		return;
	log_warning(&t->log, "body not written", F_ERR(&err));
	smtp_body_refuse(t, smtp_reply_for_error(&err));
}

/* ---- What the header says ---- */

/* Are all addresses of From: the account's? */
static bool
is_from_own(struct smtp_transaction *t)
{
	struct mime_address *address = mime_parse_addresses(buf_str(&t->watch.from), &t->arena);
	bool any = false;

	if (t->watch.from_too_long)
		return false;
	for (; address != NULL; address = address->next) {
		if (address->kind != MIME_MAILBOX)
			continue;
		const char *text =
			arena_printf(&t->arena, "%.*s@%.*s", STR_ARG(address->mailbox), STR_ARG(address->host));
		if (!smtp_address_matches(t->session, str_c(text)))
			return false;
		any = true;
	}
	return any;
}

static void
check_header(struct smtp_transaction *t)
{
	if (t->watch.received_count > t->max_hops)
		smtp_body_refuse(t, REPLY_TOO_MANY_HOPS);
	if (!t->watch.ended || t->is_header_checked)
		return;
	t->is_header_checked = true;
	smtp_sign_header_known(t);
	if (t->checks_from && t->watch.has_from && !is_from_own(t))
		smtp_body_refuse(t, REPLY_FROM_NOT_YOURS);
}

/* ---- What goes on top ---- */

/* Behind our lines those of an mbox, which some programs leave in front of a
 * message, would end the header: they are left out. */
static struct str
without_mbox_lines(struct smtp_transaction *t, struct str text)
{
	size_t left_out = text.len < t->mbox_bytes ? text.len : t->mbox_bytes;

	t->mbox_bytes -= (uint32_t)left_out;
	t->size_bytes -= left_out;
	return str_from(text, left_out);
}

/* Writes our lines and what was held back for them. */
static void
begin_stream(struct smtp_transaction *t)
{
	struct buf lines = BUF_EMPTY;
	struct str held;
	size_t trace_bytes;

	t->mbox_bytes = t->watch.first_line_known ? t->watch.mbox_bytes : 0;
	held = without_mbox_lines(t, buf_str(&t->held));
	buf_reserve(&lines, 1024);
	smtp_trace_lines(t, &lines);
	trace_bytes = lines.len;
	if (t->adds_missing && t->watch.ended)
		smtp_missing_lines(t, &lines);
	/* Lest the first line of a bare text be read as a part of ours. */
	if (t->watch.no_header)
		buf_add_c(&lines, "\r\n");
	append(t, buf_str(&lines));
	append(t, held);
	smtp_sign_feed(t, str_from(buf_str(&lines), trace_bytes));
	smtp_sign_feed(t, held);
	buf_fini(&t->held);
	buf_fini(&lines);
	t->streams = true;
}

static bool
is_top_known(const struct smtp_transaction *t, size_t more)
{
	return t->held.len + more > HELD_MAX || (t->adds_missing ? t->watch.ended : t->watch.first_line_known);
}

void
smtp_body_add(struct smtp_transaction *t, struct str piece)
{
	if (t->is_refused || piece.len == 0)
		return;
	t->size_bytes += piece.len;
	if (t->max_size_bytes != 0 && t->size_bytes > (uint64_t)t->max_size_bytes) {
		smtp_body_refuse(t, REPLY_TOO_BIG);
		return;
	}
	if (!t->watch.ended) {
		header_watch_feed(&t->watch, piece);
		check_header(t);
		if (t->is_refused)
			return;
	}
	if (!t->streams && is_top_known(t, piece.len))
		begin_stream(t);
	if (t->streams) {
		piece = without_mbox_lines(t, piece);
		append(t, piece);
		smtp_sign_feed(t, piece);
	} else {
		buf_add_str(&t->held, piece);
	}
}

bool
smtp_body_end(struct smtp_transaction *t)
{
	if (t->is_refused)
		return false;
	header_watch_end(&t->watch);
	check_header(t);
	if (!t->streams)
		begin_stream(t);
	return !t->is_refused;
}

/* ---- Back-pressure ---- */

static void
on_room(void *arg)
{
	session_resume(&((struct smtp_transaction *)arg)->session->base);
}

void
smtp_body_await_room(struct smtp_transaction *t)
{
	struct conn *c = t->session->conn;

	if (t->append == NULL || blob_append_backlog(t->append) <= BLOB_BACKLOG_BYTES)
		return;
	conn_set_timeout(c, 0);
	conn_pause(c);
	blob_append_wait_room(t->append, on_room, t);
}
