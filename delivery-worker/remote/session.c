/* One target of a REMOTE job: a connection to it, and the message over it. */
#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/remote_private.h"
#include "lib/base/check.h"
#include "lib/service/metrics.h"

#define DELIVERED STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED
#define RELAYED	  STAGEPOST__RECIPIENT_RESULT__OUTCOME__RELAYED
#define DEFERRED  STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED
#define FAILED	  STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED

static void begin_message(struct remote_work *w);

static void
remote_name(const struct remote_work *w, char *out, size_t size)
{
	char ip[IP_TEXT_MAX];

	ip_text(&w->target.ip, ip);
	if (w->target.host[0] == '[')
		snprintf(out, size, "%s:%u", w->target.host, w->target.port);
	else
		snprintf(out, size, "%s [%s]:%u", w->target.host, ip, w->target.port);
}

void
session_drop(struct remote_work *w)
{
	if (w->header_read != NULL)
		blob_read_cancel(&w->header_read);
	smtp_client_free(&w->client);
}

/* ---- Results ---- */
static void
set_result(struct remote_work *w, uint32_t index, Stagepost__RecipientResult__Outcome outcome, const char *code,
	   struct str text)
{
	Stagepost__RecipientResult *r = job_result(w->job, index, outcome, code, text);
	char name[384];

	remote_name(w, name, sizeof(name));
	r->remote = arena_strdup(&w->job->arena, name);
	if (w->client != NULL)
		r->tls = arena_strdup(&w->job->arena, smtp_client_tls(w->client));
}

/* For all that have no result yet. */
static void
set_result_rest(struct remote_work *w, Stagepost__RecipientResult__Outcome outcome, const char *code, struct str text)
{
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		if (!job_has_result(w->job, w->job->msg->recipients[i]))
			set_result(w, w->job->msg->recipients[i], outcome, code, text);
	}
}

static void
take_answer(struct remote_work *w, const struct smtp_rcpt *rcpt, uint32_t index)
{
	const struct smtp_answer *a = &rcpt->answer;
	char code[ENHANCED_CODE_MAX];

	str_copy(str_c(a->enhanced), code, sizeof(code));
	switch (a->code / 100) {
	case 2: set_result(w, index, w->message.dsn_passed ? DELIVERED : RELAYED, code, a->text); break;
	case 5: set_result(w, index, FAILED, code, a->text); break;
	default:
		/* Also what no server should say here (a 3xx). */
		if (code[0] != '4')
			str_copy(STR("4.5.0"), code, sizeof(code));
		set_result(w, index, DEFERRED, code, a->text);
	}
}

/* "Too many recipients": those are sent at once in a further transaction
 * (RFC 5321, 4.5.3.1.10), provided that others were accepted. */
static bool
is_one_too_many(const struct smtp_rcpt *rcpt)
{
	return !rcpt->accepted && (rcpt->answer.code == 452 || rcpt->answer.code == 552) &&
	       strcmp(rcpt->answer.enhanced + 1, ".2.2") != 0;
}

static void
on_sent(void *arg)
{
	struct remote_work *w = arg;
	unsigned accepted = 0, again = 0;

	for (unsigned i = 0; i < w->message.count; i++)
		accepted += w->message.rcpts[i].accepted;
	for (unsigned i = 0; i < w->message.count; i++) {
		if (accepted > 0 && is_one_too_many(&w->message.rcpts[i]))
			again++;
		else
			take_answer(w, &w->message.rcpts[i], w->indexes[i]);
		if (w->message.rcpts[i].answer.code == 421)
			job_set_trouble(w->job, w->message.rcpts[i].answer.text);
	}
	if (again > 0 && smtp_client_is_ready(w->client)) {
		begin_message(w);
		return;
	}
	set_result_rest(w, DEFERRED, "4.5.3", STR("the server takes no more recipients for now"));
	pool_put(w->remote->pool, &w->key, &w->client);
	work_finish(w);
}

/* ---- The message ---- */
static bool
has_eight_bit(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if ((unsigned char)s.p[i] >= 0x80)
			return true;
	}
	return false;
}

static bool
addresses_need_utf8(const struct remote_work *w)
{
	if (has_eight_bit(w->message.reverse_path))
		return true;
	for (unsigned i = 0; i < w->message.count; i++) {
		if (has_eight_bit(w->message.rcpts[i].address))
			return true;
	}
	return false;
}

