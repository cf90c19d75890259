/* A message that milters have changed is stored anew: its header from memory, its body from
 * the first blob, piece by piece, unless a milter has replaced it. The signature covers the new
 * text. */
#include "frontend/submit/private.h"

#include "frontend/milter/message.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

struct submit_rewrite {
	struct submit *submit;		      /* borrowed */
	const struct milter_message *message; /* borrowed */
	void (*on_end)(struct submit *s);
	struct blob_read *read; /* owner; NULL: none */
	uint64_t at;		/* of the stored message */
	bool awaits_room;
};

void
submit_rewrite_free(struct submit_rewrite **rewrite)
{
	if (*rewrite == NULL)
		return;
	blob_read_cancel(&(*rewrite)->read);
	mem_free(*rewrite);
	*rewrite = NULL;
}

static void
rewrite_add(struct submit *s, struct str piece, bool is_signed)
{
	struct err err;

	if (s->result != SUBMIT_OK || piece.len == 0)
		return;
	if (is_signed)
		submit_sign_feed(s, piece);
	if (blob_append_data(s->append, piece.p, piece.len, &err) == 0)
		return;
	log_warning(&s->log, "body not written", F_ERR(&err));
	submit_refuse(s, submit_result_of(&err));
}

/* ---- The header ---- */

static void
rewrite_return_path(struct submit *s)
{
	struct buf line = BUF_EMPTY;

	buf_printf(&line, "Return-Path: <%.*s>\r\n", STR_ARG(s->options.reverse_path));
	s->return_path_length = (uint32_t)line.len;
	rewrite_add(s, buf_str(&line), false);
	buf_fini(&line);
}

static void
rewrite_header(struct submit_rewrite *r)
{
	struct submit *s = r->submit;
	const struct milter_message *m = r->message;

	for (unsigned i = 0; i < m->count; i++) {
		const struct milter_field *f = &m->fields[i];
		bool is_return_path = i == 0 && f->is_ours;

		if (is_return_path)
			rewrite_return_path(s);
		else
			/* What is above and among our own lines is not signed, as they are not. */
			rewrite_add(s, f->raw, !f->is_ours);
		if (!str_ends_ci(f->raw, STR("\n")))
			rewrite_add(s, STR("\r\n"), !f->is_ours);
	}
	rewrite_add(s, m->separator, true);
	rewrite_add(s, buf_str(&m->body), true);
}

/* ---- The body ---- */

static void rewrite_go_on(struct submit_rewrite *r);

static void
rewrite_on_room(void *arg)
{
	struct submit_rewrite *r = arg;

	r->awaits_room = false;
	rewrite_go_on(r);
}

static void
rewrite_on_read(void *arg, const char *data, size_t len, const struct err *err)
{
	struct submit_rewrite *r = arg;
	struct submit *s = r->submit;

	r->read = NULL;
	if (err != NULL || len == 0) {
		log_warning(&s->log, "message not read for milters", F_C("error", err != NULL ? err->text : "cut"));
		submit_refuse(s, SUBMIT_UNAVAILABLE);
	} else {
		rewrite_add(s, str_of(data, len), true);
		r->at += len;
	}
	rewrite_go_on(r);
}

static void
rewrite_go_on(struct submit_rewrite *r)
{
	enum { PIECE_BYTES = 64 * 1024 };
	struct submit *s = r->submit;
	uint64_t left = r->message->stored_bytes - r->at;

	if (s->result != SUBMIT_OK || r->message->is_body_replaced || left == 0) {
		r->on_end(s);
		return;
	}
	if (blob_append_backlog(s->append) > BLOB_BACKLOG_BYTES) {
		r->awaits_room = true;
		blob_append_wait_room(s->append, rewrite_on_room, r);
		return;
	}
	r->read = blob_read(s->frontend->service->blobs, &s->blob, r->at,
			    left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, rewrite_on_read, r);
}

/* ---- The beginning ---- */

/* The size of the message without our lines on top. */
static uint64_t
rewrite_size(const struct milter_message *m)
{
	uint64_t bytes = m->separator.len + (m->is_body_replaced ? m->body.len : m->stored_bytes - m->body_at);

	for (unsigned i = 0; i < m->count; i++)
		if (!m->fields[i].is_ours)
			bytes += m->fields[i].raw.len;
	return bytes;
}

void
submit_rewrite_begin(struct submit *s, const struct milter_message *m, void (*on_end)(struct submit *s))
{
	struct submit_rewrite *r = mem_new(struct submit_rewrite);
	bool signs = s->dkim != NULL;

	CHECK(s->rewrite == NULL && s->append == NULL);
	s->rewrite = r;
	r->submit = s;
	r->message = m;
	r->on_end = on_end;
	r->at = m->body_at;
	dkim_stream_free(&s->dkim);
	if (signs)
		submit_sign_begin(s);
	s->size_bytes = rewrite_size(m);
	s->reader.saw_eight_bit |= m->has_eight_bit;
	if (m->is_sender_changed)
		s->options.reverse_path = arena_str(&s->op.arena, m->sender);
	s->append = blob_append_begin(s->frontend->service->blobs, BLOB_BODY, m->stored_bytes);
	if (s->max_size_bytes != 0 && s->size_bytes > s->max_size_bytes)
		submit_refuse(s, SUBMIT_TOO_BIG);
	rewrite_header(r);
	rewrite_go_on(r);
}
