#include "lib/mailauth/arc.h"

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/dkim/fetch.h"

/* A signature to judge: the newest message signature, then the seals from the newest to the oldest. */
struct work {
	unsigned seal; /* its instance; 0: the message signature */
	struct dkim_fetch key;
};

struct arc_verifier {
	struct dns *dns;     /* borrowed */
	struct event *step;  /* owner: judges the next signature */
	struct event *limit; /* owner */
	int64_t limit_ms;
	struct arena arena;
	struct dkim_header header;
	struct dkim_fields fields;
	struct arc_chain chain;
	bool is_header_read, is_ended;
	bool has_body; /* the message signature's body is hashed */
	struct dkim_body body;
	unsigned char body_hash[DKIM_DIGEST_BYTES]; /* at the end */
	struct work works[ARC_INSTANCES_MAX + 1];
	unsigned count, at;
	struct arc_verdict verdict;
	bool is_settled;
	arc_on_verified *cb;
	void *arg;
};

/* By a timer: an event that is activated has its turn before any other. */
static void
arc_wake(struct arc_verifier *v)
{
	struct timeval now = {0, 0};

	evtimer_add(v->step, &now);
}

static void
arc_settle(struct arc_verifier *v, enum arc_result result, const char *reason)
{
	v->verdict = (struct arc_verdict){result, reason, v->chain.sets, v->chain.count};
	v->is_settled = true;
	for (unsigned i = 0; i < v->count; i++)
		dkim_fetch_cancel(&v->works[i].key);
}

/* ---- The header ---- */
static void
arc_on_key(void *arg)
{
	struct arc_verifier *v = arg;

	if (v->is_ended)
		arc_wake(v);
}

static void
arc_add(struct arc_verifier *v, unsigned seal, struct str selector, struct str domain)
{
	struct work *w = &v->works[v->count++];

	w->seal = seal;
	dkim_fetch_start(&w->key, v->dns, &v->arena, selector, domain, arc_on_key, v);
}

static void
arc_read_header(struct arc_verifier *v)
{
	const struct dkim_signature *message;
	const char *problem;

	v->is_header_read = true;
	if (v->header.is_too_large || !dkim_header_split(buf_str(&v->header.text), &v->arena, &v->fields)) {
		arc_settle(v, ARC_FAIL, "the header is too large");
		return;
	}
	problem = arc_chain_read(&v->fields, clock_unix_ms() / 1000, &v->arena, &v->chain);
	if (problem != NULL || v->chain.count == 0) {
		arc_settle(v, problem != NULL ? ARC_FAIL : ARC_NONE, problem);
		return;
	}
	message = &v->chain.sets[v->chain.count - 1].message;
	if (message->is_expired) {
		arc_settle(v, ARC_FAIL, "the message signature has expired");
		return;
	}
	dkim_body_init_as(&v->body, message->body_canon, message->length);
	v->has_body = true;
	arc_add(v, 0, message->selector, message->domain);
	for (unsigned i = v->chain.count; i > 0; i--)
		arc_add(v, i, v->chain.sets[i - 1].seal.selector, v->chain.sets[i - 1].seal.domain);
}

void
arc_verifier_feed(struct arc_verifier *v, struct str piece)
{
	CHECK(!v->is_ended);
	piece = dkim_header_feed(&v->header, piece);
	if (!v->is_header_read && (v->header.is_over || v->header.is_too_large))
		arc_read_header(v);
	if (piece.len > 0 && v->has_body)
		dkim_body_feed(&v->body, piece);
}

/* ---- The verdict ---- */
static const char *
arc_judge_message(struct arc_verifier *v, const struct dkim_record *record)
{
	const struct dkim_signature *s = &v->chain.sets[v->chain.count - 1].message;
	unsigned char digest[DKIM_DIGEST_BYTES];

	/* A part of the body is not enough: what was added would get the sealer's word for it. */
	if ((s->length != DKIM_WHOLE_BODY && s->length != v->body.total) ||
	    !dkim_signature_has_hash(s->body_hash, v->body_hash))
		return "the body was changed";
	dkim_signature_digest(s, &v->fields, digest);
	return dkim_record_verify(record, s->signature, digest) ? NULL : "the message signature does not match";
}

