/* Milters are asked about a complete message, one after the other, each about what those before
 * it have made of it. The message is in the blob store by then, but in no spool. */
#include "frontend/submit/private.h"

#include "frontend/milter/session.h"
#include "lib/base/check.h"
#include "lib/base/mem.h"

struct submit_milters {
	struct submit *submit; /* borrowed */
	void (*on_end)(struct submit *s, enum submit_milters_end end);
	struct str *places; /* in the submission's arena */
	unsigned count, at;
	struct milter_message message;
	struct milter_session *session;		  /* owner; NULL: none */
	struct blob_read *read;			  /* owner; NULL: none */
	struct buf text;			  /* beginning of the message */
	const struct milter_recipient *recipient; /* the next one to be added or removed */
	bool misses_recipient;			  /* one that they wanted to add */
	bool is_resolving;			  /* the directory is asked about it */
};

static const struct settings_list *
milters_list(const struct submit *s)
{
	const struct submit_options *o = &s->options;
	const struct settings_smtp_in *settings = submit_settings(s);

	return o->account != NULL || o->is_submission || o->may_relay ? &settings->submission_milters
								      : &settings->milters;
}

bool
submit_milters_wanted(const struct submit *s)
{
	return milters_list(s)->count > 0;
}

void
submit_milters_free(struct submit_milters **milters)
{
	struct submit_milters *m = *milters;

	if (m == NULL)
		return;
	*milters = NULL;
	milter_session_free(&m->session);
	blob_read_cancel(&m->read);
	if (m->is_resolving)
		directory_cancel(m->submit->frontend->directory, m);
	milter_message_fini(&m->message);
	buf_fini(&m->text);
	mem_free(m);
}

/* ---- The outcome ---- */

static void
milters_end(struct submit_milters *m, enum submit_milters_end end)
{
	milter_session_free(&m->session);
	m->on_end(m->submit, end);
}

static void
milters_refuse(struct submit_milters *m, enum submit_result why, struct str objection)
{
	struct submit *s = m->submit;

	s->result = why;
	s->objection = arena_str(&s->op.arena, objection);
	metrics_add(why == SUBMIT_MILTER_TEMPFAIL ? M_MILTER_TEMPFAILED : M_MILTER_REJECTED, 1);
	milters_end(m, SUBMIT_MILTERS_REFUSED);
}

static void milters_ask_next(struct submit_milters *m);

/* A milter could not be asked. */
static void
milters_failed(struct submit_milters *m, struct str why)
{
	struct submit *s = m->submit;

	metrics_add(M_MILTER_FAILURES, 1);
	log_warning(&s->log, "milter failed", F_STR("milter", m->places[m->at]), F_STR("error", why));
	switch (submit_settings(s)->milter_default_action) {
	case MILTER_DEFAULT_ACCEPT:
		m->at++;
		milters_ask_next(m);
		break;
	case MILTER_DEFAULT_REJECT: milters_refuse(m, SUBMIT_MILTER_REJECT, STR_NONE); break;
	default: milters_refuse(m, SUBMIT_MILTER_TEMPFAIL, STR_NONE); break;
	}
}

static void
milters_store_failed(struct submit_milters *m, struct str why)
{
	log_warning(&m->submit->log, "message not read for milters", F_STR("error", why));
	m->submit->result = SUBMIT_UNAVAILABLE;
	milters_end(m, SUBMIT_MILTERS_REFUSED);
}

static void
milters_on_verdict(void *arg, enum milter_verdict verdict, struct str text)
{
	struct submit_milters *m = arg;

	if (verdict != MILTER_ACCEPT && verdict != MILTER_FAILED)
		log_info(&m->submit->log, "milter objects", F_STR("milter", m->places[m->at]),
			 F_I64("verdict", verdict), F_STR("reply", str_trim(text)));
	switch (verdict) {
	case MILTER_ACCEPT:
		m->at++;
		milters_ask_next(m);
		break;
	case MILTER_REJECT: milters_refuse(m, SUBMIT_MILTER_REJECT, STR_NONE); break;
	case MILTER_TEMPFAIL: milters_refuse(m, SUBMIT_MILTER_TEMPFAIL, STR_NONE); break;
	case MILTER_REPLY:
		milters_refuse(m, text.p[0] == '4' ? SUBMIT_MILTER_TEMPFAIL : SUBMIT_MILTER_REJECT, text);
		break;
	case MILTER_DISCARD:
		metrics_add(M_MILTER_DISCARDED, 1);
		milters_end(m, SUBMIT_MILTERS_DISCARD);
		break;
	case MILTER_FAILED: milters_failed(m, text); break;
	case MILTER_STORE_FAILED: milters_store_failed(m, text); break;
	}
}

/* ---- Recipients that they have added or removed ---- */

/* A milter may send mail anywhere: whoever runs it trusts it. */
static void
milters_add_recipient(struct submit_milters *m, const struct directory_result *result, const struct err *err)
{
	struct submit *s = m->submit;
	struct submit_recipient r = {.address = m->recipient->address};

	if (err == NULL && result->kind != DIR_UNKNOWN && result->kind != DIR_DISABLED) {
		r.local = result->kind != DIR_NOT_LOCAL;
		if (submit_has_room(s, &r)) {
			submit_add_late_recipient(s, &r);
			return;
		}
	}
	m->misses_recipient = true;
	log_warning(&s->log, "recipient of a milter not added", F_STR("to", r.address));
	if (err != NULL)
		s->result = SUBMIT_UNAVAILABLE;
}

static void milters_change_recipients(struct submit_milters *m);

static void
milters_on_resolved(void *arg, const struct directory_result *result, const struct err *err)
{
	struct submit_milters *m = arg;

	m->is_resolving = false;
	milters_add_recipient(m, result, err);
	m->recipient = m->recipient->next;
	milters_change_recipients(m);
}

