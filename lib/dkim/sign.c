#include "lib/dkim/sign.h"

#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dkim/canon.h"
#include "lib/dkim/compose.h"

/* ---- The message ---- */
struct dkim_stream {
	struct dkim_header header;
	struct dkim_body body;
};

struct dkim_stream *
dkim_stream_new(void)
{
	struct dkim_stream *s = mem_new(struct dkim_stream);

	dkim_body_init(&s->body);
	return s;
}

void
dkim_stream_free(struct dkim_stream **s)
{
	if (*s == NULL)
		return;
	dkim_header_fini(&(*s)->header);
	dkim_body_fini(&(*s)->body);
	mem_free(*s);
	*s = NULL;
}

bool
dkim_stream_end(struct dkim_stream *s, struct str *header_out, unsigned char body_hash_out[DKIM_DIGEST_BYTES])
{
	*header_out = buf_str(&s->header.text);
	dkim_body_end(&s->body, body_hash_out);
	return !s->header.is_too_large;
}

void
dkim_stream_feed(struct dkim_stream *s, struct str piece)
{
	piece = dkim_header_feed(&s->header, piece);
	if (piece.len > 0)
		dkim_body_feed(&s->body, piece);
}

/* ---- Signing ---- */
struct signature {
	struct buf field; /* up to "b=" */
	unsigned char digest[DKIM_DIGEST_BYTES];
};

struct task {
	struct dkim_job job;
	struct dkim_key_set *keys; /* owner of a reference */
	struct signature signatures[DKIM_ALGORITHMS];
	dkim_on_signed *cb;
	void *arg;
	struct buf fields; /* the result */
	struct err err;
};

static void
task_free(struct task *t)
{
	for (unsigned i = 0; i < DKIM_ALGORITHMS; i++)
		buf_fini(&t->signatures[i].field);
	dkim_key_set_unref(&t->keys);
	buf_fini(&t->fields);
	mem_free(t);
}

/* On the thread. */
static void
task_run(struct dkim_job *job)
{
	struct task *t = (struct task *)job;

	for (unsigned i = 0; i < t->keys->count && t->err.code == ERR_NONE; i++) {
		struct buf base64 = BUF_EMPTY;

		if (dkim_key_sign(&t->keys->keys[i], t->signatures[i].digest, &base64, &t->err) == 0) {
			buf_add_str(&t->fields, buf_str(&t->signatures[i].field));
			dkim_compose_base64(&t->fields, buf_str(&base64));
		}
		buf_fini(&base64);
	}
}

static void
task_on_end(struct dkim_job *job, bool is_wanted)
{
	struct task *t = (struct task *)job;

	if (is_wanted && t->err.code != ERR_NONE)
		t->cb(t->arg, STR_NONE, &t->err);
	else if (is_wanted)
		t->cb(t->arg, buf_str(&t->fields), NULL);
	task_free(t);
}

/* The field up to its empty b=, and the digest of what it signs. */
static void
sign_prepare(struct signature *out, const struct dkim_key *key, struct str domain, struct str body_hash,
	     const struct buf *names, const struct buf *canonical)
{
	struct buf own = BUF_EMPTY;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();

	buf_printf(&out->field, "DKIM-Signature: v=1; a=%s-sha256; c=relaxed/relaxed; d=%.*s;\r\n\ts=%s; t=%lld;\r\n",
		   dkim_algorithm_name(key->algorithm), STR_ARG(domain), key->selector,
		   (long long)(clock_unix_ms() / 1000));
	buf_printf(&out->field, "\tbh=%.*s;\r\n\th=%.*s;\r\n\tb=", STR_ARG(body_hash), STR_ARG(buf_str(names)));
	dkim_canon_field(buf_str(&out->field), &own);
	CHECK(digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
	EVP_DigestUpdate(digest, canonical->data, canonical->len);
	EVP_DigestUpdate(digest, own.data, own.len - 2); /* without its line end */
	CHECK(EVP_DigestFinal_ex(digest, out->digest, NULL) == 1);
	EVP_MD_CTX_free(digest);
	buf_fini(&own);
}

static void
prepare_all(struct task *t, struct dkim_stream *stream, struct str domain)
{
	struct buf names = BUF_EMPTY, canonical = BUF_EMPTY, body_hash = BUF_EMPTY;
	unsigned char hash[DKIM_DIGEST_BYTES];
	struct dkim_fields fields;
	struct str header;
	struct arena arena;

	arena_init(&arena);
	if (!dkim_stream_end(stream, &header, hash) || !dkim_header_split(header, &arena, &fields)) {
		err_set(&t->err, ERR_LIMIT, "the message's header is too large to be signed");
	} else {
		base64_encode(str_of((const char *)hash, sizeof(hash)), &body_hash);
		dkim_compose_names(&fields, &names, &canonical);
		for (unsigned i = 0; i < t->keys->count; i++)
			sign_prepare(&t->signatures[i], &t->keys->keys[i], domain, buf_str(&body_hash), &names,
				     &canonical);
	}
	arena_fini(&arena);
	buf_fini(&names);
	buf_fini(&canonical);
	buf_fini(&body_hash);
}

void
dkim_sign(struct dkim_signer *s, struct dkim_stream **stream, struct str domain, struct dkim_key_set *keys,
	  dkim_on_signed *cb, void *arg)
{
	struct task *t = mem_new(struct task);

	CHECK(keys->count > 0 && keys->count <= DKIM_ALGORITHMS);
	t->job.run = task_run;
	t->job.on_end = task_on_end;
	t->keys = dkim_key_set_ref(keys);
	t->cb = cb;
	t->arg = arg;
	prepare_all(t, *stream, domain);
	dkim_stream_free(stream);
	if (t->err.code != ERR_NONE)
		dkim_signer_end(s, &t->job);
	else
		dkim_signer_run(s, &t->job);
}
