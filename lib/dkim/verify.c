#include "lib/dkim/verify.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dkim/fetch.h"

/* The body's hash in one form, shared by the signatures that want it. */
struct body {
	struct dkim_body hashing;
	unsigned char hash[DKIM_DIGEST_BYTES]; /* at the end */
};

/* One signature. */
struct work {
	struct dkim_verifier *verifier; /* borrowed */
	struct dkim_signature signature;
	struct body *body; /* borrowed */
	struct dkim_fetch key;
	bool is_done;
};

struct dkim_verifier {
	struct dns *dns;     /* borrowed */
	struct event *step;  /* owner: judges the next signature */
	struct event *limit; /* owner */
	struct dkim_verify_options options;
	struct arena arena;
	struct dkim_header header;
	struct dkim_fields fields;
	bool is_header_read, is_ended;
	struct body bodies[DKIM_SIGNATURES_MAX];
	unsigned body_count;
	struct work works[DKIM_SIGNATURES_MAX];
	struct dkim_verdict verdicts[DKIM_SIGNATURES_MAX];
	unsigned count;
	dkim_on_verified *cb;
	void *arg;
};

static struct dkim_verdict *
verify_verdict(const struct work *w)
{
	return &w->verifier->verdicts[w - w->verifier->works];
}

static void
verify_settle(struct work *w, enum dkim_result result, const char *reason)
{
	struct dkim_verdict *verdict = verify_verdict(w);

	dkim_fetch_cancel(&w->key);
	w->is_done = true;
	verdict->result = result;
	verdict->reason = reason;
}

/* By a timer: an event that is activated has its turn before any other. */
static void
verify_wake(struct dkim_verifier *v)
{
	struct timeval now = {0, 0};

	evtimer_add(v->step, &now);
}

/* ---- Keys ---- */
static void
verify_on_key(void *arg)
{
	struct dkim_verifier *v = arg;

	if (v->is_ended)
		verify_wake(v);
}

/* ---- The header ---- */
static struct body *
verify_share_body(struct dkim_verifier *v, enum dkim_canon canon, uint64_t length)
{
	struct body *b;

	for (unsigned i = 0; i < v->body_count; i++)
		if (v->bodies[i].hashing.canon == canon && v->bodies[i].hashing.limit == length)
			return &v->bodies[i];
	b = &v->bodies[v->body_count++];
	dkim_body_init_as(&b->hashing, canon, length);
	return b;
}

static void
verify_add(struct dkim_verifier *v, struct str field, int64_t now)
{
	struct work *w = &v->works[v->count];
	struct dkim_verdict *verdict = &v->verdicts[v->count++];
	enum dkim_result result;
	const char *problem;

	w->verifier = v;
	problem = dkim_signature_parse(field, DKIM_SIGNATURE_FIELD, now, &w->signature, &result);
	verdict->domain = w->signature.domain;
	verdict->selector = w->signature.selector;
	verdict->signature = w->signature.signature;
	verdict->algorithm = w->signature.algorithm;
	if (problem != NULL) {
		verify_settle(w, result, problem);
	} else if (w->signature.is_expired) {
		verify_settle(w, DKIM_RESULT_POLICY, "it has expired");
	} else {
		w->body = verify_share_body(v, w->signature.body_canon, w->signature.length);
		dkim_fetch_start(&w->key, v->dns, &v->arena, w->signature.selector, w->signature.domain, verify_on_key,
				 v);
	}
}

static void
verify_read_header(struct dkim_verifier *v)
{
	int64_t now = clock_unix_ms() / 1000;

	v->is_header_read = true;
	if (v->header.is_too_large || !dkim_header_split(buf_str(&v->header.text), &v->arena, &v->fields)) {
		/* A signature could not be trusted to be about all of it. */
		v->works[0] = (struct work){.verifier = v};
		v->count = 1;
		verify_settle(&v->works[0], DKIM_RESULT_POLICY, "the header is too large");
		return;
	}
	for (unsigned i = 0; i < v->fields.count && v->count < DKIM_SIGNATURES_MAX; i++)
		if (dkim_field_is(&v->fields.items[i], "DKIM-Signature"))
			verify_add(v, v->fields.items[i].text, now);
}

void
dkim_verifier_feed(struct dkim_verifier *v, struct str piece)
{
	CHECK(!v->is_ended);
	piece = dkim_header_feed(&v->header, piece);
	if (!v->is_header_read && (v->header.is_over || v->header.is_too_large))
		verify_read_header(v);
	for (unsigned i = 0; piece.len > 0 && i < v->body_count; i++)
		dkim_body_feed(&v->bodies[i].hashing, piece);
}

