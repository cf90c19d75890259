#include "lib/dkim/sign.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "lib/base/arena.h"
#include "lib/base/base64.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dkim/canon.h"
#include "lib/dkim/header.h"

#define FOLD_AT 72 /* column at which the signature field is folded */

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

void
dkim_stream_feed(struct dkim_stream *s, struct str piece)
{
	piece = dkim_header_feed(&s->header, piece);
	if (piece.len > 0)
		dkim_body_feed(&s->body, piece);
}

/* ---- Which fields ---- */
enum oversign { AS_THEY_ARE, IF_THERE, ALWAYS };

/* ALWAYS: one more than there are; IF_THERE: the same, if there is one. */
static const struct {
	const char *name;
	enum oversign oversign;
} signed_fields[] = {
	{"from", ALWAYS},
	{"reply-to", ALWAYS},
	{"subject", ALWAYS},
	{"to", ALWAYS},
	{"cc", ALWAYS},
	{"date", IF_THERE},
	{"message-id", IF_THERE},
	{"sender", IF_THERE},
	{"mime-version", IF_THERE},
	{"content-type", IF_THERE},
	{"content-transfer-encoding", IF_THERE},
	{"in-reply-to", IF_THERE},
	{"references", IF_THERE},
	{"resent-date", AS_THEY_ARE},
	{"resent-from", AS_THEY_ARE},
	{"resent-sender", AS_THEY_ARE},
	{"resent-to", AS_THEY_ARE},
	{"resent-cc", AS_THEY_ARE},
	{"resent-message-id", AS_THEY_ARE},
	{"list-id", AS_THEY_ARE},
	{"list-help", AS_THEY_ARE},
	{"list-unsubscribe", AS_THEY_ARE},
	{"list-unsubscribe-post", AS_THEY_ARE},
	{"list-subscribe", AS_THEY_ARE},
	{"list-post", AS_THEY_ARE},
	{"list-owner", AS_THEY_ARE},
	{"list-archive", AS_THEY_ARE},
	{"tls-required", AS_THEY_ARE},
	{"tls-report-domain", AS_THEY_ARE},
	{"tls-report-submitter", AS_THEY_ARE},
	{NULL, AS_THEY_ARE},
};

/* Adds a word to a tag's list, folding before the line would be too long. */
static void
add_word(struct buf *out, size_t *line_start, const char *word, bool first)
{
	if (!first)
		buf_add_byte(out, ':');
	if (out->len - *line_start + strlen(word) > FOLD_AT) {
		buf_add_c(out, "\r\n\t");
		*line_start = out->len;
	}
	buf_add_c(out, word);
}

/* The list for h=, and the fields in it in canonical form: the last of each
 * name first (RFC 6376, 5.4.2). */
static void
choose_fields(const struct dkim_fields *fields, struct buf *names, struct buf *canonical)
{
	size_t line_start = 0;
	bool first = true;

	for (unsigned n = 0; signed_fields[n].name != NULL; n++) {
		unsigned found = 0;

		for (unsigned i = fields->count; i-- > 0;) {
			if (!dkim_field_is(&fields->items[i], signed_fields[n].name))
				continue;
			add_word(names, &line_start, signed_fields[n].name, first);
			dkim_canon_field(fields->items[i].text, canonical);
			first = false;
			found++;
		}
		if (signed_fields[n].oversign == ALWAYS || (signed_fields[n].oversign == IF_THERE && found > 0)) {
			add_word(names, &line_start, signed_fields[n].name, first);
			first = false;
		}
	}
}

/* ---- The signer ---- */
struct signature {
	struct buf field; /* up to "b=" */
	unsigned char digest[DKIM_DIGEST_BYTES];
};

struct task {
	struct dkim_key_set *keys; /* owner of a reference */
	struct signature signatures[DKIM_ALGORITHMS];
	dkim_on_signed *cb;
	void *arg;
	struct buf fields; /* the result */
	struct err err;
	struct task *next;
};

struct dkim_signer {
	struct event *done_event;
	pthread_t thread;
	bool started;

