#include "lib/message/find.h"

#include <string.h>

#include "lib/base/check.h"
#include "lib/message/fold.h"
#include "lib/mime/header.h"
#include "lib/mime/parser.h"
#include "lib/mime/word.h"

enum {
	/* No more than this of a single header is searched. */
	HEADER_BYTES_MAX = MIME_HEADER_BYTES_MAX,
	/* A text is searched in windows of this size. They end with a line and
	 * overlap, to find matches across their border. Folding one window takes a
	 * fraction of a slice (lib/base/slice.h). */
	WINDOW_BYTES = 32 * 1024,
	SHARED_BYTES = 8 * 1024,
};

/* ---- Collecting keys ---- */

static bool
find_collect(struct message_finder *f, struct message_key *k)
{
	for (; k != NULL; k = k->next) {
		if (k->op == MATCH_HEADER || k->op == MATCH_BODY || k->op == MATCH_TEXT) {
			/* Keys with a shortcut rarely search the message. */
			f->expensive_count += k->shortcut == 0;
			if (f->expensive_count > MESSAGE_EXPENSIVE_KEYS_MAX || f->key_count == MESSAGE_KEYS_MAX)
				return false;
			k->slot = f->key_count;
			f->keys[f->key_count++] = k;
		}
		if (!find_collect(f, k->children))
			return false;
	}
	return true;
}

bool
message_finder_init(struct message_finder *f, struct message_key *tree, struct arena *scratch)
{
	f->key_count = f->expensive_count = 0;
	f->scratch = scratch;
	return find_collect(f, tree);
}

/* Is there a key of that kind whose text has not been found yet? */
static bool
find_is_open(const struct message_finder *f, enum message_key_op op)
{
	for (unsigned i = 0; i < f->key_count; i++)
		if (!f->found[i] && f->keys[i]->op == op && (f->keys[i]->shortcut == 0 || f->digest->repeats))
			return true;
	return false;
}

bool
message_finder_wants_texts(const struct message_finder *f)
{
	return find_is_open(f, MATCH_TEXT) || find_is_open(f, MATCH_BODY);
}

/* ---- Searching a span ---- */

/* Is the current part an embedded message, with a header of its own? */
static bool
find_in_inner_message(const struct message_finder *f)
{
	const struct mime_digest *d = f->digest;

	return f->part != 0 && mime_digest_part_at(d, mime_digest_part_at(d, f->part).parent).kind == MIME_MESSAGE;
}

static bool
find_looks_at(const struct message_finder *f, const struct message_key *k, const struct mime_field *field)
{
	switch (k->op) {
	case MATCH_HEADER: return f->part == 0 && str_eq_ci(field->name, k->field);
	case MATCH_TEXT: return true;
	default: return find_in_inner_message(f);
	}
}

static void
find_in_field(struct message_finder *f, const struct mime_field *field)
{
	struct str value = STR_NONE;
	bool decoded = false;

	arena_reset(f->scratch);
	for (unsigned i = 0; i < f->key_count; i++) {
		const struct message_key *k = f->keys[i];
		if (f->found[i] || !find_looks_at(f, k, field))
			continue;
		if (!decoded)
			value = mime_decode_words(mime_unfold(field->value, f->scratch), f->scratch);
		decoded = true;
		f->found[i] = message_fold_contains(value, k->text, f->scratch) ||
			      (k->op != MATCH_HEADER && message_fold_contains(field->name, k->text, f->scratch));
	}
}

static void
find_in_header(struct message_finder *f)
{
	struct str rest = buf_str(&f->text);
	struct mime_field field;

	while (mime_next_field(&rest, &field))
		find_in_field(f, &field);
}

/* The beginning of the line that contains position `at`; in a text without lines: `at`. */
static size_t
find_line_start(struct str text, size_t at)
{
	ptrdiff_t end = str_rindex(str_first(text, at), '\n');

	return end >= 0 ? (size_t)end + 1 : at;
}

