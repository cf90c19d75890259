/* The sections of a FETCH: bodies in pieces from the blob store to the client;
 * when the client is slow the next piece is not read. */
#include "frontend/imap/fetch.h"
#include "frontend/imap/section.h"
#include "lib/base/mem.h"

enum { PIECE_BYTES = 64 * 1024, COPIED_BYTES = 4096 };

void
fetch_go_on(struct fetch *f)
{
	f->section = f->section->next;
	if (fetch_sections(f))
		fetch_next_entry(f);
}

void
fetch_begin_section(struct fetch *f)
{
	const struct imap_section *p = f->section;

	if (f->line.len == 0 || f->line.data[f->line.len - 1] != '(')
		buf_add_byte(&f->line, ' ');
	buf_add_str(&f->line, p->label);
	if (p->partial) {
		buf_add_byte(&f->line, '<');
		imap_print_u64(p->offset, &f->line);
		buf_add_byte(&f->line, '>');
	}
	buf_add_byte(&f->line, ' ');
}

static void
begin_literal(struct fetch *f, uint64_t size)
{
	fetch_begin_section(f);
	buf_add_byte(&f->line, '{');
	imap_print_u64(size, &f->line);
	buf_add_c(&f->line, "}\r\n");
}

/* Cuts to the partial that was asked for. */
void
fetch_cut(const struct imap_section *p, uint64_t *start, uint64_t *end)
{
	if (!p->partial)
		return;
	*start = *end - *start > p->offset ? *start + p->offset : *end;
	if (*end - *start > p->length)
		*end = *start + p->length;
}

/* ---- Headers, filtered ---- */
static void
tell_fields(struct fetch *f, struct str header)
{
	struct buf filtered = BUF_EMPTY;
	uint64_t start = 0, end;

	imap_section_filter(f->section, header, &filtered);
	end = filtered.len;
	fetch_cut(f->section, &start, &end);
	begin_literal(f, end - start);
	buf_add(&f->line, filtered.data + start, (size_t)(end - start));
	buf_fini(&filtered);
}

/* The body cannot be read any more: what follows would not be understood. */
void
fetch_give_up(struct fetch *f, const struct err *err)
{
	log_error(conn_log(f->session->conn), "a message cannot be read", F_ERR(err));
	conn_abort(f->session->conn);
}

static void
on_header(void *arg, const char *data, size_t len, const struct err *err)
{
	struct fetch *f = arg;

	if (!imap_back(f->session))
		return;
	if (err != NULL) {
		fetch_give_up(f, err);
		return;
	}
	tell_fields(f, str_of(data, len));
	fetch_go_on(f);
}

/* ---- Bodies, streamed ---- */
static void read_piece(struct fetch *f);

static void
on_drained(struct imap_session *s)
{
	read_piece(s->work);
}

static void
on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct fetch *f = arg;
	struct imap_session *s = f->session;
	struct err short_body;

	if (!imap_back(s))
		return;
	if (err == NULL && len == 0) {
		err_set(&short_body, ERR_CORRUPT, "the body ends before its length");
		err = &short_body;
	}
	if (err != NULL) {
		fetch_give_up(f, err);
		return;
	}
	if (f->line.len + len <= COPIED_BYTES) { /* small ones go out together */
		buf_add(&f->line, data, len);
	} else {
		imap_write(s, &f->line);
		buf_clear(&f->line);
		conn_write(s->conn, data, len);
	}
	f->offset += len;
	if (imap_may_write(s, on_drained))
		read_piece(f);
}

static void
read_piece(struct fetch *f)
{
	uint64_t left = f->end - f->offset;

	if (left == 0) {
		fetch_go_on(f);
		return;
	}
	imap_hold(f->session);
	blob_read(conn_frontend(f->session->conn)->service->blobs, &f->body, f->offset,
		  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, on_piece, f);
}

/* True: told already. */
static bool
tell_section(struct fetch *f)
{
	struct imap_extent extent;

	if (!imap_section_find(f->section, &f->batch[f->batch_at].digest.digest, f->body.length, &extent)) {
		fetch_begin_section(f);
		buf_add_c(&f->line, f->section->size_only ? "0" : "NIL");
		return true;
	}
	if (f->section->binary)
		return fetch_binary(f, &extent);
	if (extent.is_header && extent.end > extent.start) {
		imap_hold(f->session);
		blob_read(conn_frontend(f->session->conn)->service->blobs, &f->body, extent.start,
			  (size_t)(extent.end - extent.start), on_header, f);
		return false;
	}
	if (extent.is_header) {
		tell_fields(f, STR_NONE);
		return true;
	}
	fetch_cut(f->section, &extent.start, &extent.end);
	begin_literal(f, extent.end - extent.start);
	if (extent.start == extent.end)
		return true;
	f->offset = extent.start;
	f->end = extent.end;
	read_piece(f);
	return false;
}

bool
fetch_sections(struct fetch *f)
{
	for (; f->section != NULL; f->section = f->section->next)
		if (!tell_section(f))
			return false;
	return true;
}
