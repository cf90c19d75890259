/* A message's body on its way into the blob store.
 *
 * Only a small, fixed amount of it is ever in memory: what the store has not yet
 * written (above its limit the client is not read), and, until the lines on top are
 * known, the first line, or a submission's header up to HELD_MAX. */
#include "frontend/submit/private.h"

#include "lib/base/check.h"

enum { HELD_MAX = 64 * 1024 };

/* The reader's output for the current input. All submissions of a loop share it,
 * since it is used up before the loop continues. */
static _Thread_local struct buf body_stored;
/* The same for what is left of it without fields that are not true. */
static _Thread_local struct buf body_kept;

static void
body_begin_check(struct submit *s)
{
	const struct verify_options asked = {
		.client = s->options.peer,
		.helo = str_c(s->options.helo),
		.reverse_path = s->options.reverse_path,
		.authserv_id = s->authserv_id,
	};

	s->check = verify_check_begin(s->frontend, &asked);
	blob_append_leave_front(s->append);
}

void
submit_begin_data(struct submit *s, bool dot_lines)
{
	const struct settings_smtp_in *settings = submit_settings(s);
	bool signs = submit_sign_begin(s);

	CHECK(s->append == NULL && s->recipient_count > 0);
	smtp_data_reader_init(&s->reader, dot_lines);
	s->checks_from = s->options.account != NULL && settings->require_auth_match != AUTH_MATCH_NONE;
	header_watch_init(&s->watch, s->checks_from || signs);
	s->adds_missing = s->options.is_submission || s->options.account != NULL;
	s->max_size_bytes = (uint64_t)settings->max_message_size;
	s->max_hops = settings->max_hop_count;
	s->append = blob_append_begin(s->frontend->service->blobs, BLOB_BODY, s->options.size_bytes);
	s->authserv_id =
		arena_str(&s->op.arena,
			  str_c(settings_authserv_id(frontend_settings(s->frontend), s->frontend->service->hostname)));
	auth_results_filter_init(&s->filter, s->authserv_id);
	if (s->options.verifies)
		body_begin_check(s);
}

void
submit_refuse(struct submit *s, enum submit_result why)
{
	if (s->result != SUBMIT_OK)
		return;
	s->result = why;
	if (s->append != NULL)
		blob_append_abort(&s->append);
	buf_fini(&s->held);
	dkim_stream_free(&s->dkim);
	verify_check_free(&s->check);
}

enum submit_result
submit_result_of(const struct err *err)
{
	return err->code == ERR_NO_SPACE ? SUBMIT_STORE_FULL : SUBMIT_UNAVAILABLE;
}

static void
body_append(struct submit *s, struct str piece)
{
	struct err err;

	if (s->result != SUBMIT_OK || piece.len == 0 || blob_append_data(s->append, piece.p, piece.len, &err) == 0)
		return;
	log_warning(&s->log, "body not written", F_ERR(&err));
	submit_refuse(s, submit_result_of(&err));
}

/* What the client sent, on its way to the store. It is verified as it was sent, and signed as
 * it is stored. */
static void
body_keep(struct submit *s, struct str piece)
{
	if (s->check != NULL)
		verify_check_feed(s->check, piece);
	buf_clear(&body_kept);
	auth_results_filter_feed(&s->filter, piece, &body_kept);
	body_append(s, buf_str(&body_kept));
	submit_sign_feed(s, buf_str(&body_kept));
}

/* What the filter has held back. */
static void
body_keep_rest(struct submit *s)
{
	buf_clear(&body_kept);
	auth_results_filter_end(&s->filter, &body_kept);
	body_append(s, buf_str(&body_kept));
	submit_sign_feed(s, buf_str(&body_kept));
}

/* ---- The header ---- */

static void
body_check_header(struct submit *s)
{
	if (s->watch.received_count > s->max_hops)
		submit_refuse(s, SUBMIT_TOO_MANY_HOPS);
	if (!s->watch.ended || s->is_header_checked)
		return;
	s->is_header_checked = true;
	submit_sign_header_known(s);
	if (s->checks_from && s->watch.has_from && !submit_from_matches(s))
		submit_refuse(s, SUBMIT_FROM_NOT_YOURS);
}

/* ---- The lines on top ---- */

/* Some programs leave mbox lines in front of a message. After our own lines they
 * would end the header, so they are removed. */
static struct str
body_without_mbox_lines(struct submit *s, struct str text)
{
	size_t left_out = text.len < s->mbox_bytes ? text.len : s->mbox_bytes;

	s->mbox_bytes -= (uint32_t)left_out;
	s->size_bytes -= left_out;
	return str_from(text, left_out);
}

