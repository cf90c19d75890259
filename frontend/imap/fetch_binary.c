/* BINARY (RFC 3516): parts without their content-transfer-encoding. An encoded
 * part is read twice, for its size must be told before its bytes; memory stays
 * that of one piece. */
#include "frontend/imap/decode.h"
#include "frontend/imap/fetch.h"

enum { PIECE_BYTES = 64 * 1024 };

struct fetch_binary {
	struct imap_extent extent;
	struct imap_decoder decoder;
	bool counting;
	uint64_t decoded; /* bytes, up to f->offset */
	uint64_t first, end; /* of the decoded bytes: what is told */
};

static void read_piece(struct fetch *f);

static void
rewind_part(struct fetch *f)
{
	f->offset = f->binary->extent.start;
	f->end = f->binary->extent.end;
	f->binary->decoded = 0;
	imap_decode_init(&f->binary->decoder, f->binary->extent.encoding);
}

/* The size is known: "BINARY[1] ~{5}". */
static void
begin_literal(struct fetch *f)
{
	struct fetch_binary *b = f->binary;

	b->first = 0;
	b->end = b->decoded;
	fetch_cut(f->section, &b->first, &b->end);
	fetch_begin_section(f);
	buf_add_c(&f->line, "~{");
	imap_print_u64(b->end - b->first, &f->line);
	buf_add_c(&f->line, "}\r\n");
	b->counting = false;
	rewind_part(f);
}

static void
tell_size(struct fetch *f)
{
	fetch_begin_section(f);
	imap_print_u64(f->binary->decoded, &f->line);
}

/* What of the decoded bytes lies within the partial. */
static void
take(struct fetch *f, struct str decoded)
{
	struct fetch_binary *b = f->binary;
	uint64_t from = b->decoded, to = from + decoded.len;

	b->decoded = to;
	if (b->counting)
		return;
	from = from > b->first ? from : b->first;
	to = to < b->end ? to : b->end;
	if (from < to)
		buf_add(&f->line, decoded.p + (from - (b->decoded - decoded.len)), (size_t)(to - from));
}

/* The last piece was read. */
static void
end_pass(struct fetch *f)
{
	struct fetch_binary *b = f->binary;
	struct buf rest = BUF_EMPTY;

	imap_decode_end(&b->decoder, &rest);
	take(f, buf_str(&rest));
	buf_fini(&rest);
	if (b->counting && !f->section->size_only) {
		begin_literal(f);
		read_piece(f);
		return;
	}
	if (b->counting)
		tell_size(f);
	fetch_go_on(f);
}

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
	struct buf decoded = BUF_EMPTY;
	struct err cut;

	if (!imap_back(s))
		return;
	if (err == NULL && len == 0) {
		err_set(&cut, ERR_CORRUPT, "the body ends before its length");
		err = &cut;
	}
	if (err != NULL) {
		fetch_give_up(f, err);
		return;
	}
	imap_decode(&f->binary->decoder, str_of(data, len), &decoded);
	take(f, buf_str(&decoded));
	buf_fini(&decoded);
	f->offset += len;
	if (f->line.len > PIECE_BYTES) {
		imap_write(s, &f->line);
		buf_clear(&f->line);
	}
	if (imap_may_write(s, on_drained))
		read_piece(f);
}

static void
read_piece(struct fetch *f)
{
	uint64_t left = f->end - f->offset;

	if (left == 0) {
		end_pass(f);
		return;
	}
	imap_hold(f->session);
	blob_read(conn_frontend(f->session->conn)->service->blobs, &f->body, f->offset,
		  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, on_piece, f);
}

bool
fetch_binary(struct fetch *f, const struct imap_extent *extent)
{
	bool encoded = extent->encoding == MIME_BASE64 || extent->encoding == MIME_QUOTED_PRINTABLE;

	if (extent->encoding == MIME_OTHER_ENCODING) {
		f->some_unknown = true;
		fetch_begin_section(f);
		buf_add_c(&f->line, f->section->size_only ? "0" : "NIL");
		return true;
	}
	if (f->binary == NULL)
		f->binary = arena_new(&f->session->command, struct fetch_binary);
	f->binary->extent = *extent;
	f->binary->counting = true;
	rewind_part(f);
	if (!encoded || extent->start == extent->end) {
		f->binary->decoded = extent->end - extent->start;
		if (f->section->size_only) {
			tell_size(f);
			return true;
		}
		begin_literal(f);
		if (extent->start == extent->end)
			return true;
	}
	read_piece(f);
	return false;
}
