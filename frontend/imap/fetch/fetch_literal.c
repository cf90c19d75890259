/* Literals of a FETCH: code common to all kinds of sections. */
#include "frontend/imap/fetch/fetch.h"

enum { COPIED_BYTES = 4096 };

void
fetch_begin_section(struct fetch *f)
{
	fetch_begin_item(f, f->section->label);
	if (f->section->partial) {
		buf_add_byte(&f->line, '<');
		imap_print_u64(f->section->offset, &f->line);
		buf_add_byte(&f->line, '>');
	}
	buf_add_byte(&f->line, ' ');
}

void
fetch_begin_literal(struct fetch *f, uint64_t size)
{
	fetch_begin_section(f);
	buf_add_str(&f->line, f->section->kind == SECTION_BINARY ? STR("~{") : STR("{"));
	imap_print_u64(size, &f->line);
	buf_add_str(&f->line, STR("}\r\n"));
}

void
fetch_cut(const struct imap_section *p, uint64_t *start, uint64_t *end)
{
	if (!p->partial)
		return;
	*start = *end - *start > p->offset ? *start + p->offset : *end;
	if (*end - *start > p->length)
		*end = *start + p->length;
}

bool
fetch_write(struct fetch *f, const char *data, size_t len, void (*on_drained)(struct imap_session *s))
{
	if (f->line.len + len <= COPIED_BYTES) { /* small ones are sent together */
		buf_add(&f->line, data, len);
		return true;
	}
	imap_write(f->session, &f->line);
	buf_clear(&f->line);
	f->mark = FETCH_SENT;
	conn_write(f->session->conn, data, len);
	return imap_may_write(f->session, on_drained);
}

void
fetch_read(struct fetch *f, size_t bytes, blob_on_read *cb)
{
	uint64_t left = f->end - f->offset;

	session_hold(&f->session->base);
	blob_read(conn_frontend(f->session->conn)->service->blobs, &fetch_record(f)->cold.body, f->offset,
		  left < bytes ? (size_t)left : bytes, cb, f);
}
