/* The signed form: however a message is cut into pieces, its hash is the same,
 * and equals that of the canonical form made in one step by the rules (RFC
 * 6376, 3.4.4). */
#include <string.h>

#include "lib/base/check.h"
#include "lib/dkim/canon.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
hash_pieces(enum dkim_canon canon, uint64_t limit, struct str body, size_t size, unsigned char hash[32])
{
	struct dkim_body b;

	dkim_body_init_as(&b, canon, limit);
	while (body.len > 0) {
		struct str piece = str_first(body, size);
		dkim_body_feed(&b, piece);
		body = str_from(body, piece.len);
	}
	dkim_body_end(&b, hash);
	dkim_body_fini(&b);
}

/* CR counts only in a CRLF; empty lines at the end are one line end in all. */
static void
hash_by_simple_rule(struct str body, uint64_t limit, unsigned char hash[32])
{
	struct buf out = BUF_EMPTY;
	size_t kept = 0;
	struct str line;
	unsigned int len;

	while (body.len > 0) {
		size_t start = out.len;

		str_cut(body, '\n', &line, &body);
		for (size_t i = 0; i < line.len; i++)
			if (line.p[i] != '\r')
				buf_add_byte(&out, line.p[i]);
		if (out.len > start)
			kept = out.len;
		buf_add_c(&out, "\r\n");
	}
	out.len = kept;
	buf_add_c(&out, "\r\n");
	CHECK(EVP_Digest(out.data, out.len < limit ? out.len : (size_t)limit, hash, &len, EVP_sha256(), NULL) == 1);
	buf_fini(&out);
}

/* Line by line: removes blanks at the end, and reduces runs of blanks to one
 * space; then removes empty lines at the end. CR counts only in a CRLF. */
static void
hash_by_rule(struct str body, unsigned char hash[32])
{
	struct buf out = BUF_EMPTY;
	size_t kept = 0;
	struct str line;
	unsigned int len;

	while (body.len > 0) {
		size_t start = out.len;
		bool space = false;

		str_cut(body, '\n', &line, &body);
		for (size_t i = 0; i < line.len; i++) {
			if (line.p[i] == '\r')
				continue;
			if (line.p[i] == ' ' || line.p[i] == '\t') {
				space = true;
				continue;
			}
			if (space)
				buf_add_byte(&out, ' ');
			space = false;
			buf_add_byte(&out, line.p[i]);
		}
		if (out.len > start)
			kept = out.len + 2;
		buf_add_c(&out, "\r\n");
	}
	CHECK(EVP_Digest(out.data, kept, hash, &len, EVP_sha256(), NULL) == 1);
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char whole[32], pieces[32], rule[32];
	struct buf whole_field = BUF_EMPTY, field = BUF_EMPTY;
	struct str body;

	if (size == 0)
		return 0;
	body = str_of((const char *)data + 1, size - 1);
	hash_pieces(DKIM_SIMPLE, data[0] % 50, body, data[0] % 16 + 1, pieces);
	hash_by_simple_rule(body, data[0] % 50, rule);
	CHECK(memcmp(pieces, rule, sizeof(rule)) == 0);
	hash_pieces(DKIM_RELAXED, DKIM_WHOLE_BODY, body, body.len + 1, whole);
	hash_pieces(DKIM_RELAXED, DKIM_WHOLE_BODY, body, data[0] % 16 + 1, pieces);
	hash_by_rule(body, rule);
	CHECK(memcmp(whole, pieces, sizeof(whole)) == 0);
	CHECK(memcmp(whole, rule, sizeof(whole)) == 0);

	/* A value has single spaces and no line ends except its last. */
	buf_add_c(&whole_field, "X:");
	buf_add_str(&whole_field, body);
	dkim_canon_field(buf_str(&whole_field), &field);
	CHECK(field.len >= 4 && memmem(field.data, field.len - 2, "\r", 1) == NULL &&
	      memmem(field.data, field.len - 2, "\n", 1) == NULL && memmem(field.data, field.len, "  ", 2) == NULL);
	buf_fini(&whole_field);
	buf_fini(&field);
	return 0;
}
