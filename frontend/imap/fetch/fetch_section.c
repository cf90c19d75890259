/* BODY[...] of a FETCH: streams sections in pieces from the blob store to the client.
 * While the client is slow, the next piece is not read. */
#include <string.h>

#include "frontend/imap/fetch/fetch.h"
#include "frontend/imap/fetch/section.h"

/* In a header whose fields are filtered; anything beyond this is ignored. */
enum { HEADER_BYTES_MAX = 8 * 1024 * 1024 };

/* The result of a read. True: some bytes. False: the session is gone or the fetch was aborted. */
static bool
fetch_section_have_piece(struct fetch *f, size_t len, const struct err *err)
{
	struct err cut;

	if (!session_back(&f->session->base))
		return false;
	if (err == NULL && len == 0) {
		err_set(&cut, ERR_CORRUPT, "the body ends before its length");
		err = &cut;
	}
	if (err == NULL) {
		f->offset += len;
		return true;
	}
	f->on_lost(f, err);
	return false;
}

/* Only literals of BINARY may contain a NUL (RFC 9051, 4.3). Elsewhere it is sent as
 * a space, so that sizes and partials remain correct. Returns data, or a copy in
 * f->piece. */
static const char *
fetch_section_without_nuls(struct fetch *f, const char *data, size_t len)
{
	if (memchr(data, '\0', len) == NULL)
		return data;
	buf_clear(&f->piece);
	buf_add(&f->piece, data, len);
	for (char *p = f->piece.data, *end = p + len; (p = memchr(p, '\0', (size_t)(end - p))) != NULL;)
		*p = ' ';
	return f->piece.data;
}

/* ---- Headers, filtered ---- */
static void
fetch_section_tell_fields(struct fetch *f)
{
	struct buf filtered = BUF_EMPTY;
	uint64_t start = 0, end;

	imap_section_filter(f->section, buf_str(&f->piece), &filtered);
	buf_clear(&f->piece);
	end = filtered.len;
	fetch_cut(f->section, &start, &end);
	fetch_begin_literal(f, end - start);
	if (start < end)
		buf_add(&f->line, fetch_section_without_nuls(f, filtered.data + start, (size_t)(end - start)),
			(size_t)(end - start));
	buf_clear(&f->piece);
	buf_fini(&filtered);
}

static void
fetch_section_on_header(void *arg, const char *data, size_t len, const struct err *err)
{
	struct fetch *f = arg;

	if (!fetch_section_have_piece(f, len, err))
		return;
	buf_add(&f->piece, data, len);
	if (f->offset < f->end) {
		fetch_read(f, BLOB_READ_MAX, fetch_section_on_header);
		return;
	}
	fetch_section_tell_fields(f);
	f->on_section(f);
}

/* ---- Bodies, streamed ---- */
static void fetch_section_read_piece(struct fetch *f);

static void
fetch_section_on_drained(struct imap_session *s)
{
	fetch_section_read_piece(s->work);
}

static void
fetch_section_on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct fetch *f = arg;

	if (fetch_section_have_piece(f, len, err) &&
	    fetch_write(f, fetch_section_without_nuls(f, data, len), len, fetch_section_on_drained))
		fetch_section_read_piece(f);
}

static void
fetch_section_read_piece(struct fetch *f)
{
	buf_clear(&f->piece);
	if (f->offset == f->end)
		f->on_section(f);
	else
		fetch_read(f, FETCH_PIECE_BYTES, fetch_section_on_piece);
}

bool
fetch_tell_body(struct fetch *f)
{
	const struct imap_record *r = fetch_record(f);
	struct imap_extent extent;

	if (!imap_section_find(f->section, &r->digest.digest, r->cold.body.length, &extent)) {
		fetch_begin_section(f);
		buf_add_str(&f->line, STR("NIL"));
		return true;
	}
	f->offset = extent.start;
	f->end = extent.end;
	if (extent.is_header) {
		if (f->end - f->offset > HEADER_BYTES_MAX)
			f->end = f->offset + HEADER_BYTES_MAX;
		if (f->offset < f->end)
			fetch_read(f, BLOB_READ_MAX, fetch_section_on_header);
		else
			fetch_section_tell_fields(f);
		return f->offset == f->end;
	}
	fetch_cut(f->section, &f->offset, &f->end);
	fetch_begin_literal(f, f->end - f->offset);
	if (f->offset == f->end)
		return true;
	fetch_section_read_piece(f);
	return false;
}
