/* BINARY and BINARY.SIZE (RFC 3516; RFC 9051, 6.4.5): parts without their content
 * transfer encoding.
 *
 * The size must be sent before the first byte: an encoded part is decoded once to be
 * counted and, unless it is small, a second time to be sent. */
#include "frontend/imap/fetch/fetch.h"
#include "frontend/imap/fetch/section.h"

enum { KEPT_BYTES = 256 * 1024 }; /* up to this size, a part is not decoded twice */

static void binary_read_on(struct fetch *f);

bool
fetch_has_unknown_cte(const struct fetch *f, const struct mime_digest *d)
{
	for (const struct imap_section *p = f->items.sections; p != NULL; p = p->next) {
		struct imap_extent extent;
		if ((p->kind == SECTION_BINARY || p->kind == SECTION_BINARY_SIZE) &&
		    imap_section_find(p, d, UINT64_MAX, &extent) && extent.encoding == MIME_OTHER_ENCODING)
			return true;
	}
	return false;
}

static void
binary_rewind_part(struct fetch *f)
{
	message_decoder_init(&f->decoder, f->encoding);
	f->offset = f->start;
	f->decoded = 0;
	buf_clear(&f->piece);
}

/* The part of the piece between f->from and f->to. */
static struct str
binary_wanted(const struct fetch *f)
{
	uint64_t piece_start = f->decoded - f->piece.len;
	uint64_t start = f->from > piece_start ? f->from - piece_start : 0;
	uint64_t end = f->to > piece_start ? f->to - piece_start : 0;

	if (end > f->piece.len)
		end = f->piece.len;
	return start < end ? str_of(f->piece.data + start, (size_t)(end - start)) : STR_NONE;
}

static void
binary_end_section(struct fetch *f)
{
	buf_clear(&f->piece);
	f->on_section(f);
}

static void
binary_tell_size(struct fetch *f, uint64_t size)
{
	fetch_begin_item(f, f->section->label);
	buf_add_byte(&f->line, ' ');
	imap_print_u64(size, &f->line);
}

/* The size is known: the requested range follows. */
static void
binary_begin_sending(struct fetch *f, uint64_t size)
{
	f->from = 0;
	f->to = size;
	fetch_cut(f->section, &f->from, &f->to);
	fetch_begin_literal(f, f->to - f->from);
	f->sending = true;
}

/* The size of the part has been counted. */
static void
binary_counted(struct fetch *f)
{
	if (f->section->kind == SECTION_BINARY_SIZE) {
		binary_tell_size(f, f->decoded);
		binary_end_section(f);
		return;
	}
	binary_begin_sending(f, f->decoded);
	if (f->piece.len == f->decoded) { /* everything was kept */
		struct str data = binary_wanted(f);
		buf_add(&f->line, data.p, data.len);
		binary_end_section(f);
		return;
	}
	binary_rewind_part(f);
	binary_read_on(f);
}

static void
binary_on_drained(struct imap_session *s)
{
	binary_read_on(s->work);
}

/* Sends the piece. True: more may be read. */
static bool
binary_send_piece(struct fetch *f)
{
	struct str data = binary_wanted(f);
	bool room = data.len == 0 || fetch_write(f, data.p, data.len, binary_on_drained);

	buf_clear(&f->piece);
	return room;
}

static void
binary_take(struct fetch *f, struct str encoded, bool last)
{
	size_t before = f->piece.len;

	message_decoder_feed(&f->decoder, encoded, &f->piece);
	if (last)
		message_decoder_end(&f->decoder, &f->piece);
	f->decoded += f->piece.len - before;
	if (!f->sending && f->decoded > KEPT_BYTES)
		buf_clear(&f->piece);
}

static void
binary_on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct fetch *f = arg;
	struct err cut;

	if (!session_back(&f->session->base))
		return;
	if (err == NULL && len == 0) {
		err_set(&cut, ERR_CORRUPT, "the body ends before its length");
		err = &cut;
	}
	if (err != NULL) {
		f->on_lost(f, err);
		return;
	}
	f->offset += len;
	binary_take(f, str_of(data, len), f->offset == f->end);
	if (!f->sending || binary_send_piece(f))
		binary_read_on(f);
}

static void
binary_read_on(struct fetch *f)
{
	if (f->offset < f->end && !(f->sending && f->decoded >= f->to))
		fetch_read(f, FETCH_PIECE_BYTES, binary_on_piece);
	else if (f->sending)
		binary_end_section(f);
	else
		binary_counted(f);
}

bool
fetch_tell_binary(struct fetch *f)
{
	const struct imap_record *r = fetch_record(f);
	struct imap_extent extent;

	if (!imap_section_find(f->section, &r->digest.digest, r->cold.body.length, &extent)) {
		fetch_begin_item(f, f->section->label);
		buf_add_str(&f->line, f->section->kind == SECTION_BINARY ? STR(" NIL") : STR(" 0"));
		return true;
	}
	f->start = extent.start;
	f->end = extent.end;
	f->encoding = extent.encoding;
	f->sending = false;
	binary_rewind_part(f);
	if ((f->encoding != MIME_BASE64 && f->encoding != MIME_QUOTED_PRINTABLE) || f->start == f->end) {
		/* Nothing to decode. */
		if (f->section->kind == SECTION_BINARY_SIZE) {
			binary_tell_size(f, f->end - f->start);
			return true;
		}
		binary_begin_sending(f, f->end - f->start);
		if (f->from == f->to)
			return true;
		f->offset += f->from;
		f->decoded += f->from;
	}
	binary_read_on(f);
	return false;
}