/* All recipients that have no result yet. */
static void
fill_rcpts(struct remote_work *w)
{
	struct smtp_message *m = &w->message;

	m->count = 0;
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		uint32_t index = w->job->msg->recipients[i];
		const Stagepost__Recipient *from = job_recipient(w->job, index);

		if (job_has_result(w->job, index))
			continue;
		w->indexes[m->count] = index;
		m->rcpts[m->count++] = (struct smtp_rcpt){
			.address = str_c(from->address),
			.orcpt = str_c(from->orcpt),
			.notify = from->notify,
		};
	}
}

/* What the server cannot take is refused without being sent. */
static bool
refused_by_caps(struct remote_work *w)
{
	const struct smtp_caps *caps = smtp_client_caps(w->client);
	const struct smtp_message *m = &w->message;

	if (caps->size && caps->max_size > 0 && m->body.length - m->offset + m->extra_header.len > caps->max_size)
		set_result_rest(w, FAILED, "5.3.4", STR("the message is larger than the server takes"));
	else if (m->smtputf8 && !caps->smtputf8)
		set_result_rest(w, FAILED, "5.6.7", STR("the message needs SMTPUTF8, which the server does not offer"));
	else if (m->eight_bit && !caps->eight_bit)
		set_result_rest(w, FAILED, "5.6.3", STR("the message has 8-bit data, which the server does not take"));
	else if (m->require_tls && (!caps->requiretls || !smtp_client_tls_is_verified(w->client)))
		set_result_rest(w, FAILED, "5.7.30", STR("the message requires TLS, which the server does not offer"));
	else
		return false;
	pool_put(w->remote->pool, &w->key, &w->client);
	work_finish(w);
	return true;
}

static void
send_message(struct remote_work *w)
{
	if (!refused_by_caps(w))
		smtp_client_send(w->client, &w->message, work_settings(w)->command_timeout);
}

/* SMTPUTF8 was asked for at submission, the addresses do without: does the
 * header need it? */
static void
on_header(void *arg, const char *data, size_t len, const struct err *err)
{
	struct remote_work *w = arg;
	const char *end;

	w->header_read = NULL;
	if (w->client == NULL || !smtp_client_is_ready(w->client))
		return; /* on_failed() is on its way */
	if (err == NULL && len > 0) {
		end = memmem(data, len, "\r\n\r\n", 4);
		w->message.smtputf8 = has_eight_bit(str_of(data, end != NULL ? (size_t)(end - data) : len));
	}
	send_message(w);
}

static void
begin_message(struct remote_work *w)
{
	const Stagepost__Envelope *env = w->job->msg->envelope;
	struct smtp_message *m = &w->message;

	fill_rcpts(w);
	m->smtputf8 = addresses_need_utf8(w);
	if (!m->smtputf8 && env->smtputf8 && env->eight_bit) {
		m->smtputf8 = true;
		if (!smtp_client_caps(w->client)->smtputf8) {
			w->header_read = blob_read(m->blobs, &m->body, m->offset, 64 * 1024, on_header, w);
			return;
		}
	}
	send_message(w);
}

/* ---- Failure ---- */
static void
note_trouble(struct remote_work *w, const struct smtp_failure *f)
{
	static const char *const codes[] = {
		[SMTP_AT_CONNECT] = "4.4.1", [SMTP_AT_TLS] = "4.7.5",  [SMTP_AT_GREETING] = "4.4.2",
		[SMTP_AT_MESSAGE] = "4.4.2", [SMTP_AT_BODY] = "4.3.0", [SMTP_IDLE] = "4.4.2",
	};

	str_copy(str_c(f->bad_source ? "4.3.5" : codes[f->stage]), w->trouble_code, sizeof(w->trouble_code));
	w->destination_ill = !f->bad_source && (f->stage < SMTP_AT_MESSAGE || f->answer.code == 421);
	remote_name(w, w->trouble_remote, sizeof(w->trouble_remote));
	if (f->answer.code >= 400 && f->answer.text.len > 0) {
		str_copy(f->answer.text, w->trouble, sizeof(w->trouble));
		str_copy(str_c(f->answer.enhanced), w->trouble_code, sizeof(w->trouble_code));
		/* Of the connection, not of the recipients: another may do better. */
		w->trouble_code[0] = '4';
	} else {
		str_copy(str_c(f->text), w->trouble, sizeof(w->trouble));
	}
	log_info(&w->job->log, "remote server failed", F_C("remote", w->trouble_remote), F_C("text", w->trouble),
		 F_C("ours", f->text));
}