/* Writes our lines and the data that was held back for them. */
static void
body_begin_stream(struct submit *s)
{
	struct buf lines = BUF_EMPTY;
	struct str held;
	size_t trace_bytes;

	s->mbox_bytes = s->watch.first_line_known ? s->watch.mbox_bytes : 0;
	held = body_without_mbox_lines(s, buf_str(&s->held));
	s->streams = true;
	/* What comes on top of a verified message is known when all of it is. */
	if (s->options.verifies) {
		body_keep(s, held);
		buf_fini(&s->held);
		return;
	}
	buf_reserve(&lines, 1024);
	submit_trace_lines(s, &lines);
	trace_bytes = lines.len;
	if (s->adds_missing && s->watch.ended)
		submit_missing_lines(s, &lines);
	/* So that the first line of a text without a header is not read as part of our lines. */
	if (s->watch.no_header)
		buf_add_c(&lines, "\r\n");
	body_append(s, buf_str(&lines));
	submit_sign_feed(s, str_from(buf_str(&lines), trace_bytes));
	body_keep(s, held);
	buf_fini(&s->held);
	buf_fini(&lines);
}

static bool
body_is_top_known(const struct submit *s, size_t more)
{
	return s->held.len + more > HELD_MAX || (s->adds_missing ? s->watch.ended : s->watch.first_line_known);
}

/* piece: in the stored form. */
static void
body_add(struct submit *s, struct str piece)
{
	if (s->result != SUBMIT_OK || piece.len == 0)
		return;
	s->size_bytes += piece.len;
	if (s->max_size_bytes != 0 && s->size_bytes > s->max_size_bytes) {
		submit_refuse(s, SUBMIT_TOO_BIG);
		return;
	}
	if (!s->watch.ended) {
		header_watch_feed(&s->watch, piece);
		body_check_header(s);
		if (s->result != SUBMIT_OK)
			return;
	}
	if (!s->streams && body_is_top_known(s, piece.len))
		body_begin_stream(s);
	if (s->streams) {
		piece = body_without_mbox_lines(s, piece);
		body_keep(s, piece);
	} else {
		buf_add_str(&s->held, piece);
	}
}

/* ---- The data ---- */

size_t
submit_data(struct submit *s, struct str input, bool *ended_out)
{
	bool ended;
	size_t used;

	buf_clear(&body_stored);
	used = smtp_data_read(&s->reader, input, &body_stored, &ended);
	body_add(s, buf_str(&body_stored));
	if (ended_out != NULL)
		*ended_out = ended;
	return used;
}

void
submit_announce(struct submit *s, uint64_t octets)
{
	if (s->result == SUBMIT_OK && s->max_size_bytes != 0 && octets > s->max_size_bytes - s->size_bytes)
		submit_refuse(s, SUBMIT_TOO_BIG);
}

/* Only now is the size known for certain, but for lines that are still to be added. */
static void
body_check_room(struct submit *s, size_t more)
{
	enum submit_result judged;

	if (s->result != SUBMIT_OK)
		return;
	judged = submit_room_judge(&s->room, blob_append_size(s->append) + more);
	if (judged != SUBMIT_OK)
		submit_refuse(s, judged);
}

bool
submit_end_data(struct submit *s)
{
	if (!s->reader.dot_lines) {
		buf_clear(&body_stored);
		smtp_data_read_end(&s->reader, &body_stored);
		body_add(s, buf_str(&body_stored));
	}
	if (s->result != SUBMIT_OK)
		return false;
	header_watch_end(&s->watch);
	body_check_header(s);
	if (!s->streams)
		body_begin_stream(s);
	body_keep_rest(s);
	body_check_room(s, 0);
	return s->result == SUBMIT_OK;
}

bool
submit_add_front(struct submit *s)
{
	struct buf lines = BUF_EMPTY;

	submit_trace_lines(s, &lines);
	if (s->watch.no_header)
		buf_add_c(&lines, "\r\n");
	body_check_room(s, lines.len);
	if (s->result == SUBMIT_OK)
		blob_append_set_front(s->append, buf_str(&lines));
	buf_fini(&lines);
	return s->result == SUBMIT_OK;
}

/* ---- Back-pressure ---- */

bool
submit_wait_room(struct submit *s, void (*on_room)(void *arg), void *arg)
{
	if (s->append == NULL || blob_append_backlog(s->append) <= BLOB_BACKLOG_BYTES)
		return false;
	blob_append_wait_room(s->append, on_room, arg);
	return true;
}
