#include "lib/message/preview.h"

#include "lib/base/check.h"
#include "lib/message/text.h"
#include "lib/mime/parser.h"
#include "lib/mime/word.h"

/* This much of a text is read first. If it does not give a full preview (styles
 * may fill the beginning of HTML), more is read, up to the last value. */
enum {
	FIRST_BYTES = 16 * 1024,
	LAST_BYTES = 128 * 1024,
	PARTS_MAX = 256, /* this many parts are searched for a text */
};

/* ---- Choosing the text ---- */

static bool
preview_is_within_message(const struct mime_digest *d, struct mime_digest_part part, uint32_t index)
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
preview_find_texts(struct message_preview *p, bool within)
{
	const struct mime_digest *d = p->digest;

	for (uint32_t i = 0; i < d->part_count && i < PARTS_MAX && p->text_count < MESSAGE_PREVIEW_TEXTS; i++) {
		struct mime_digest_part part = mime_digest_part_at(d, i);
		if (part.kind == MIME_LEAF && (part.is_plain || part.is_html) && !part.is_attachment &&
		    part.body_start < part.body_end && preview_is_within_message(d, part, i) == within)
			p->texts[p->text_count++] = i;
	}
}

static struct mime_digest_part
preview_part(const struct message_preview *p)
{
	return mime_digest_part_at(p->digest, p->texts[p->text_at]);
}

static void
preview_begin_text(struct message_preview *p)
{
	struct mime_digest_part part = preview_part(p);

	message_decoder_init(&p->decoder, (enum mime_encoding)part.encoding);
	buf_clear(&p->decoded);
	p->start = p->offset = part.body_start;
	p->end = part.body_end;
}

/* ---- Its words ---- */

/* The text was truncated: removes an incomplete character at its end. */
static struct str
preview_whole_chars(struct str s)
{
	for (unsigned i = 0; i < 4 && s.len != 0 && (unsigned char)s.p[s.len - 1] >= 0x80; i++)
		s.len--;
	return s;
}

/* Extracts the words from what has been read so far. */
static void
preview_try(struct message_preview *p)
{
	struct mime_digest_part part = preview_part(p);
	bool read_all = p->offset == p->end || p->offset - p->start >= LAST_BYTES, full;
	struct str text = buf_str(&p->decoded), words;
	struct arena arena;

	arena_init(&arena);
	if (p->offset < p->end)
		text = preview_whole_chars(text);
	text = mime_to_utf8(part.charset, text, &arena);
	words = message_text_words(text, part.is_html, MESSAGE_PREVIEW_CHARS, &arena, &full);
	full |= read_all && (words.len != 0 || p->text_at + 1 == p->text_count);
	if (full)
		buf_add_str(&p->words, words);
	arena_fini(&arena);
	p->done = full;
	if (!full && read_all) {
		p->text_at++;
		preview_begin_text(p);
	}
}

void
message_preview_begin(struct message_preview *p, const struct mime_digest *digest)
{
	struct buf decoded = p->decoded, words = p->words;

	buf_clear(&decoded);
	buf_clear(&words);
	*p = (struct message_preview){.digest = digest, .decoded = decoded, .words = words};
	preview_find_texts(p, false);
	preview_find_texts(p, true);
	p->done = p->text_count == 0;
	if (!p->done)
		preview_begin_text(p);
}

bool
message_preview_wants(const struct message_preview *p, uint64_t *offset_out, size_t *bytes_out)
{
	uint64_t have = p->offset - p->start, left = p->end - p->offset, bytes;

	if (p->done)
		return false;
	bytes = (have < FIRST_BYTES ? FIRST_BYTES : LAST_BYTES) - have;
	*offset_out = p->offset;
	*bytes_out = (size_t)(left < bytes ? left : bytes);
	return true;
}

void
message_preview_feed(struct message_preview *p, struct str piece)
{
	CHECK(!p->done && piece.len != 0 && piece.len <= p->end - p->offset);
	p->offset += piece.len;
	message_decoder_feed(&p->decoder, piece, &p->decoded);
	if (p->offset == p->end)
		message_decoder_end(&p->decoder, &p->decoded);
	preview_try(p);
}

struct str
message_preview_text(const struct message_preview *p)
{
	CHECK(p->done);
	return buf_str(&p->words);
}

void
message_preview_fini(struct message_preview *p)
{
	buf_fini(&p->decoded);
	buf_fini(&p->words);
}
