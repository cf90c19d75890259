#include "delivery-worker/retrieve/head.h"

#include <openssl/sha.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/mime/header.h"

void
head_init(struct head *h)
{
	*h = (struct head){.header = BUF_EMPTY};
}

void
head_fini(struct head *h)
{
	buf_fini(&h->header);
}

static void
head_end(struct head *h)
{
	struct str rest = buf_str(&h->header), id = STR_NONE, date = STR_NONE;
	struct mime_field field;
	struct buf text = BUF_EMPTY;

	while (mime_next_field(&rest, &field)) {
		if (str_eq_ci(field.name, STR("Received")))
			h->received_count++;
		else if (str_eq_ci(field.name, STR("Message-ID")) && id.len == 0)
			id = str_trim(field.value);
		else if (str_eq_ci(field.name, STR("Date")) && date.len == 0)
			date = str_trim(field.value);
	}
	if (id.len > 0) {
		buf_add_str(&text, id);
		buf_add_byte(&text, '\n');
		buf_add_str(&text, date);
	} else {
		buf_add_str(&text, buf_str(&h->header));
	}
	buf_reserve(&text, 1);
	SHA256((const unsigned char *)text.data, text.len, h->digest);
	buf_fini(&text);
	h->ended = true;
	buf_fini(&h->header);
}

/* Where an empty line begins, looked for from `from` on; -1: nowhere. */
static ptrdiff_t
head_find_end(const struct buf *b, size_t from)
{
	for (size_t i = from; i < b->len; i++) {
		if (b->data[i] == '\n' && i + 1 < b->len &&
		    (b->data[i + 1] == '\n' || (b->data[i + 1] == '\r' && i + 2 < b->len && b->data[i + 2] == '\n')))
			return (ptrdiff_t)i + 1;
	}
	return -1;
}

void
head_feed(struct head *h, struct str piece)
{
	size_t before = h->header.len;
	ptrdiff_t end;

	h->size += piece.len;
	if (h->ended)
		return;
	buf_add_str(&h->header, str_first(piece, HEAD_MAX - before));
	end = head_find_end(&h->header, before > 2 ? before - 2 : 0);
	if (end >= 0)
		h->header.len = (size_t)end;
	if (end >= 0 || h->header.len >= HEAD_MAX)
		head_end(h);
}

uint64_t
head_fingerprint(struct head *h)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	unsigned char text[sizeof(h->digest) + 8];

	if (!h->ended)
		head_end(h);
	memcpy(text, h->digest, sizeof(h->digest));
	bytes_put_u64(text + sizeof(h->digest), h->size);
	SHA256(text, sizeof(text), hash);
	return bytes_get_u64(hash);
}

uint64_t
head_hash(struct str remote_id)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];

	SHA256((const unsigned char *)remote_id.p, remote_id.len, hash);
	return bytes_get_u64(hash);
}
