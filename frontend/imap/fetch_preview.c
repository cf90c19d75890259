/* PREVIEW (RFC 8970): made of the beginning of the first text that says
 * something: plain text or HTML that is not attached, of this message rather
 * than of one within it. */
#include "frontend/imap/fetch.h"
#include "frontend/imap/preview.h"
#include "lib/mime/parser.h"
#include "lib/mime/word.h"

/* So much of a text is read first. Where that gives no whole preview (styles may
 * fill the beginning of HTML) more is looked at, up to the last. */
enum {
	FIRST_BYTES = 16 * 1024,
	LAST_BYTES = 128 * 1024,
	PARTS_MAX = 256, /* so many are looked at for a text */
};

static void read_on(struct fetch *f);

/* ---- Which text ---- */

static bool
is_within_message(const struct mime_digest *d, struct mime_digest_part part, uint32_t index)
{
	while (index != 0) {
		index = part.parent;
		part = mime_digest_part_at(d, index);
		if (part.kind == MIME_MESSAGE)
			return true;
	}
	return false;
}

static void
find_texts(struct fetch *f, const struct mime_digest *d, bool within)
{
	for (uint32_t i = 0; i < d->part_count && i < PARTS_MAX && f->text_count < FETCH_PREVIEW_TEXTS; i++) {
		struct mime_digest_part part = mime_digest_part_at(d, i);
		if (part.kind == MIME_LEAF && (part.is_plain || part.is_html) && !part.is_attachment &&
		    part.body_start < part.body_end && is_within_message(d, part, i) == within)
			f->texts[f->text_count++] = i;
	}
}

static struct mime_digest_part
text_part(struct fetch *f)
{
	return mime_digest_part_at(&fetch_record(f)->digest.digest, f->texts[f->text_at]);
}

/* ---- What it says ---- */

static void
tell(struct fetch *f, struct str preview)
{
	fetch_begin_item(f, STR("PREVIEW "));
	imap_print_string(f->session, preview, &f->line);
}

static void
begin_text(struct fetch *f)
{
	struct mime_digest_part part = text_part(f);

	message_decoder_init(&f->decoder, (enum mime_encoding)part.encoding);
	buf_clear(&f->piece);
	f->start = f->offset = part.body_start;
	f->end = part.body_end;
}

/* The text was cut: what is left of a character at its end goes. */
static struct str
whole_chars(struct str s)
{
	for (unsigned i = 0; i < 4 && s.len != 0 && (unsigned char)s.p[s.len - 1] >= 0x80; i++)
		s.len--;
	return s;
}

/* What was read so far is in f->piece. True: it is told. */
static bool
try_text(struct fetch *f)
{
	struct mime_digest_part part = text_part(f);
	struct str text = buf_str(&f->piece), preview;
	bool read_all = f->offset == f->end || f->offset - f->start >= LAST_BYTES, full;
	struct arena arena;

	arena_init(&arena);
	if (f->offset < f->end)
		text = whole_chars(text);
	preview = imap_preview(mime_to_utf8(part.charset, text, &arena), part.is_html, &arena, &full);
	full |= read_all && (preview.len != 0 || f->text_at + 1 == f->text_count);
	if (full)
		tell(f, preview);
	arena_fini(&arena);
	if (!full && read_all) {
		f->text_at++;
		begin_text(f);
	}
	return full;
}

static void
on_text(void *arg, const char *data, size_t len, const struct err *err)
{
	struct fetch *f = arg;

	if (!session_back(&f->session->base))
		return;
	if (err != NULL || len == 0) {
		fetch_begin_item(f, STR("PREVIEW NIL"));
	} else {
		f->offset += len;
		message_decoder_feed(&f->decoder, str_of(data, len), &f->piece);
		if (f->offset == f->end)
			message_decoder_end(&f->decoder, &f->piece);
		if (!try_text(f)) {
			read_on(f);
			return;
		}
	}
	buf_clear(&f->piece);
	fetch_next_section(f);
}

static void
read_on(struct fetch *f)
{
	uint64_t have = f->offset - f->start;

	fetch_read(f, (size_t)((have < FIRST_BYTES ? FIRST_BYTES : LAST_BYTES) - have), on_text);
}

bool
fetch_tell_preview(struct fetch *f)
{
	const struct mime_digest *d = &fetch_record(f)->digest.digest;

	f->text_count = f->text_at = 0;
	find_texts(f, d, false);
	find_texts(f, d, true);
	if (f->text_count == 0) {
		tell(f, STR(""));
		return true;
	}
	begin_text(f);
	read_on(f);
	return false;
}