	pthread_mutex_t lock; /* guards everything below */
	pthread_cond_t wake;
	struct task *first, *last;	     /* owner: work to do */
	struct task *done_first, *done_last; /* owner */
	bool stop;
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

static void
add_folded(struct buf *out, struct str base64)
{
	while (base64.len > 0) {
		struct str part = str_first(base64, FOLD_AT);

		buf_add_c(out, "\r\n\t");
		buf_add_str(out, part);
		base64 = str_from(base64, part.len);
	}
	buf_add_c(out, "\r\n");
}

/* On the thread. */
static void
task_run(struct task *t)
{
	for (unsigned i = 0; i < t->keys->count && t->err.code == ERR_NONE; i++) {
		struct buf base64 = BUF_EMPTY;

		if (dkim_key_sign(&t->keys->keys[i], t->signatures[i].digest, &base64, &t->err) == 0) {
			buf_add_str(&t->fields, buf_str(&t->signatures[i].field));
			add_folded(&t->fields, buf_str(&base64));
		}
		buf_fini(&base64);
	}
}

static struct task *
sign_take(struct dkim_signer *s)
{
	struct task *t;

	pthread_mutex_lock(&s->lock);
	while (s->first == NULL && !s->stop)
		pthread_cond_wait(&s->wake, &s->lock);
	t = s->stop ? NULL : s->first;
	if (t != NULL)
		s->first = t->next;
	pthread_mutex_unlock(&s->lock);
	return t;
}

static void
sign_append(struct task **first, struct task **last, struct task *t)
{
	t->next = NULL;
	if (*first == NULL)
		*first = t;
	else
		(*last)->next = t;
	*last = t;
}

static void *
sign_thread_main(void *arg)
{
	struct dkim_signer *s = arg;
	struct task *t;

	while ((t = sign_take(s)) != NULL) {
		task_run(t);
		pthread_mutex_lock(&s->lock);
		sign_append(&s->done_first, &s->done_last, t);
		pthread_mutex_unlock(&s->lock);
		event_active(s->done_event, EV_READ, 0);
	}
	return NULL;
}

static void
sign_on_done(evutil_socket_t fd, short what, void *arg)
{
	struct dkim_signer *s = arg;
	struct task *list, *next;

	(void)fd;
	(void)what;
	pthread_mutex_lock(&s->lock);
	list = s->done_first;
	s->done_first = s->done_last = NULL;
	pthread_mutex_unlock(&s->lock);
	for (struct task *t = list; t != NULL; t = next) {
		next = t->next;
		if (t->err.code != ERR_NONE)
			t->cb(t->arg, STR_NONE, &t->err);
		else
			t->cb(t->arg, buf_str(&t->fields), NULL);
		task_free(t);
	}
}

struct dkim_signer *
dkim_signer_new(struct event_base *base)
{
	struct dkim_signer *s = mem_new(struct dkim_signer);

	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->wake, NULL);
	s->done_event = event_new(base, -1, 0, sign_on_done, s);
	return s;
}

static void
sign_free_list(struct task *list)
{
	while (list != NULL) {
		struct task *next = list->next;

		task_free(list);
		list = next;
	}
}

void
dkim_signer_free(struct dkim_signer **signer)
{
	struct dkim_signer *s = *signer;

	if (s == NULL)
		return;
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (s->started)
		pthread_join(s->thread, NULL);
	sign_free_list(s->first);
	sign_free_list(s->done_first);
	event_free(s->done_event);
	pthread_mutex_destroy(&s->lock);
	pthread_cond_destroy(&s->wake);
	mem_free(s);
	*signer = NULL;
}

static void
sign_give(struct dkim_signer *s, struct task *t)
{
	bool is_over = t->err.code != ERR_NONE;

	pthread_mutex_lock(&s->lock);
	if (!s->started && !is_over) {
		CHECK(pthread_create(&s->thread, NULL, sign_thread_main, s) == 0);
		s->started = true;
	}
	if (is_over)
		sign_append(&s->done_first, &s->done_last, t);
	else
		sign_append(&s->first, &s->last, t);
	pthread_cond_signal(&s->wake);
	pthread_mutex_unlock(&s->lock);
	if (is_over)
		event_active(s->done_event, EV_READ, 0);
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
	struct arena arena;

	arena_init(&arena);
	if (stream->header.is_too_large || !dkim_header_split(buf_str(&stream->header.text), &arena, &fields)) {
		err_set(&t->err, ERR_LIMIT, "the message's header is too large to be signed");
	} else {
		dkim_body_end(&stream->body, hash);
		base64_encode(str_of((const char *)hash, sizeof(hash)), &body_hash);
		choose_fields(&fields, &names, &canonical);
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
	t->keys = dkim_key_set_ref(keys);
	t->cb = cb;
	t->arg = arg;
	prepare_all(t, *stream, domain);
	dkim_stream_free(stream);
	sign_give(s, t);
}
