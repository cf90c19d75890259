#include "lib/mailauth/arc_seal.h"

#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dkim/compose.h"

/* Prepared on the loop; the two signatures, the second of which covers the first, are made on
 * the signer's thread. */
struct seal_task {
	struct dkim_job job;
	struct dkim_key_set *keys; /* owner of a reference */
	const struct dkim_key *key;
	struct buf scope;   /* earlier sets in canonical form, as far as the seal covers them */
	struct buf results; /* ARC-Authentication-Results: the whole field */
	struct buf message; /* ARC-Message-Signature up to its "b=", then whole */
	struct buf seal;    /* ARC-Seal, the same */
	unsigned char message_digest[DKIM_DIGEST_BYTES];
	struct err err;
	arc_on_sealed *cb;
	void *arg;
};

static void
seal_free(struct seal_task *t)
{
	dkim_key_set_unref(&t->keys);
	buf_fini(&t->scope);
	buf_fini(&t->results);
	buf_fini(&t->message);
	buf_fini(&t->seal);
	mem_free(t);
}

static void
seal_on_end(struct dkim_job *job, bool is_wanted)
{
	struct seal_task *t = (struct seal_task *)job;

	if (is_wanted && t->err.code != ERR_NONE) {
		t->cb(t->arg, STR_NONE, &t->err);
	} else if (is_wanted) {
		buf_add_str(&t->seal, buf_str(&t->message));
		buf_add_str(&t->seal, buf_str(&t->results));
		t->cb(t->arg, buf_str(&t->seal), NULL);
	}
	seal_free(t);
}

/* ---- On the thread ---- */
static int
seal_sign(struct seal_task *t, struct buf *field, const unsigned char digest[DKIM_DIGEST_BYTES])
{
	struct buf base64 = BUF_EMPTY;
	int rc = dkim_key_sign(t->key, digest, &base64, &t->err);

	if (rc == 0)
		dkim_compose_base64(field, buf_str(&base64));
	buf_fini(&base64);
	return rc;
}

static void
seal_run(struct dkim_job *job)
{
	struct seal_task *t = (struct seal_task *)job;
	unsigned char digest[DKIM_DIGEST_BYTES];
	unsigned int len;

	if (seal_sign(t, &t->message, t->message_digest) != 0)
		return;
	dkim_canon_field(buf_str(&t->results), &t->scope);
	dkim_canon_field(buf_str(&t->message), &t->scope);
	dkim_canon_field(buf_str(&t->seal), &t->scope);
	/* Without the last line end. */
	CHECK(EVP_Digest(t->scope.data, t->scope.len - 2, digest, &len, EVP_sha256(), NULL) == 1);
	seal_sign(t, &t->seal, digest);
}

/* ---- On the loop ---- */
static const struct dkim_key *
seal_choose_key(const struct dkim_key_set *keys)
{
	for (unsigned i = 0; i < keys->count; i++)
		if (keys->keys[i].algorithm == DKIM_RSA)
			return &keys->keys[i];
	return &keys->keys[0];
}

/* Signatures that the message has shall stay what they are (4.1.2). */
static void
seal_add_signatures(const struct dkim_fields *fields, struct buf *names, struct buf *canonical)
{
	for (unsigned i = fields->count; i-- > 0;) {
		if (!dkim_field_is(&fields->items[i], "DKIM-Signature"))
			continue;
		buf_add_c(names, ":\r\n\tdkim-signature");
		dkim_canon_field(fields->items[i].text, canonical);
	}
}

static void
seal_compose_message(struct seal_task *t, const struct arc_seal_request *request, unsigned instance, int64_t now,
		     const struct dkim_fields *fields, const unsigned char hash[DKIM_DIGEST_BYTES])
{
	struct buf names = BUF_EMPTY, canonical = BUF_EMPTY, body_hash = BUF_EMPTY;
	unsigned int len;

	base64_encode(str_of((const char *)hash, DKIM_DIGEST_BYTES), &body_hash);
	dkim_compose_names(fields, &names, &canonical);
	seal_add_signatures(fields, &names, &canonical);
	buf_printf(&t->message,
		   "ARC-Message-Signature: i=%u; a=%s-sha256; c=relaxed/relaxed;\r\n\td=%.*s; s=%s; t=%lld;\r\n",
		   instance, dkim_algorithm_name(t->key->algorithm), STR_ARG(request->domain), t->key->selector,
		   (long long)now);
	buf_printf(&t->message, "\tbh=%.*s;\r\n\th=%.*s;\r\n\tb=", STR_ARG(buf_str(&body_hash)),
		   STR_ARG(buf_str(&names)));
	dkim_canon_field(buf_str(&t->message), &canonical);
	CHECK(EVP_Digest(canonical.data, canonical.len - 2, t->message_digest, &len, EVP_sha256(), NULL) == 1);
	buf_fini(&names);
	buf_fini(&canonical);
	buf_fini(&body_hash);
}

