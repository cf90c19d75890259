#include "delivery-worker/retrieve/head.h"

#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
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
	EVP_MD_CTX_free(h->body);
	h->body = NULL;
}

/* Devices give many messages the same Message-ID and Date: the body tells them apart. */
static void
head_add_body(struct head *h, struct str piece)
{
	if (piece.len == 0)
		return;
	if (h->body == NULL) {
		h->body = EVP_MD_CTX_new();
		CHECK(h->body != NULL && EVP_DigestInit_ex(h->body, EVP_sha256(), NULL) == 1);
	}
	CHECK(EVP_DigestUpdate(h->body, piece.p, piece.len) == 1);
}

static void
head_end(struct head *h)
{
	struct str rest = buf_str(&h->header), id = STR_NONE, date = STR_NONE;
	struct mime_field field;
	struct buf text = BUF_EMPTY, received = BUF_EMPTY;

	while (mime_next_field(&rest, &field)) {
		if (str_eq_ci(field.name, STR("Received"))) {
			h->received_count++;
			buf_add_byte(&received, '\n');
			buf_add_str(&received, field.value);
		} else if (str_eq_ci(field.name, STR("Message-ID")) && id.len == 0) {
			id = str_trim(field.value);
		} else if (str_eq_ci(field.name, STR("Date")) && date.len == 0) {
			date = str_trim(field.value);
		}
	}
	if (id.len > 0) {
		buf_add_str(&text, id);
		buf_add_byte(&text, '\n');
		buf_add_str(&text, date);
		buf_add_str(&text, buf_str(&received));
	} else {
		buf_add_str(&text, buf_str(&h->header));
	}
	buf_reserve(&text, 1);
	SHA256((const unsigned char *)text.data, text.len, h->digest);
	buf_fini(&text);
	buf_fini(&received);
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
	size_t before = h->header.len, taken;
	ptrdiff_t end;

	h->size += piece.len;
	if (h->ended) {
		head_add_body(h, piece);
		return;
	}
	buf_add_str(&h->header, str_first(piece, HEAD_MAX - before));
	taken = h->header.len;
	end = head_find_end(&h->header, before > 2 ? before - 2 : 0);
	if (end >= 0) {
		head_add_body(h, str_from(buf_str(&h->header), (size_t)end));
		h->header.len = (size_t)end;
	}
	if (taken - before < piece.len)
		head_add_body(h, str_from(piece, taken - before));
	if (end >= 0 || h->header.len >= HEAD_MAX)
		head_end(h);
}

uint64_t
head_fingerprint(struct head *h)
{
	unsigned char hash[SHA256_DIGEST_LENGTH];
	unsigned char text[sizeof(h->digest) + 8 + sizeof(h->body_digest)];

	if (!h->ended)
		head_end(h);
	memcpy(text, h->digest, sizeof(h->digest));
	bytes_put_u64(text + sizeof(h->digest), h->size);
	if (h->body != NULL)
		CHECK(EVP_DigestFinal_ex(h->body, h->body_digest, NULL) == 1);
	EVP_MD_CTX_free(h->body);
	h->body = NULL;
	memcpy(text + sizeof(h->digest) + 8, h->body_digest, sizeof(h->body_digest));
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
