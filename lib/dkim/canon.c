#include "lib/dkim/canon.h"

#include <string.h>

#include "lib/base/check.h"

#define OUT_BYTES 8192

void
dkim_body_init(struct dkim_body *b)
{
	dkim_body_init_as(b, DKIM_RELAXED, DKIM_WHOLE_BODY);
}

void
dkim_body_init_as(struct dkim_body *b, enum dkim_canon canon, uint64_t limit)
{
	memset(b, 0, sizeof(*b));
	b->canon = canon;
	b->limit = limit;
	b->digest = EVP_MD_CTX_new();
	CHECK(b->digest != NULL && EVP_DigestInit_ex(b->digest, EVP_sha256(), NULL) == 1);
}

void
dkim_body_fini(struct dkim_body *b)
{
	EVP_MD_CTX_free(b->digest);
	b->digest = NULL;
	buf_fini(&b->out);
}

static void
canon_flush(struct dkim_body *b)
{
	uint64_t room = b->limit - b->total;

	if (b->total < b->limit)
		EVP_DigestUpdate(b->digest, b->out.data, b->out.len < room ? b->out.len : (size_t)room);
	b->total += b->out.len;
	buf_clear(&b->out);
}

/* Something significant follows, so what was held back is significant too. */
static void
canon_release(struct dkim_body *b)
{
	for (; b->line_ends > 0; b->line_ends--) {
		buf_add(&b->out, "\r\n", 2);
		if (b->out.len >= OUT_BYTES)
			canon_flush(b);
	}
	if (b->space)
		buf_add_byte(&b->out, ' ');
	b->space = false;
	b->any = true;
}

/* How many bytes at the start stand for themselves. */
static size_t
plain_run(enum dkim_canon canon, struct str s)
{
	size_t len = 0;

	while (len < s.len && s.p[len] != '\r' && s.p[len] != '\n' &&
	       (canon == DKIM_SIMPLE || (s.p[len] != ' ' && s.p[len] != '\t')))
		len++;
	return len;
}

void
dkim_body_feed(struct dkim_body *b, struct str piece)
{
	while (piece.len > 0) {
		size_t run = plain_run(b->canon, piece);

		if (run > 0) {
			canon_release(b);
			buf_add(&b->out, piece.p, run);
		} else {
			run = 1;
			if (piece.p[0] == '\n') {
				b->space = false;
				b->line_ends++;
			} else if (piece.p[0] != '\r') {
				b->space = true;
			}
		}
		piece = str_from(piece, run);
		if (b->out.len >= OUT_BYTES)
			canon_flush(b);
	}
}

void
dkim_body_end(struct dkim_body *b, unsigned char hash_out[32])
{
	/* An empty body has one line end in the simple form, and none in the relaxed one. */
	if (b->any || b->canon == DKIM_SIMPLE)
		buf_add(&b->out, "\r\n", 2);
	canon_flush(b);
	CHECK(EVP_DigestFinal_ex(b->digest, hash_out, NULL) == 1);
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void
dkim_canon_field(struct str field, struct buf *out)
{
	struct str name, value;
	bool space = false;

	str_cut(field, ':', &name, &value);
	name = str_trim(name);
	for (size_t i = 0; i < name.len; i++)
		buf_add_byte(out, name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] + 32) : name.p[i]);
	buf_add_byte(out, ':');
	value = str_trim(value);
	for (size_t i = 0; i < value.len; i++) {
		if (is_space(value.p[i])) {
			space = true;
			continue;
		}
		if (space)
			buf_add_byte(out, ' ');
		space = false;
		buf_add_byte(out, value.p[i]);
	}
	buf_add(out, "\r\n", 2);
}

void
dkim_canon_field_as(enum dkim_canon canon, struct str field, struct buf *out)
{
	if (canon == DKIM_RELAXED) {
		dkim_canon_field(field, out);
		return;
	}
	buf_add_str(out, field);
	if (!str_ends_ci(field, STR("\r\n")))
		buf_add(out, "\r\n", 2);
}