/* The connection broke with the message on its way. True: the job is over. */
static bool
lost_with_message(struct remote_work *w, const struct smtp_failure *f)
{
	bool refused = f->answer.code >= 500 && f->stage == SMTP_AT_MESSAGE;

	/* What was refused by itself stays refused. */
	for (unsigned i = 0; i < w->message.count; i++) {
		struct smtp_rcpt *rcpt = &w->message.rcpts[i];

		if (rcpt->answer.code == 421)
			job_set_trouble(w->job, rcpt->answer.text);
		if (rcpt->answer.code >= 400)
			take_answer(w, rcpt, w->indexes[i]);
	}
	if (w->message.end_sent) {
		set_result_rest(
			w, DEFERRED, w->trouble_code,
			str_c(arena_printf(&w->job->arena, "%s (after the end of the data: it may have been delivered)",
					   w->trouble)));
		return true;
	}
	if (refused)
		set_result_rest(w, FAILED, f->answer.enhanced, f->answer.text);
	if (f->stage == SMTP_AT_BODY)
		set_result_rest(w, DEFERRED, "4.3.0", str_c(f->text));
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		if (!job_has_result(w->job, w->job->msg->recipients[i]))
			return false;
	}
	return true;
}

/* Once more to the same target, in another manner? */
static bool
may_try_again(struct remote_work *w, const struct smtp_failure *f)
{
	if (w->reused && f->at_first_reply && !w->message.end_sent) {
		/* An idle connection that the server had just closed. */
		w->fresh_only = true;
		return true;
	}
	if (w->reused && f->stage == SMTP_IDLE) {
		w->fresh_only = true;
		return true;
	}
	if (f->stage == SMTP_AT_CONNECT && w->key.source.family != 0 && !w->no_source &&
	    work_settings(w)->enable_primary_ip_on_failure) {
		w->no_source = true;
		return true;
	}
	if (f->stage == SMTP_AT_TLS && !w->plain_only && !w->message.require_tls) {
		w->plain_only = true;
		return true;
	}
	return false;
}

static void
on_failed(void *arg, const struct smtp_failure *f)
{
	struct remote_work *w = arg;
	bool sending = f->stage == SMTP_AT_MESSAGE || f->stage == SMTP_AT_BODY;
	bool again = may_try_again(w, f), over = false;

	note_trouble(w, f);
	if (f->stage == SMTP_AT_CONNECT && !again && !f->bad_source)
		pool_note_dead(w->remote->pool, &w->target);
	if (sending && !again)
		over = lost_with_message(w, f);
	session_drop(w);
	if (over)
		work_finish(w);
	else if (again)
		session_try(w);
	else
		work_next_target(w);
}

/* ---- Connecting ---- */
static void
on_ready(void *arg)
{
	begin_message(arg);
}

static const struct smtp_client_events session_events = {on_ready, on_sent, on_failed};

static struct ip
source_for(const struct remote_work *w)
{
	const struct settings_smtp_out *s = work_settings(w);
	const char *text = w->target.ip.family == 4 ? s->outbound_ipv4 : s->outbound_ipv6;
	struct ip ip = {.family = 0};

	if (w->no_source || *text == '\0' || !ip_parse(str_c(text), &ip) || ip.family != w->target.ip.family)
		ip.family = 0;
	return ip;
}

void
session_try(struct remote_work *w)
{
	const struct settings_smtp_out *s = work_settings(w);
	bool tls = (s->enable_tls || w->message.require_tls) && !w->plain_only;
	struct smtp_client_options options = {
		.base = w->job->worker->base,
		.target = w->target,
		.helo = w->job->worker->hostname,
		.tls = tls ? w->remote->tls : NULL,
		.command_timeout_ms = s->command_timeout,
	};

	CHECK(w->client == NULL);
	w->tries++;
	memset(&w->key, 0, sizeof(w->key));
	w->key.ip = w->target.ip;
	w->key.port = w->target.port;
	w->key.tls = tls;
	w->key.source = options.source = source_for(w);
	w->message.end_sent = false;
	w->reused = false;
	/* A verified name belongs to the host that was asked for. */
	if (!w->fresh_only && !w->message.require_tls)
		w->client = pool_take(w->remote->pool, &w->key);
	if (w->client != NULL) {
		w->reused = true;
		smtp_client_set_owner(w->client, &session_events, w);
		begin_message(w);
		return;
	}
	metrics_add(M_REMOTE_CONNECTIONS, 1);
	w->client = smtp_client_new(&options, &session_events, w);
}