static const char *
arc_judge_seal(struct arc_verifier *v, unsigned instance, const struct dkim_record *record)
{
	unsigned char digest[DKIM_DIGEST_BYTES];

	arc_seal_digest(&v->chain, instance, digest);
	return dkim_record_verify(record, v->chain.sets[instance - 1].seal.signature, digest) ? NULL
											      : "a seal does not match";
}

static void
arc_judge(struct arc_verifier *v, struct work *w)
{
	const struct arc_set *set = &v->chain.sets[w->seal > 0 ? w->seal - 1 : v->chain.count - 1];
	enum dkim_algorithm algorithm = w->seal > 0 ? set->seal.algorithm : set->message.algorithm;
	struct dkim_record record;
	enum dkim_result result;
	const char *problem = dkim_fetch_key(&w->key, algorithm, &record, &result);

	if (problem != NULL) {
		arc_settle(v, result == DKIM_RESULT_TEMPERROR ? ARC_TEMPERROR : ARC_FAIL, problem);
		return;
	}
	problem = w->seal > 0 ? arc_judge_seal(v, w->seal, &record) : arc_judge_message(v, &record);
	dkim_record_fini(&record);
	if (problem != NULL)
		arc_settle(v, ARC_FAIL, problem);
	else if (++v->at == v->count)
		arc_settle(v, ARC_PASS, NULL);
}

static void
arc_on_step(evutil_socket_t fd, short what, void *arg)
{
	struct arc_verifier *v = arg;

	(void)fd;
	(void)what;
	if (!v->is_settled && dkim_fetch_is_waiting(&v->works[v->at].key))
		return;
	if (!v->is_settled) {
		arc_judge(v, &v->works[v->at]);
		arc_wake(v);
		return;
	}
	if (v->cb == NULL)
		return;
	arc_on_verified *cb = v->cb;
	v->cb = NULL;
	evtimer_del(v->limit);
	cb(v->arg, &v->verdict);
}

static void
arc_on_limit(evutil_socket_t fd, short what, void *arg)
{
	struct arc_verifier *v = arg;

	(void)fd;
	(void)what;
	if (!v->is_settled)
		arc_settle(v, ARC_TEMPERROR, "a key could not be looked up in time");
	arc_wake(v);
}

void
arc_verifier_end(struct arc_verifier *v, arc_on_verified *cb, void *arg)
{
	struct timeval limit = clock_timeval(v->limit_ms);

	CHECK(!v->is_ended);
	if (!v->is_header_read)
		arc_read_header(v);
	v->is_ended = true;
	v->cb = cb;
	v->arg = arg;
	if (v->has_body)
		dkim_body_end(&v->body, v->body_hash);
	evtimer_add(v->limit, &limit);
	arc_wake(v);
}

/* ---- Its life ---- */
struct arc_verifier *
arc_verifier_new(struct event_base *base, struct dns *dns, int64_t limit_ms)
{
	struct arc_verifier *v = mem_new(struct arc_verifier);

	v->dns = dns;
	v->limit_ms = limit_ms;
	v->step = evtimer_new(base, arc_on_step, v);
	v->limit = evtimer_new(base, arc_on_limit, v);
	arena_init(&v->arena);
	return v;
}

void
arc_verifier_free(struct arc_verifier **verifier)
{
	struct arc_verifier *v = *verifier;

	if (v == NULL)
		return;
	for (unsigned i = 0; i < v->count; i++)
		dkim_fetch_cancel(&v->works[i].key);
	if (v->has_body)
		dkim_body_fini(&v->body);
	event_free(v->step);
	event_free(v->limit);
	dkim_header_fini(&v->header);
	arena_fini(&v->arena);
	mem_free(v);
	*verifier = NULL;
}
