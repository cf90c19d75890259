/* HEADER, BODY and TEXT: what is found in the bytes of messages, one message
 * after another. Headers are decoded field by field, text parts freed of their
 * encoding and turned into UTF-8; other parts are passed over. */
#include "frontend/imap/search.h"

#include <string.h>

#include "frontend/imap/decode.h"
#include "lib/base/check.h"
#include "lib/mime/header.h"
#include "lib/mime/word.h"

/* Of one text part no more is looked at: memory stays bounded. */
enum { PART_BYTES_MAX = 8 * 1024 * 1024, PIECE_BYTES = 512 * 1024 };

struct search_body {
	unsigned entry; /* of the batch */
	uint32_t part;	/* the next one to be looked at */
	bool found[SEARCH_BODY_KEYS_MAX];
	uint64_t offset, end; /* of the part being read */
	struct imap_decoder decoder;
	struct str charset;
	struct buf text; /* owner: of the part, decoded */
};

static void next_entry(struct search_run *r);
static void next_part(struct search_run *r);

static bool
contains(struct str text, struct str folded_needle, struct arena *scratch)
{
	struct str folded;

	if (folded_needle.len == 0)
		return true;
	if (text.len == 0)
		return false;
	folded = imap_fold(text, scratch);
	return memmem(folded.p, folded.len, folded_needle.p, folded_needle.len) != NULL;
}

/* ---- The header ---- */
static void
look_at_field(struct search_run *r, const struct mime_field *field)
{
	struct str value = mime_decode_words(mime_unfold(field->value, &r->scratch), &r->scratch);

	for (unsigned i = 0; i < r->body_key_count; i++) {
		const struct imap_search_key *k = r->body_keys[i];
		if (r->body->found[i])
			continue;
		if (k->op == SEARCH_HEADER)
			r->body->found[i] = str_eq_ci(field->name, k->field) && contains(value, k->text, &r->scratch);
		else if (k->op == SEARCH_TEXT)
			r->body->found[i] = contains(value, k->text, &r->scratch) ||
					    contains(field->name, k->text, &r->scratch);
	}
}

static void
on_header(void *arg, const char *data, size_t len, const struct err *err)
{
	struct search_run *r = arg;
	struct str rest = str_of(data, len);
	struct mime_field field;

	if (!imap_back(r->session))
		return;
	while (err == NULL && mime_next_field(&rest, &field)) {
		arena_reset(&r->scratch);
		look_at_field(r, &field);
	}
	next_part(r);
}

/* ---- Text parts ---- */
static bool
is_decided(const struct search_run *r)
{
	for (unsigned i = 0; i < r->body_key_count; i++)
		if (!r->body->found[i] && r->body_keys[i]->op != SEARCH_HEADER)
			return false;
	return true;
}

static void
look_at_text(struct search_run *r)
{
	struct search_body *b = r->body;
	struct str text;

	imap_decode_end(&b->decoder, &b->text);
	arena_reset(&r->scratch);
	text = mime_to_utf8(b->charset, buf_str(&b->text), &r->scratch);
	for (unsigned i = 0; i < r->body_key_count; i++)
		if (!b->found[i] && r->body_keys[i]->op != SEARCH_HEADER)
			b->found[i] = contains(text, r->body_keys[i]->text, &r->scratch);
	buf_clear(&b->text);
}

static void read_piece(struct search_run *r);

static void
on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct search_run *r = arg;
	struct search_body *b = r->body;

	if (!imap_back(r->session))
		return;
	if (err != NULL || len == 0) {
		b->offset = b->end; /* what can be read counts */
	} else {
		imap_decode(&b->decoder, str_of(data, len), &b->text);
		b->offset += len;
	}
	read_piece(r);
}

static void
read_piece(struct search_run *r)
{
	struct search_body *b = r->body;
	uint64_t left = b->end - b->offset;

	if (left == 0 || b->text.len >= PART_BYTES_MAX) {
		look_at_text(r);
		next_part(r);
		return;
	}
	imap_hold(r->session);
	blob_read(conn_frontend(r->session->conn)->service->blobs, &r->batch[b->entry].cold.body, b->offset,
		  left < PIECE_BYTES ? (size_t)left : PIECE_BYTES, on_piece, r);
}

static void
next_part(struct search_run *r)
{
	struct search_body *b = r->body;
	const struct mime_digest *d = &r->batch[b->entry].digest.digest;

	while (b->part < d->part_count && !is_decided(r)) {
		struct mime_digest_part part = mime_digest_part_at(d, b->part++);
		if (part.kind != 0 || !part.is_text || part.body_end <= part.body_start)
			continue;
		imap_decode_init(&b->decoder, (enum mime_encoding)part.encoding);
		b->charset = part.charset;
		b->offset = part.body_start;
		b->end = part.body_end;
		read_piece(r);
		return;
	}
	next_entry(r);
}

/* ---- One message after another ---- */
static void
begin_entry(struct search_run *r)
{
	struct search_body *b = r->body;
	struct search_entry *e = &r->batch[b->entry];
	bool header = false;

	memset(b->found, 0, sizeof(b->found));
	b->part = 0;
	for (unsigned i = 0; i < r->body_key_count; i++)
		header |= r->body_keys[i]->op != SEARCH_BODY;
	if (!header || e->digest.digest.header_bytes == 0) {
		next_part(r);
		return;
	}
	imap_hold(r->session);
	blob_read(conn_frontend(r->session->conn)->service->blobs, &e->cold.body, 0, e->digest.digest.header_bytes,
		  on_header, r);
}

static void
seek_entry(struct search_run *r)
{
	struct search_body *b = r->body;

	while (b->entry < r->batch_count && !r->batch[b->entry].open)
		b->entry++;
	if (b->entry < r->batch_count) {
		begin_entry(r);
		return;
	}
	buf_fini(&b->text);
	imap_search_body_done(r);
}

static void
on_turn(struct imap_session *s)
{
	seek_entry(((struct search_run *)s->work));
}

/* The entry is read: it is decided. */
static void
next_entry(struct search_run *r)
{
	struct search_entry *e = &r->batch[r->body->entry];
	enum verdict v;

	arena_reset(&r->scratch);
	e->m.found = r->body->found;
	v = imap_search_eval(r->search.key, &e->m);
	CHECK(v != VERDICT_UNKNOWN);
	r->verdicts[e->m.seq - 1] = (uint8_t)v;
	e->open = false;
	r->body->entry++;
	imap_later(r->session, on_turn); /* others may have their turn */
}

void
imap_search_bodies(struct search_run *r)
{
	if (r->body == NULL)
		r->body = arena_new(&r->session->command, struct search_body);
	r->body->entry = 0;
	seek_entry(r);
}

void
imap_search_bodies_cancel(struct search_run *r)
{
	if (r->body != NULL)
		buf_fini(&r->body->text);
}
