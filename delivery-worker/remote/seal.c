#include "delivery-worker/remote/seal.h"

#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/mailauth/arc_seal.h"
#include "lib/mailauth/auth_results.h"
#include "lib/mime/header.h"
#include "lib/smtp/data.h"

#define PIECE_BYTES   (128 * 1024)
#define TIME_LIMIT_MS 30000 /* a server waits for MAIL meanwhile; then the message goes unsealed */

struct seal {
	struct job *job; /* borrowed, like the next three; not used once it is dropped */
	const struct smtp_message *m;
	struct str above, domain;
	enum arc_result chain; /* as it was at receipt */
	seal_on_end *cb;
	void *arg;

	struct event *timer;	    /* owner: the time limit; brought forward, the end */
	struct blob_read *read;	    /* in progress */
	struct dkim_stream *stream; /* owner, until it is signed */
	struct dkim_key_set *keys;  /* owner of a reference */
	struct smtp_data_writer writer;
	struct buf plain;   /* a piece as it will be sent */
	struct buf results; /* ours: the payload of Authentication-Results */
	struct buf fields;  /* the set */
	uint64_t read_at;   /* in the blob */
	bool is_asking;	    /* for keys or signatures: that callback comes in any case */
	bool is_over;
	bool is_dropped;
};

/* ---- The end ---- */
static void
seal_free(struct seal *s)
{
	event_free(s->timer);
	dkim_stream_free(&s->stream);
	dkim_key_set_unref(&s->keys);
	buf_fini(&s->plain);
	buf_fini(&s->results);
	buf_fini(&s->fields);
	mem_free(s);
}

void
seal_drop(struct seal **seal)
{
	struct seal *s = *seal;

	*seal = NULL;
	if (s == NULL)
		return;
	if (s->read != NULL)
		blob_read_cancel(&s->read);
	evtimer_del(s->timer);
	s->is_dropped = true;
	if (!s->is_asking)
		seal_free(s);
}

static void
seal_end(struct seal *s)
{
	s->is_over = true;
	event_active(s->timer, EV_TIMEOUT, 0);
}

static void
seal_fail(struct seal *s, const struct err *err)
{
	log_info(&s->job->log, "message goes unsealed", F_STR("domain", s->domain), F_ERR(err));
	seal_end(s);
}

static void
seal_on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct seal *s = arg;

	(void)fd;
	(void)what;
	if (!s->is_over)
		log_warning(&s->job->log, "message goes unsealed: sealing takes too long", F_STR("domain", s->domain));
	s->cb(s->arg, buf_str(&s->fields));
}

/* ---- Signing ---- */
static void
seal_on_sealed(void *arg, struct str fields, const struct err *err)
{
	struct seal *s = arg;

	s->is_asking = false;
	if (s->is_dropped) {
		seal_free(s);
	} else if (err != NULL) {
		seal_fail(s, err);
	} else {
		buf_add_str(&s->fields, fields);
		seal_end(s);
	}
}

static void
seal_sign(struct seal *s)
{
	struct arc_seal_request request = {
		.stream = &s->stream,
		.domain = s->domain,
		.keys = s->keys,
		.chain = s->chain,
		.results = buf_str(&s->results),
	};

	CRASHPOINT("sealing");
	s->is_asking = true;
	arc_seal_message(s->job->worker->dkim_signer, &request, seal_on_sealed, s);
}

/* ---- Reading ---- */
/* The first field with results must be our own: the frontend puts it above all that came in. */
static bool
seal_take_results(struct seal *s, struct str top)
{
	const char *id = s->job->msg->envelope->authserv_id;
	struct mime_field field;

	/* Of mail that was taken in by an older version it is not known. */
	if (*id == '\0')
		id = settings_authserv_id(settings_current(s->job->worker->settings), s->job->worker->hostname);

	while (mime_next_field(&top, &field)) {
		if (!str_eq_ci(field.name, STR("Authentication-Results")))
			continue;
		if (auth_results_is_of(field.value, str_c(id)))
			buf_add_str(&s->results, str_trim(field.value));
		break;
	}
	return s->results.len > 0;
}