static bool
milters_change_recipient(struct submit_milters *m)
{
	struct submit *s = m->submit;
	char canonical[DIRECTORY_ADDRESS_MAX];
	struct directory_result result;

	if (!m->recipient->is_added) {
		submit_remove_recipient(s, m->recipient->address);
		return true;
	}
	if (!directory_canonical_address(m->recipient->address, canonical)) {
		m->misses_recipient = true;
		log_warning(&s->log, "recipient of a milter not added", F_STR("to", m->recipient->address));
		return true;
	}
	m->is_resolving =
		!directory_resolve(s->frontend->directory, m->recipient->address, &result, milters_on_resolved, m);
	if (m->is_resolving)
		return false;
	milters_add_recipient(m, &result, NULL);
	return true;
}

static void
milters_change_recipients(struct submit_milters *m)
{
	struct submit *s = m->submit;

	for (; m->recipient != NULL && s->result == SUBMIT_OK; m->recipient = m->recipient->next)
		if (!milters_change_recipient(m))
			return;
	/* Without any recipient it would be gone: the client sends it again, and the operator is told why. */
	if (s->result == SUBMIT_OK && s->recipient_count == 0 && m->misses_recipient)
		s->result = SUBMIT_UNAVAILABLE;
	if (s->result != SUBMIT_OK)
		milters_end(m, SUBMIT_MILTERS_REFUSED);
	else
		milters_end(m, s->recipient_count > 0 ? SUBMIT_MILTERS_DONE : SUBMIT_MILTERS_DISCARD);
}

/* ---- Asking ---- */

static void
milters_fill(struct submit_milters *m, struct milter_asked *a)
{
	struct submit *s = m->submit;
	const struct submit_options *o = &s->options;
	const struct settings_smtp_in *settings = submit_settings(s);
	struct str *recipients = arena_array(&s->op.arena, struct str, s->recipient_count + 1);
	unsigned count = 0;

	for (const struct submit_entry *e = s->recipients; e != NULL; e = e->next)
		recipients[count++] = str_c(e->record.address);
	a->base = s->frontend->service->base;
	a->blobs = s->frontend->service->blobs;
	a->connect_timeout_ms = settings->milter_connect_timeout;
	a->command_timeout_ms = settings->milter_command_timeout;
	a->content_timeout_ms = settings->milter_content_timeout;
	a->hostname = s->frontend->service->hostname;
	a->id = s->id;
	a->client = o->peer;
	a->client_port = o->peer_port;
	a->helo = o->helo;
	a->account = o->account != NULL ? o->account : "";
	a->tls = o->tls;
	a->is_submission = o->is_submission;
	a->sender = m->message.is_sender_changed ? m->message.sender : o->reverse_path;
	a->recipients = recipients;
	a->recipient_count = count;
	a->blob = s->blob;
	a->message = &m->message;
}

static void
milters_ask_next(struct submit_milters *m)
{
	struct milter_asked asked = {0};

	milter_session_free(&m->session);
	if (m->at >= m->count) {
		m->recipient = m->message.recipients;
		milters_change_recipients(m);
		return;
	}
	milters_fill(m, &asked);
	if (!milter_url_parse(m->places[m->at], &asked.place)) {
		milters_failed(m, STR("its place is malformed"));
		return;
	}
	m->session = milter_session_begin(&asked, milters_on_verdict, m);
}

/* ---- The header, first of all ---- */

enum { MILTERS_READ_BYTES = 64 * 1024 };

static void milters_on_read(void *arg, const char *data, size_t len, const struct err *err);

static void
milters_read(struct submit_milters *m)
{
	m->read = blob_read(m->submit->frontend->service->blobs, &m->submit->blob, m->text.len, MILTERS_READ_BYTES,
			    milters_on_read, m);
}

static void
milters_on_read(void *arg, const char *data, size_t len, const struct err *err)
{
	struct submit_milters *m = arg;
	bool is_all;

	m->read = NULL;
	if (err != NULL) {
		milters_store_failed(m, str_c(err->text));
		return;
	}
	buf_add(&m->text, data, len);
	is_all = m->text.len >= m->submit->blob.length || len == 0;
	if (m->count == 0) { /* they were taken out of the settings meanwhile */
		milters_ask_next(m);
	} else if (milter_message_parse(&m->message, buf_str(&m->text), is_all, str_c(m->submit->id))) {
		buf_fini(&m->text);
		milters_ask_next(m);
	} else if (m->text.len > MILTER_HEADER_MAX || m->message.is_too_large) {
		/* The client alone is to blame, and must not get past the milters so. */
		milters_refuse(m, SUBMIT_MILTER_REJECT, STR("552 5.3.4 The header of the message is too large\r\n"));
	} else {
		milters_read(m);
	}
}

void
submit_milters_ask(struct submit *s, void (*on_end)(struct submit *s, enum submit_milters_end end))
{
	const struct settings_list *list = milters_list(s);
	struct submit_milters *m = mem_new(struct submit_milters);

	CHECK(s->milters == NULL);
	s->milters = m;
	m->submit = s;
	m->on_end = on_end;
	/* Settings may change meanwhile. */
	m->places = arena_array(&s->op.arena, struct str, list->count + 1);
	for (; m->count < list->count; m->count++)
		m->places[m->count] = arena_str(&s->op.arena, list->items[m->count]);
	milter_message_init(&m->message);
	m->message.stored_bytes = s->blob.length;
	m->message.has_results = s->options.verifies;
	milters_read(m);
}

const struct milter_message *
submit_milters_message(const struct submit_milters *m)
{
	return &m->message;
}