/* A seal that says that the chain is broken covers its own set only (5.1.2). */
static void
seal_compose_scope(struct seal_task *t, const struct arc_chain *chain, enum arc_result cv)
{
	for (unsigned i = 0; i < chain->count && cv == ARC_PASS; i++) {
		dkim_canon_field(chain->sets[i].results, &t->scope);
		dkim_canon_field(chain->sets[i].message.field, &t->scope);
		dkim_canon_field(chain->sets[i].seal.field, &t->scope);
	}
}

/* What keeps us from adding a set; NULL: nothing. */
static const char *
seal_obstacle(const struct arc_chain *chain, const char *problem, enum arc_result state, enum err_code *code_out)
{
	*code_out = ERR_UNAVAILABLE;
	if (state == ARC_TEMPERROR)
		return "the chain could not be validated";
	*code_out = ERR_INVALID;
	if (chain->count > 0 && chain->sets[chain->count - 1].seal.cv == ARC_FAIL)
		return "the chain was broken before";
	if (state != ARC_FAIL && (problem != NULL || (state == ARC_NONE) != (chain->count == 0)))
		return "the chain is not the one that was validated";
	*code_out = ERR_LIMIT;
	return chain->count >= ARC_INSTANCES_MAX ? "the chain is too long" : NULL;
}

static int
seal_prepare(struct seal_task *t, const struct arc_seal_request *request, struct arena *arena)
{
	unsigned char hash[DKIM_DIGEST_BYTES];
	int64_t now = clock_unix_ms() / 1000;
	struct dkim_fields fields;
	struct arc_chain chain;
	const char *problem;
	enum err_code code;
	struct str header;

	if (!dkim_stream_end(*request->stream, &header, hash) || !dkim_header_split(header, arena, &fields))
		return err_set(&t->err, ERR_LIMIT, "the message's header is too large to be sealed");
	problem = arc_chain_read(&fields, now, arena, &chain);
	problem = seal_obstacle(&chain, problem, request->chain, &code);
	if (problem != NULL)
		return err_set(&t->err, code, "%s", problem);
	buf_printf(&t->results, "ARC-Authentication-Results: i=%u; %.*s\r\n", chain.count + 1,
		   STR_ARG(request->results));
	seal_compose_message(t, request, chain.count + 1, now, &fields, hash);
	seal_compose_scope(t, &chain, request->chain);
	buf_printf(&t->seal, "ARC-Seal: i=%u; a=%s-sha256; cv=%s; d=%.*s;\r\n\ts=%s; t=%lld;\r\n\tb=", chain.count + 1,
		   dkim_algorithm_name(t->key->algorithm), arc_result_name(request->chain), STR_ARG(request->domain),
		   t->key->selector, (long long)now);
	return 0;
}

void
arc_seal_message(struct dkim_signer *s, const struct arc_seal_request *request, arc_on_sealed *cb, void *arg)
{
	struct seal_task *t = mem_new(struct seal_task);
	struct arena arena;

	CHECK(request->keys->count > 0);
	t->job.run = seal_run;
	t->job.on_end = seal_on_end;
	t->keys = dkim_key_set_ref(request->keys);
	t->key = seal_choose_key(t->keys);
	t->cb = cb;
	t->arg = arg;
	arena_init(&arena);
	if (seal_prepare(t, request, &arena) == 0)
		dkim_signer_run(s, &t->job);
	else
		dkim_signer_end(s, &t->job);
	dkim_stream_free(request->stream);
	arena_fini(&arena);
}