/* Exactly what will be sent (body.c). */
static void
seal_feed(struct seal *s)
{
	dkim_stream_feed(s->stream, buf_str(&s->plain));
	buf_clear(&s->plain);
}

static void seal_read_more(struct seal *s);

static void
seal_on_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	static const struct err cut = {ERR_CORRUPT, "the message is incomplete"};
	static const struct err no_results = {ERR_INVALID, "its topmost Authentication-Results field is not ours"};
	struct seal *s = arg;
	uint64_t left = s->m->body.length - s->read_at;

	s->read = NULL;
	if (err != NULL || len == 0) {
		seal_fail(s, err != NULL ? err : &cut);
		return;
	}
	if (len > left)
		len = (size_t)left;
	if (s->read_at == s->m->offset && !seal_take_results(s, str_of(data, len))) {
		seal_fail(s, &no_results);
		return;
	}
	smtp_data_write(&s->writer, str_of(data, len), &s->plain);
	seal_feed(s);
	s->read_at += len;
	seal_read_more(s);
}

static void
seal_read_more(struct seal *s)
{
	if (s->read_at < s->m->body.length) {
		s->read = blob_read(s->m->blobs, &s->m->body, s->read_at, PIECE_BYTES, seal_on_piece, s);
		return;
	}
	smtp_data_write_end(&s->writer, &s->plain);
	seal_feed(s);
	seal_sign(s);
}

static void
seal_on_keys(void *arg, struct dkim_key_set *set, const struct err *err)
{
	struct seal *s = arg;

	s->is_asking = false;
	if (s->is_dropped) {
		seal_free(s);
	} else if (err != NULL) {
		seal_fail(s, err);
	} else if (set->count == 0) {
		seal_end(s);
	} else {
		s->keys = dkim_key_set_ref(set);
		s->stream = dkim_stream_new();
		smtp_data_writer_init(&s->writer, false);
		smtp_data_write(&s->writer, s->above, &s->plain);
		s->read_at = s->m->offset;
		seal_read_more(s);
	}
}

/* ---- Is it to be sealed? ---- */
/* The domain whose aliases all recipients of the job come from; empty: there is none. */
static struct str
seal_domain_of(const struct job *job)
{
	struct str domain = STR_NONE;

	for (size_t i = 0; i < job->msg->n_recipients; i++) {
		struct str original = str_c(job_recipient(job, job->msg->recipients[i])->original);
		struct str of = directory_domain_of(original);

		if (of.len == 0 || (i > 0 && !str_eq(of, domain)))
			return STR_NONE;
		domain = of;
	}
	return domain;
}

/* From the results in the envelope: "spf=pass dkim=none dmarc=fail arc=none". */
static bool
seal_read_chain(struct str rest, enum arc_result *chain_out)
{
	struct str word, method, result;

	while (str_next_word(&rest, " ", &word)) {
		if (!str_cut(word, '=', &method, &result) || !str_eq(method, STR("arc")))
			continue;
		for (int i = 0; i < ARC_RESULTS; i++) {
			*chain_out = (enum arc_result)i;
			if (str_eq(result, str_c(arc_result_name(*chain_out))))
				return true;
		}
	}
	return false;
}

struct seal *
seal_begin(struct job *job, const struct smtp_message *m, struct str above, seal_on_end *cb, void *arg)
{
	struct str domain = seal_domain_of(job);
	enum arc_result chain;
	struct seal *s;

	if (domain.len == 0 || !seal_read_chain(str_c(job->msg->envelope->mail_auth), &chain) ||
	    !settings_mail_auth(settings_current(job->worker->settings), domain)->arc_seal ||
	    dkim_keys_has_none(job->worker->dkim_keys, domain))
		return NULL;
	s = mem_new(struct seal);
	s->job = job;
	s->m = m;
	s->above = above;
	s->domain = domain;
	s->chain = chain;
	s->cb = cb;
	s->arg = arg;
	s->timer = evtimer_new(job->worker->base, seal_on_timer, s);
	evtimer_add(s->timer, &(struct timeval){.tv_sec = TIME_LIMIT_MS / 1000});
	s->is_asking = true;
	dkim_keys_get(job->worker->dkim_keys, domain, seal_on_keys, s);
	return s;
}
