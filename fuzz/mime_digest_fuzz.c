/* Messages. The first byte says how they are cut into pieces, which must not
 * change anything; the digest must be readable, its parts must be within the
 * message, and what IMAP returns from it must follow IMAP's grammar. */
#include "lib/base/check.h"
#include "lib/mime/digest.h"
#include "tests/unit/lib/mime/grammar.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
make_digest(struct str message, size_t piece, struct buf *out)
{
	struct mime_digest_builder *b = mime_digest_begin();

	for (size_t at = 0; at < message.len; at += piece)
		mime_digest_feed(b, str_first(str_from(message, at), piece));
	mime_digest_end(&b, out);
}

static void
check_parts(const struct mime_digest *d, size_t size)
{
	static const uint32_t numbers[] = {1, 2, 1, 1};

	for (uint32_t i = 0; i < d->part_count; i++) {
		struct mime_digest_part part = mime_digest_part_at(d, i);
		CHECK(part.header_start <= part.body_start && part.body_start <= part.body_end &&
		      part.body_end <= size);
		CHECK(i == 0 ? part.parent == 0 : part.parent < i);
		CHECK(mime_digest_content(d, i) < d->part_count);
	}
	for (unsigned count = 0; count <= 4; count++)
		CHECK(mime_digest_find_part(d, numbers, count) < (int64_t)d->part_count);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf whole = BUF_EMPTY, pieces = BUF_EMPTY;
	struct mime_digest d;
	struct str message;

	if (size == 0)
		return 0;
	message = str_of((const char *)data + 1, size - 1);
	make_digest(message, size, &whole);
	make_digest(message, data[0] != 0 ? data[0] : 1, &pieces);
	CHECK(str_eq(buf_str(&whole), buf_str(&pieces)));
	CHECK(mime_digest_read(buf_str(&whole), &d));
	check_parts(&d, message.len);
	CHECK(grammar_envelope(d.texts[DIGEST_ENVELOPE]));
	CHECK(grammar_body(d.texts[DIGEST_BODY], false));
	CHECK(grammar_body(d.texts[DIGEST_BODYSTRUCTURE], true));
	/* A stored digest may be damaged: this is detected, or it is read within bounds. */
	if (mime_digest_read(message, &d))
		check_parts(&d, SIZE_MAX);
	buf_fini(&whole);
	buf_fini(&pieces);
	return 0;
}
