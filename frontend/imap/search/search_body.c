/* HEADER, BODY and TEXT: what is found in the bytes of messages, one message
 * after another, span by span: the header of each part, whose fields are
 * decoded, then the part itself if it is a text, freed of its encoding and
 * turned into UTF-8, in windows. Other parts are passed over. */
#include "frontend/imap/search/search.h"

#include <string.h>

#include "lib/message/decode.h"
#include "lib/message/fold.h"
#include "lib/mime/header.h"
#include "lib/mime/parser.h"
#include "lib/mime/word.h"

enum {
	/* Of one header no more is looked at. */
	HEADER_BYTES_MAX = MIME_HEADER_BYTES_MAX,
	PIECE_BYTES = 128 * 1024,
	/* A text is looked at in windows of so much, which end with a line and share
	 * some bytes, for what is found across their border. */
	WINDOW_BYTES = 128 * 1024,
	SHARED_BYTES = 8 * 1024,
	/* A longer message is not read as a whole for its header alone. */
	WHOLE_FOR_HEADER_BYTES = 32 * 1024,
};

struct search_body {
	unsigned at; /* of the batch's records */
	bool found[SEARCH_BODY_KEYS_MAX];
	struct blob_peek peek;
	struct buf whole; /* owner: the message, if the page cache had it */

	/* The span in hand. */
	uint32_t part, next_part;
	bool in_header, header_seen;
	uint64_t offset, end;
	struct message_decoder decoder;
	struct buf text; /* owner */
};

static void run(struct search_run *r);

static const struct mime_digest *
digest_of(const struct search_run *r)
{
	return &r->records.items[r->body->at].digest.digest;
}

/* Is there a key of that kind whose text was not found yet? */
static bool
is_open(const struct search_run *r, enum imap_search_op op)
{
	for (unsigned i = 0; i < r->body_key_count; i++)
		if (!r->body->found[i] && r->body_keys[i]->op == op &&
		    (r->body_keys[i]->shortcut == 0 || digest_of(r)->repeats))
			return true;
	return false;
}

/* ---- What a span says ---- */

/* Has the part the header of a message within the message? */
static bool
is_inner_message(const struct mime_digest *d, uint32_t part)
{
	return part != 0 && mime_digest_part_at(d, mime_digest_part_at(d, part).parent).kind == MIME_MESSAGE;
}

static bool
key_looks_at(const struct search_run *r, const struct imap_search_key *k, const struct mime_field *field)
{
	switch (k->op) {
	case SEARCH_HEADER: return r->body->part == 0 && str_eq_ci(field->name, k->field);
	case SEARCH_TEXT: return true;
	default: return is_inner_message(digest_of(r), r->body->part);
	}
}

static void
look_at_field(struct search_run *r, const struct mime_field *field)
{
	struct str value = STR_NONE;
	bool decoded = false;

	arena_reset(&r->scratch);
	for (unsigned i = 0; i < r->body_key_count; i++) {
		const struct imap_search_key *k = r->body_keys[i];
		if (r->body->found[i] || !key_looks_at(r, k, field))
			continue;
		if (!decoded)
			value = mime_decode_words(mime_unfold(field->value, &r->scratch), &r->scratch);
		decoded = true;
		r->body->found[i] =
			message_fold_contains(value, k->text, &r->scratch) ||
			(k->op != SEARCH_HEADER && message_fold_contains(field->name, k->text, &r->scratch));
	}
}

static void
look_at_header(struct search_run *r)
{
	struct str rest = buf_str(&r->body->text);
	struct mime_field field;

	while (mime_next_field(&rest, &field))
		look_at_field(r, &field);
}

/* Where the line begins that holds the place `at`; a text without lines: `at`. */
static size_t
line_start(struct str text, size_t at)
{
	ptrdiff_t end = str_rindex(str_first(text, at), '\n');

	return end >= 0 ? (size_t)end + 1 : at;
}

/* The whole lines that were decoded so far; of those, the last ones stay. */
static void
look_at_window(struct search_run *r, bool last)
{
	struct search_body *b = r->body;
	struct str window = buf_str(&b->text), text;
	size_t keep;

	if (!last)
		window = str_first(window, line_start(window, window.len));
	arena_reset(&r->scratch);
	text = mime_to_utf8(mime_digest_part_at(digest_of(r), b->part).charset, window, &r->scratch);
	for (unsigned i = 0; i < r->body_key_count; i++)
		if (!b->found[i] && r->body_keys[i]->op != SEARCH_HEADER)
			b->found[i] = message_fold_contains(text, r->body_keys[i]->text, &r->scratch);
	keep = last ? b->text.len : line_start(window, window.len > SHARED_BYTES ? window.len - SHARED_BYTES : 0);
	if (b->text.len == 0)
		return;
	b->text.len -= keep;
	memmove(b->text.data, b->text.data + keep, b->text.len + 1);
}

static void
take_text(struct search_run *r, struct str piece)
{
	struct search_body *b = r->body;
	bool last = b->offset == b->end;

	message_decoder_feed(&b->decoder, piece, &b->text);
	if (last)
		message_decoder_end(&b->decoder, &b->text);
	if (last || b->text.len >= WINDOW_BYTES)
		look_at_window(r, last);
	if (last || (!is_open(r, SEARCH_TEXT) && !is_open(r, SEARCH_BODY))) {
		b->offset = b->end;
		buf_clear(&b->text);
	}
}

