/* The message of a REMOTE job over a connection that is ready: what the server
 * can take is looked at before anything is sent, and what it says becomes the
 * recipients' results. */
#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/remote_private.h"
#include "lib/base/check.h"

#define DELIVERED STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED
#define RELAYED	  STAGEPOST__RECIPIENT_RESULT__OUTCOME__RELAYED
#define DEFERRED  STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED
#define FAILED	  STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED

#define HEADER_LOOK_BYTES (64 * 1024)
#define SCAN_PIECE_BYTES  (128 * 1024)

/* ---- Results ---- */
static void
set_result(struct remote_work *w, uint32_t index, Stagepost__RecipientResult__Outcome outcome, const char *code,
	   struct str text)
{
	Stagepost__RecipientResult *r = job_result(w->job, index, outcome, code, text);
	char name[384];

	session_name(w, name, sizeof(name));
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
		if (put_off_note(w, index, a))
			break;
		if (code[0] != '4')
			str_copy(STR("4.5.0"), code, sizeof(code));
		set_result(w, index, DEFERRED, code, a->text);
		if (a->code == 421)
			job_set_trouble(w->job, a->text);
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

/* All have their results: the connection may serve others. */
static void
end(struct remote_work *w)
{
	pool_put(w->remote->pool, &w->key, &w->client);
	work_finish(w);
}

/* Whoever has no result yet goes to the next server. */
static void
go_on(struct remote_work *w)
{
	char remote[384];

	session_name(w, remote, sizeof(remote));
	work_note_trouble(w, "4.5.3", "the server takes no more recipients for now", remote, false);
	pool_put(w->remote->pool, &w->key, &w->client);
	w->visits++;
	work_next_host(w);
}

static bool
all_have_results(const struct remote_work *w)
{
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		if (!job_has_result(w->job, w->job->msg->recipients[i]))
			return false;
	}
	return true;
}

void
message_on_sent(void *arg)
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
	}
	if (again > 0 && smtp_client_is_ready(w->client))
		message_begin(w);
	else if (all_have_results(w))
		end(w);
	else
		go_on(w);
}

bool
message_on_lost(struct remote_work *w, const struct smtp_failure *f)
{
	bool refused = f->answer.code >= 500 && f->stage == SMTP_AT_MESSAGE;

	/* What was refused by itself stays refused. */
	for (unsigned i = 0; i < w->message.count; i++) {
		struct smtp_rcpt *rcpt = &w->message.rcpts[i];

		if (rcpt->answer.code >= 400)
			take_answer(w, rcpt, w->indexes[i]);
	}
	if (w->message.end_sent || refused || f->stage == SMTP_AT_BODY)
		put_off_settle(w, true);
	if (w->message.end_sent) {
		set_result_rest(
			w, DEFERRED, w->trouble_code,
			str_c(arena_printf(&w->job->arena, "%s (after the end of the data: it may have been delivered)",
					   w->trouble)));
		return true;
	}
	if (refused)
		set_result_rest(w, FAILED, f->answer.enhanced, f->answer.text);
	if (f->stage == SMTP_AT_BODY) {
		struct err err;

		err_set(&err, ERR_IO, "%s", f->text);
		job_postpone_unread(w->job, &err);
	}
	for (unsigned i = 0; i < w->message.count; i++) {
		if (put_off_is_here(w, w->indexes[i])) {
			w->visits++;
			break;
		}
	}
	return all_have_results(w);
}

/* ---- Before it is sent ---- */
/* No server will take it as it is. */
static void
refuse(struct remote_work *w, const char *code, const char *text)
{
	set_result_rest(w, FAILED, code, str_c(text));
	end(w);
}

/* The store does not give it out. err NULL: not all of it. */
static void
put_off_unread(struct remote_work *w, const struct err *err)
{
	static const struct err cut = {ERR_CORRUPT, "the message is cut short"};

	job_postpone_unread(w->job, err != NULL ? err : &cut);
	end(w);
}

/* This server is not one that it may be given to: perhaps the next one is. */
static void
pass_over(struct remote_work *w, const char *code, const char *text)
{
	char remote[384];

	session_name(w, remote, sizeof(remote));
	work_note_trouble(w, code, text, remote, false);
	pool_put(w->remote->pool, &w->key, &w->client);
	work_next_target(w);
}

static bool
addresses_need_utf8(const struct remote_work *w)
{
	if (str_has_eight_bit(w->message.reverse_path))
		return true;
	for (unsigned i = 0; i < w->message.count; i++) {
		if (str_has_eight_bit(w->message.rcpts[i].address))
			return true;
	}
	return false;
}

static void convert(struct remote_work *w);