/* ---- The verdict ---- */
static enum dkim_result
verify_with_key(struct work *w, const struct dkim_record *record, const char **reason_out)
{
	const struct dkim_signature *s = &w->signature;
	struct dkim_verdict *verdict = verify_verdict(w);
	const struct dkim_body *body = &w->body->hashing;
	unsigned char digest[DKIM_DIGEST_BYTES];

	verdict->bits = record->bits;
	verdict->is_test = record->is_test;
	verdict->is_partial = s->length < body->total;
	*reason_out = "its key is not for subdomains";
	if (record->is_strict && !str_eq_ci(s->identity_domain, s->domain))
		return DKIM_RESULT_PERMERROR;
	*reason_out = "the body was changed";
	if ((s->length != DKIM_WHOLE_BODY && s->length > body->total) ||
	    !dkim_signature_has_hash(s->body_hash, w->body->hash))
		return DKIM_RESULT_FAIL;
	dkim_signature_digest(s, &w->verifier->fields, digest);
	*reason_out = "the signature does not match";
	if (!dkim_record_verify(record, s->signature, digest))
		return DKIM_RESULT_FAIL;
	*reason_out = "a part of the body is not signed";
	if (verdict->is_partial && !w->verifier->options.accepts_length)
		return DKIM_RESULT_POLICY;
	*reason_out = NULL;
	return DKIM_RESULT_PASS;
}

static void
verify_judge(struct work *w)
{
	struct dkim_record record;
	enum dkim_result result;
	const char *reason = dkim_fetch_key(&w->key, w->signature.algorithm, &record, &result);

	if (reason == NULL)
		result = verify_with_key(w, &record, &reason);
	dkim_record_fini(&record);
	verify_settle(w, result, reason);
}

/* One signature each time: others on this loop have their turn in between. */
static void
verify_on_step(evutil_socket_t fd, short what, void *arg)
{
	struct dkim_verifier *v = arg;
	bool is_waiting = false;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < v->count; i++) {
		struct work *w = &v->works[i];

		if (w->is_done)
			continue;
		if (dkim_fetch_is_waiting(&w->key)) {
			is_waiting = true;
			continue;
		}
		verify_judge(w);
		verify_wake(v);
		return;
	}
	if (is_waiting || v->cb == NULL)
		return;
	dkim_on_verified *cb = v->cb;
	v->cb = NULL;
	evtimer_del(v->limit);
	cb(v->arg, v->count > 0 ? v->verdicts : NULL, v->count);
}

static void
verify_on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct dkim_verifier *v = arg;

	(void)fd;
	(void)what;
	for (unsigned i = 0; i < v->count; i++)
		if (dkim_fetch_is_waiting(&v->works[i].key))
			verify_settle(&v->works[i], DKIM_RESULT_TEMPERROR, "its key could not be looked up in time");
	verify_wake(v);
}

void
dkim_verifier_end(struct dkim_verifier *v, dkim_on_verified *cb, void *arg)
{
	struct timeval limit = clock_timeval(v->options.limit_ms);

	CHECK(!v->is_ended);
	if (!v->is_header_read)
		verify_read_header(v);
	v->is_ended = true;
	v->cb = cb;
	v->arg = arg;
	for (unsigned i = 0; i < v->body_count; i++)
		dkim_body_end(&v->bodies[i].hashing, v->bodies[i].hash);
	evtimer_add(v->limit, &limit);
	verify_wake(v);
}

struct str
dkim_verifier_header(const struct dkim_verifier *v)
{
	return v->header.is_too_large ? STR_NONE : buf_str(&v->header.text);
}

bool
dkim_verifier_header_is_too_large(const struct dkim_verifier *v)
{
	return v->header.is_too_large;
}

/* ---- Its life ---- */
struct dkim_verifier *
dkim_verifier_new(struct event_base *base, struct dns *dns, const struct dkim_verify_options *options)
{
	struct dkim_verifier *v = mem_new(struct dkim_verifier);

	v->dns = dns;
	v->options = *options;
	v->step = evtimer_new(base, verify_on_step, v);
	v->limit = evtimer_new(base, verify_on_limit, v);
	arena_init(&v->arena);
	return v;
}

void
dkim_verifier_free(struct dkim_verifier **verifier)
{
	struct dkim_verifier *v = *verifier;

	if (v == NULL)
		return;
	for (unsigned i = 0; i < v->count; i++)
		dkim_fetch_cancel(&v->works[i].key);
	for (unsigned i = 0; i < v->body_count; i++)
		dkim_body_fini(&v->bodies[i].hashing);
	event_free(v->step);
	event_free(v->limit);
	dkim_header_fini(&v->header);
	arena_fini(&v->arena);
	mem_free(v);
	*verifier = NULL;
}