/* ---- Spans ---- */

static bool
begin_header(struct search_run *r, const struct mime_digest_part *part)
{
	struct search_body *b = r->body;
	bool wanted = is_open(r, SEARCH_TEXT) || (b->part == 0 && is_open(r, SEARCH_HEADER)) ||
		      (is_open(r, SEARCH_BODY) && is_inner_message(digest_of(r), b->part));

	if (!wanted || part->body_start <= part->header_start)
		return false;
	b->in_header = true;
	b->offset = part->header_start;
	b->end = part->body_start;
	if (b->end - b->offset > HEADER_BYTES_MAX)
		b->end = b->offset + HEADER_BYTES_MAX;
	return true;
}

static bool
begin_text(struct search_run *r, const struct mime_digest_part *part)
{
	struct search_body *b = r->body;

	if (part->kind != MIME_LEAF || !part->is_text || part->body_end <= part->body_start)
		return false;
	b->in_header = false;
	b->offset = part->body_start;
	b->end = part->body_end;
	message_decoder_init(&b->decoder, (enum mime_encoding)part->encoding);
	return true;
}

/* False: there is none, or all is found. */
static bool
next_span(struct search_run *r)
{
	struct search_body *b = r->body;

	while (b->next_part < digest_of(r)->part_count) {
		struct mime_digest_part part = mime_digest_part_at(digest_of(r), b->next_part);
		bool texts = is_open(r, SEARCH_TEXT) || is_open(r, SEARCH_BODY);
		if (!texts && (b->next_part != 0 || b->header_seen || !is_open(r, SEARCH_HEADER)))
			return false;
		b->part = b->next_part;
		if (!b->header_seen) {
			b->header_seen = true;
			if (begin_header(r, &part))
				return true;
		}
		b->header_seen = false;
		b->next_part++;
		if (texts && begin_text(r, &part))
			return true;
	}
	return false;
}

static void
take_header(struct search_run *r, struct str piece)
{
	struct search_body *b = r->body;

	buf_add_str(&b->text, piece);
	if (b->offset < b->end)
		return;
	look_at_header(r);
	buf_clear(&b->text);
}

/* More bytes of the span. An empty piece: there are no more to be had. */
static void
take(struct search_run *r, struct str piece)
{
	struct search_body *b = r->body;

	b->offset = piece.len != 0 ? b->offset + piece.len : b->end;
	if (b->in_header)
		take_header(r, piece);
	else
		take_text(r, piece);
}

static void
on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct search_run *r = arg;

	if (!session_back(&r->session->base))
		return;
	take(r, err == NULL ? str_of(data, len) : STR_NONE); /* what can be read counts */
	run(r);
}

/* ---- One message after another ---- */

static void
begin_message(struct search_run *r)
{
	struct search_body *b = r->body;
	struct blob_store *blobs = conn_frontend(r->session->conn)->service->blobs;
	const struct blob_id *id = &r->records.items[b->at].cold.body;

	memset(b->found, 0, sizeof(b->found));
	b->part = b->next_part = 0;
	b->header_seen = false;
	b->offset = b->end = 0;
	b->peek = (struct blob_peek){.id = *id};
	if (is_open(r, SEARCH_TEXT) || is_open(r, SEARCH_BODY) || id->length <= WHOLE_FOR_HEADER_BYTES)
		blob_peek(blobs, &b->peek, 1, &b->whole);
}

/* The next record that is not decided. */
static bool
next_message(struct search_run *r)
{
	struct search_body *b = r->body;

	while (b->at < r->records.count && r->verdicts[r->records.items[b->at].seq - 1] != VERDICT_UNKNOWN)
		b->at++;
	if (b->at == r->records.count)
		return false;
	begin_message(r);
	return true;
}

static void
on_turn(struct imap_session *s)
{
	run(s->work);
}

/* The message in hand is read as far as it must be. True: there is another. */
static bool
end_message(struct search_run *r)
{
	const struct imap_record *record = &r->records.items[r->body->at];

	r->verdicts[record->seq - 1] = (uint8_t)imap_search_judge(r, record, r->body->found);
	imap_tell_progress(r->session, &r->progress, record->seq, imap_view_count(r->session->view));
	return next_message(r);
}

static void
run(struct search_run *r)
{
	struct search_body *b = r->body;

	for (;;) {
		uint64_t left = b->end - b->offset;
		if (left == 0) {
			if (next_span(r))
				continue;
			if (!end_message(r))
				break;
			if (imap_records_turn_over(&r->records)) {
				imap_later(r->session, on_turn);
				return;
			}
		} else if (b->peek.data.p != NULL) {
			take(r, str_of(b->peek.data.p + b->offset, (size_t)left));
		} else {
			session_hold(&r->session->base);
			blob_read(conn_frontend(r->session->conn)->service->blobs, &b->peek.id, b->offset,
				  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, on_piece, r);
			return;
		}
	}
	buf_fini(&b->text);
	imap_search_bodies_done(r);
}

void
imap_search_bodies(struct search_run *r)
{
	if (r->body == NULL)
		r->body = arena_new(&r->session->command.arena, struct search_body);
	r->body->at = 0;
	if (next_message(r))
		run(r);
	else
		imap_search_bodies_done(r);
}

void
imap_search_bodies_cancel(struct search_run *r)
{
	if (r->body == NULL)
		return;
	buf_fini(&r->body->text);
	buf_fini(&r->body->whole);
}