/* What the server cannot take is not sent. */
static void
send_message(struct remote_work *w)
{
	const struct smtp_caps *caps = smtp_client_caps(w->client);
	struct smtp_message *m = &w->message;

	m->downgrade = m->eight_bit && !caps->eight_bit ? w->downgrade : NULL;
	/* What is encoded anew is no longer what was signed. */
	m->extra_header = m->downgrade != NULL ? w->authenticated_field : w->fields;
	if (m->require_tls && smtp_client_tls_result(w->client) != TLS_RESULT_OK)
		pass_over(w, "5.7.10", "the message requires TLS with a certificate that can be verified");
	else if (m->require_tls && !caps->requiretls)
		pass_over(w, "5.7.30",
			  "the message requires TLS all the way, which the server does not offer (REQUIRETLS)");
	else if (caps->size && caps->max_size > 0 && m->body.length - m->offset + m->extra_header.len > caps->max_size)
		refuse(w, "5.3.4", "the message is larger than the server takes");
	else if (m->smtputf8 && !caps->smtputf8)
		refuse(w, "5.6.7", "the message needs SMTPUTF8, which the server does not offer");
	else if (m->eight_bit && !caps->eight_bit && !w->is_scanned)
		convert(w);
	else
		smtp_client_send(w->client, m, work_settings(w)->command_timeout);
}

/* ---- 8-bit data for a server that takes none ---- */
static void scan_on(struct remote_work *w);

static void
on_scan_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct remote_work *w = arg;

	w->read = NULL;
	if (err != NULL || len == 0) {
		put_off_unread(w, err);
		return;
	}
	downgrade_scan(w->downgrade, str_of(data, len));
	w->scan_at += len;
	scan_on(w);
}

static void
scan_on(struct remote_work *w)
{
	struct smtp_message *m = &w->message;
	struct err err;

	if (w->scan_at < m->body.length) {
		w->read = blob_read(m->blobs, &m->body, w->scan_at, SCAN_PIECE_BYTES, on_scan_piece, w);
		return;
	}
	if (downgrade_scan_end(w->downgrade, &err) != 0) {
		refuse(w, "5.6.3", err.text);
		return;
	}
	w->is_scanned = true;
	/* 8BITMIME was asked for, and then nothing needed it. */
	m->eight_bit = downgrade_is_needed(w->downgrade);
	send_message(w);
}

/* Looks through the whole message first: only then is it known what can be
 * done. A scan that a lost connection interrupted goes on. */
static void
convert(struct remote_work *w)
{
	if (w->downgrade == NULL) {
		w->downgrade = downgrade_new();
		w->scan_at = w->message.offset;
	}
	scan_on(w);
}

/* ---- All in order ---- */
/* All recipients that have no result yet. */
static void
fill_rcpts(struct remote_work *w)
{
	struct smtp_message *m = &w->message;

	m->count = 0;
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		uint32_t index = w->job->msg->recipients[i];
		const Stagepost__Recipient *from = job_recipient(w->job, index);

		if (job_has_result(w->job, index) || put_off_is_here(w, index))
			continue;
		w->indexes[m->count] = index;
		m->rcpts[m->count++] = (struct smtp_rcpt){
			.address = str_c(from->address),
			.orcpt = str_c(from->orcpt),
			.notify = from->notify,
		};
	}
}

/* SMTPUTF8 was asked for at submission, the addresses do without: does the
 * header need it? */
static void
on_header(void *arg, const char *data, size_t len, const struct err *err)
{
	struct remote_work *w = arg;
	const char *end_of_header;

	w->read = NULL;
	if (err != NULL || len == 0) {
		put_off_unread(w, err);
		return;
	}
	end_of_header = memmem(data, len, "\r\n\r\n", 4);
	w->message.smtputf8 =
		str_has_eight_bit(str_of(data, end_of_header != NULL ? (size_t)(end_of_header - data) : len));
	send_message(w);
}

void
message_begin(struct remote_work *w)
{
	const Stagepost__Envelope *env = w->job->msg->envelope;
	struct smtp_message *m = &w->message;

	fill_rcpts(w);
	m->smtputf8 = addresses_need_utf8(w);
	if (!m->smtputf8 && env->smtputf8 && env->eight_bit) {
		m->smtputf8 = true;
		if (!smtp_client_caps(w->client)->smtputf8) {
			w->read = blob_read(m->blobs, &m->body, m->offset, HEADER_LOOK_BYTES, on_header, w);
			return;
		}
	}
	send_message(w);
}

void
message_fill(struct remote_work *w)
{
	const Stagepost__Envelope *env = w->job->msg->envelope;
	struct smtp_message *m = &w->message;

	m->arena = &w->job->arena;
	m->reverse_path = str_c(env->reverse_path);
	m->rcpts = arena_array(m->arena, struct smtp_rcpt, w->job->msg->n_recipients);
	w->indexes = arena_array(m->arena, uint32_t, w->job->msg->n_recipients);
	m->blobs = w->job->worker->blobs;
	m->body = (struct blob_id){env->body->pack, env->body->offset, env->body->length};
	m->offset = env->return_path_length < env->body->length ? env->return_path_length : env->body->length;
	m->eight_bit = env->eight_bit;
	m->require_tls = env->require_tls;
	m->priority = env->priority;
	m->ret = str_c(env->dsn_ret);
	m->envid = str_c(env->dsn_envid);
	if (work_settings(w)->append_authenticated_header && *env->authenticated_as != '\0')
		w->authenticated_field =
			str_c(arena_printf(m->arena, "x-smartermail-authenticatedas: %s\r\n",
					   job_clean_text(m->arena, str_c(env->authenticated_as), 330).p));
	w->fields = str_c(arena_printf(m->arena, "%.*s%s", STR_ARG(w->authenticated_field), env->dkim));
}