/* Searches the whole lines decoded so far, and keeps the last ones for the next window. */
static void
find_in_window(struct message_finder *f, bool last)
{
	struct str window = buf_str(&f->text), text;
	size_t keep;

	if (!last)
		window = str_first(window, find_line_start(window, window.len));
	arena_reset(f->scratch);
	text = mime_to_utf8(mime_digest_part_at(f->digest, f->part).charset, window, f->scratch);
	for (unsigned i = 0; i < f->key_count; i++)
		if (!f->found[i] && f->keys[i]->op != MATCH_HEADER)
			f->found[i] = message_fold_contains(text, f->keys[i]->text, f->scratch);
	keep = last ? f->text.len : find_line_start(window, window.len > SHARED_BYTES ? window.len - SHARED_BYTES : 0);
	if (f->text.len == 0)
		return;
	f->text.len -= keep;
	memmove(f->text.data, f->text.data + keep, f->text.len + 1);
}

static void
find_take_text(struct message_finder *f, struct str piece)
{
	bool last = f->offset == f->end;

	message_decoder_feed(&f->decoder, piece, &f->text);
	if (last)
		message_decoder_end(&f->decoder, &f->text);
	if (last || f->text.len >= WINDOW_BYTES)
		find_in_window(f, last);
	if (last || !message_finder_wants_texts(f)) {
		f->offset = f->end;
		buf_clear(&f->text);
	}
}

static void
find_take_header(struct message_finder *f, struct str piece)
{
	buf_add_str(&f->text, piece);
	if (f->offset < f->end)
		return;
	find_in_header(f);
	buf_clear(&f->text);
}

/* ---- Spans ---- */

static bool
find_begin_header(struct message_finder *f, const struct mime_digest_part *part)
{
	bool wanted = find_is_open(f, MATCH_TEXT) || (f->part == 0 && find_is_open(f, MATCH_HEADER)) ||
		      (find_is_open(f, MATCH_BODY) && find_in_inner_message(f));

	if (!wanted || part->body_start <= part->header_start)
		return false;
	f->in_header = true;
	f->offset = part->header_start;
	f->end = part->body_start;
	if (f->end - f->offset > HEADER_BYTES_MAX)
		f->end = f->offset + HEADER_BYTES_MAX;
	return true;
}

static bool
find_begin_text(struct message_finder *f, const struct mime_digest_part *part)
{
	if (part->kind != MIME_LEAF || !part->is_text || part->body_end <= part->body_start)
		return false;
	f->in_header = false;
	f->offset = part->body_start;
	f->end = part->body_end;
	message_decoder_init(&f->decoder, (enum mime_encoding)part->encoding);
	return true;
}

/* False: there is none, or everything is found. */
static bool
find_next_span(struct message_finder *f)
{
	while (f->next_part < f->digest->part_count) {
		struct mime_digest_part part = mime_digest_part_at(f->digest, f->next_part);
		bool texts = message_finder_wants_texts(f);
		if (!texts && (f->next_part != 0 || f->header_seen || !find_is_open(f, MATCH_HEADER)))
			return false;
		f->part = f->next_part;
		if (!f->header_seen) {
			f->header_seen = true;
			if (find_begin_header(f, &part))
				return true;
		}
		f->header_seen = false;
		f->next_part++;
		if (texts && find_begin_text(f, &part))
			return true;
	}
	return false;
}

/* ---- One message after another ---- */

void
message_finder_begin(struct message_finder *f, const struct mime_digest *digest)
{
	memset(f->found, 0, f->key_count * sizeof(f->found[0]));
	f->digest = digest;
	f->part = f->next_part = 0;
	f->header_seen = false;
	f->offset = f->end = 0;
	buf_clear(&f->text);
}

bool
message_finder_wants(struct message_finder *f, uint64_t *offset_out, uint64_t *bytes_out)
{
	if (f->offset == f->end && !find_next_span(f))
		return false;
	*offset_out = f->offset;
	*bytes_out = f->end - f->offset;
	return true;
}

void
message_finder_feed(struct message_finder *f, struct str piece)
{
	CHECK(piece.len <= f->end - f->offset);
	f->offset = piece.len != 0 ? f->offset + piece.len : f->end;
	if (f->in_header)
		find_take_header(f, piece);
	else
		find_take_text(f, piece);
}

void
message_finder_fini(struct message_finder *f)
{
	buf_fini(&f->text);
}
