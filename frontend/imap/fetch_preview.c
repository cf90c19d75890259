/* PREVIEW (RFC 8970): made of the beginning of the first part that is a text. */
#include "frontend/imap/fetch.h"
#include "frontend/imap/preview.h"
#include "lib/base/check.h"
#include "lib/mime/header.h"
#include "lib/mime/parser.h"
#include "lib/mime/word.h"

enum { HEADER_BYTES = 32 * 1024, TEXT_BYTES = 16 * 1024 };

static bool
find_text(const struct mime_digest *d, struct mime_digest_part *out)
{
	for (uint32_t i = 0; i < d->part_count; i++) {
		*out = mime_digest_part_at(d, i);
		if (out->kind == MIME_LEAF && out->is_text)
			return true;
	}
	return false;
}

static void
tell(struct fetch *f, struct str preview)
{
	fetch_begin_item(f, STR("PREVIEW "));
	imap_print_string(f->session, preview, &f->line);
}

static bool
is_html(struct str header, struct arena *arena)
{
	struct mime_value type;
	struct str raw;

	if (!mime_find_field(header, "Content-Type", &raw))
		return false;
	mime_parse_value(raw, arena, &type);
	return str_eq(type.sub, STR("html"));
}

/* The text was cut: what is left of a character at its end goes. */
static struct str
whole_chars(struct str s)
{
	for (unsigned i = 0; i < 4 && s.len != 0 && (unsigned char)s.p[s.len - 1] >= 0x80; i++)
		s.len--;
	return s;
}

static void
make_preview(struct fetch *f, const struct mime_digest_part *part, struct str header, struct str body)
{
	struct imap_decoder decoder;
	struct arena arena;
	struct str text;

	arena_init(&arena);
	buf_clear(&f->piece);
	imap_decode_init(&decoder, (enum mime_encoding)part->encoding);
	imap_decode(&decoder, body, &f->piece);
	text = buf_str(&f->piece);
	if (f->end < part->body_end)
		text = whole_chars(text);
	text = mime_to_utf8(part->charset, text, &arena);
	tell(f, imap_preview(text, is_html(header, &arena), &arena));
	buf_clear(&f->piece);
	arena_fini(&arena);
}

static void
on_text(void *arg, const char *data, size_t len, const struct err *err)
{
	struct fetch *f = arg;
	struct mime_digest_part part;
	size_t header;

	if (!session_back(&f->session->base))
		return;
	CHECK(find_text(&fetch_record(f)->digest.digest, &part));
	header = (size_t)(part.body_start - f->offset);
	if (err == NULL)
		make_preview(f, &part, str_first(str_of(data, len), header), str_from(str_of(data, len), header));
	else
		fetch_begin_item(f, STR("PREVIEW NIL"));
	fetch_next_section(f);
}

bool
fetch_tell_preview(struct fetch *f)
{
	struct mime_digest_part part;

	if (!find_text(&fetch_record(f)->digest.digest, &part) || part.body_start >= part.body_end) {
		tell(f, STR(""));
		return true;
	}
	f->offset = part.body_start - part.header_start <= HEADER_BYTES ? part.header_start : part.body_start;
	f->end = part.body_end - part.body_start <= TEXT_BYTES ? part.body_end : part.body_start + TEXT_BYTES;
	fetch_read(f, HEADER_BYTES + TEXT_BYTES, on_text);
	return false;
}
