/* Sends the message of a REMOTE job over a ready connection: checks what the
 * server can accept before anything is sent, and turns its replies into the
 * recipients' results. */
#include "delivery-worker/remote/message.h"

#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/seal.h"
#include "delivery-worker/remote/work.h"
#include "lib/base/check.h"
#include "lib/base/utf8.h"
#include "lib/service/metrics.h"

#define DELIVERED STAGEPOST__RECIPIENT_RESULT__OUTCOME__DELIVERED
#define RELAYED	  STAGEPOST__RECIPIENT_RESULT__OUTCOME__RELAYED
#define DEFERRED  STAGEPOST__RECIPIENT_RESULT__OUTCOME__DEFERRED
#define FAILED	  STAGEPOST__RECIPIENT_RESULT__OUTCOME__FAILED

#define HEADER_LOOK_BYTES (64 * 1024)
#define SCAN_PIECE_BYTES  (128 * 1024)

/* ---- Results ---- */
static void
message_set_result(struct remote_work *w, uint32_t index, Stagepost__RecipientResult__Outcome outcome, const char *code,
		   struct str text)
{
	Stagepost__RecipientResult *r = job_result(w->job, index, outcome, code, text);
	char name[SERVER_NAME_MAX];

	work_server_name(w, name);
	r->remote = arena_strdup(&w->job->arena, name);
	if (w->client != NULL)
		r->tls = arena_strdup(&w->job->arena, smtp_client_tls(w->client));
}

/* For all recipients that have no result yet. */
static void
message_set_result_rest(struct remote_work *w, Stagepost__RecipientResult__Outcome outcome, const char *code,
			struct str text)
{
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		if (!job_has_result(w->job, w->job->msg->recipients[i]))
			message_set_result(w, w->job->msg->recipients[i], outcome, code, text);
	}
}

static void
message_take_answer(struct remote_work *w, const struct smtp_rcpt *rcpt, uint32_t index)
{
	const struct smtp_answer *a = &rcpt->answer;
	char code[ENHANCED_CODE_MAX];

	str_copy(str_c(a->enhanced), code, sizeof(code));
	switch (a->code / 100) {
	case 2: message_set_result(w, index, w->message.smtp.dsn_passed ? DELIVERED : RELAYED, code, a->text); break;
	case 5: message_set_result(w, index, FAILED, code, a->text); break;
	default:
		/* Also replies that no server should send here (a 3xx). */
		if (put_off_note(w, index, a))
			break;
		if (code[0] != '4')
			str_copy(STR("4.5.0"), code, sizeof(code));
		message_set_result(w, index, DEFERRED, code, a->text);
		if (a->code == 421)
			job_set_trouble(w->job, a->text);
	}
}

/* "Too many recipients": these are sent at once in another transaction (RFC
 * 5321, 4.5.3.1.10), provided that others were accepted. */
static bool
message_is_one_too_many(const struct smtp_rcpt *rcpt)
{
	return !rcpt->accepted && (rcpt->answer.code == 452 || rcpt->answer.code == 552) &&
	       strcmp(rcpt->answer.enhanced + 1, ".2.2") != 0;
}

/* Recipients without a result go to the next server. */
static void
message_go_on(struct remote_work *w)
{
	char remote[SERVER_NAME_MAX];

	work_server_name(w, remote);
	work_note_trouble(w, "4.5.3", "the server accepts no more recipients now", remote, false);
	put_off_leave(w);
	w->message.on_end(w, AFTER_NEXT_HOST);
}

static bool
message_all_have_results(const struct remote_work *w)
{
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		if (!job_has_result(w->job, w->job->msg->recipients[i]))
			return false;
	}
	return true;
}

void
message_sent(struct remote_work *w)
{
	unsigned accepted = 0, again = 0;

	for (unsigned i = 0; i < w->message.smtp.count; i++)
		accepted += w->message.smtp.rcpts[i].accepted;
	for (unsigned i = 0; i < w->message.smtp.count; i++) {
		if (accepted > 0 && message_is_one_too_many(&w->message.smtp.rcpts[i]))
			again++;
		else
			message_take_answer(w, &w->message.smtp.rcpts[i], w->message.indexes[i]);
	}
	if (again > 0 && smtp_client_is_ready(w->client))
		message_begin(w);
	else if (message_all_have_results(w))
		w->message.on_end(w, AFTER_END);
	else
		message_go_on(w);
}

bool
message_lost(struct remote_work *w, const struct smtp_failure *f)
{
	bool refused = f->answer.code >= 500 && f->stage == SMTP_AT_MESSAGE;

	/* A recipient that was refused individually stays refused. */
	for (unsigned i = 0; i < w->message.smtp.count; i++) {
		struct smtp_rcpt *rcpt = &w->message.smtp.rcpts[i];

		if (rcpt->answer.code >= 400)
			message_take_answer(w, rcpt, w->message.indexes[i]);
	}
	if (w->message.smtp.end_sent || refused || f->stage == SMTP_AT_BODY)
		put_off_settle(w, true);
	if (w->message.smtp.end_sent) {
		message_set_result_rest(
			w, DEFERRED, w->trouble.code,
			str_c(arena_printf(&w->job->arena, "%s (after the end of the data: it may have been delivered)",
					   w->trouble.text)));
		return true;
	}
	if (refused)
		message_set_result_rest(w, FAILED, f->answer.enhanced, f->answer.text);
	if (f->stage == SMTP_AT_BODY) {
		struct err err;

		err_set(&err, ERR_IO, "%s", f->text);
		job_postpone_unread(w->job, &err);
	}
	for (unsigned i = 0; i < w->message.smtp.count; i++) {
		if (put_off_is_here(w, w->message.indexes[i])) {
			put_off_leave(w);
			break;
		}
	}
	return message_all_have_results(w);
}

/* ---- Before it is sent ---- */
/* No server will accept it as it is. */
static void
message_refuse(struct remote_work *w, const char *code, const char *text)
{
	message_set_result_rest(w, FAILED, code, str_c(text));
	w->message.on_end(w, AFTER_END);
}

/* The store does not return it. err NULL: not all of it. */
static void
message_postpone_unread(struct remote_work *w, const struct err *err)
{
	static const struct err cut = {ERR_CORRUPT, "the message is incomplete"};

	job_postpone_unread(w->job, err != NULL ? err : &cut);
	w->message.on_end(w, AFTER_END);
}

/* The message must not be sent to this server; perhaps it may to the next one. */
static void
message_pass_over(struct remote_work *w, const char *code, const char *text)
{
	char remote[SERVER_NAME_MAX];

	work_server_name(w, remote);
	work_note_trouble(w, code, text, remote, false);
	w->message.on_end(w, AFTER_NEXT_TARGET);
}

static bool
message_needs_utf8(const struct remote_work *w)
{
	if (str_has_eight_bit(w->message.smtp.reverse_path))
		return true;
	for (unsigned i = 0; i < w->message.smtp.count; i++) {
		if (str_has_eight_bit(w->message.smtp.rcpts[i].address))
			return true;
	}
	return false;
}

static void message_convert(struct remote_work *w);
static void message_send(struct remote_work *w);

/* ---- The seal ---- */
static void
message_on_sealed(void *arg, struct str set)
{
	struct remote_work *w = arg;

	if (set.len > 0) {
		metrics_add(M_ARC_SEALED, 1);
		w->message.sealed_fields =
			str_c(arena_printf(&w->job->arena, "%.*s%.*s", STR_ARG(set), STR_ARG(w->message.fields)));
	}
	seal_drop(&w->message.seal);
	w->message.seal_is_known = true;
	if (w->message.waits_for_seal) {
		w->message.waits_for_seal = false;
		message_send(w);
	}
}

/* False: it is not known yet whether there is one, and message_send() is called again. */
static bool
message_knows_seal(struct remote_work *w)
{
	if (!w->message.seal_is_known && w->message.seal == NULL) {
		w->message.seal = seal_begin(w->job, &w->message.smtp, w->message.fields, message_on_sealed, w);
		w->message.seal_is_known = w->message.seal == NULL;
	}
	w->message.waits_for_seal = !w->message.seal_is_known;
	return w->message.seal_is_known;
}

static bool
message_fits(const struct smtp_caps *caps, const struct smtp_message *m, struct str front)
{
	return !caps->size || caps->max_size == 0 || m->body.length - m->offset + front.len <= caps->max_size;
}

static void
message_send_sealed(struct remote_work *w)
{
	struct smtp_message *m = &w->message.smtp;

	if (m->downgrade == NULL) {
		if (!message_knows_seal(w))
			return;
		/* Rather unsealed than refused for its size. */
		if (w->message.sealed_fields.len > 0 &&
		    message_fits(smtp_client_caps(w->client), m, w->message.sealed_fields))
			m->extra_header = w->message.sealed_fields;
	}
	smtp_client_send(w->client, m, work_settings(w)->command_timeout);
}

/* ---- What the server accepts ---- */
/* What the server cannot accept is not sent. */
static void
message_send(struct remote_work *w)
{
	const struct smtp_caps *caps = smtp_client_caps(w->client);
	struct smtp_message *m = &w->message.smtp;

	m->downgrade = m->eight_bit && !caps->eight_bit ? w->message.downgrade : NULL;
	/* After conversion the data is no longer what was signed, or sealed. */
	m->extra_header = m->downgrade != NULL ? w->message.authenticated_field : w->message.fields;
	if (m->require_tls && smtp_client_tls_result(w->client) != TLS_RESULT_OK)
		message_pass_over(w, "5.7.10", "the message requires TLS with a certificate that can be verified");
	else if (m->require_tls && !caps->requiretls)
		message_pass_over(w, "5.7.30",
				  "the message requires TLS all the way, which the server does not offer (REQUIRETLS)");
	else if (!message_fits(caps, m, m->extra_header))
		message_refuse(w, "5.3.4", "the message is larger than the server accepts");
	else if (m->smtputf8 && !caps->smtputf8)
		message_refuse(w, "5.6.7", "the message needs SMTPUTF8, which the server does not offer");
	else if (m->eight_bit && !caps->eight_bit && !w->message.is_scanned)
		message_convert(w);
	else
		message_send_sealed(w);
}

/* ---- 8-bit data for a server that does not accept it ---- */
static void message_scan_on(struct remote_work *w);

static void
message_on_scan_piece(void *arg, const char *data, size_t len, const struct err *err)
{
	struct remote_work *w = arg;

	w->message.read = NULL;
	if (err != NULL || len == 0) {
		message_postpone_unread(w, err);
		return;
	}
	downgrade_scan(w->message.downgrade, str_of(data, len));
	w->message.scan_at += len;
	message_scan_on(w);
}

static void
message_scan_on(struct remote_work *w)
{
	struct smtp_message *m = &w->message.smtp;
	struct err err;

	if (w->message.scan_at < m->body.length) {
		w->message.read =
			blob_read(m->blobs, &m->body, w->message.scan_at, SCAN_PIECE_BYTES, message_on_scan_piece, w);
		return;
	}
	if (downgrade_scan_end(w->message.downgrade, &err) != 0) {
		message_refuse(w, "5.6.3", err.text);
		return;
	}
	w->message.is_scanned = true;
	/* 8BITMIME was requested, but nothing needs it. */
	m->eight_bit = downgrade_is_needed(w->message.downgrade);
	message_send(w);
}

/* Scans the whole message first, because only then is it known what can be
 * done. A scan that was interrupted by a lost connection is resumed. */
static void
message_convert(struct remote_work *w)
{
	if (w->message.downgrade == NULL) {
		w->message.downgrade = downgrade_new();
		w->message.scan_at = w->message.smtp.offset;
	}
	message_scan_on(w);
}

/* ---- All in order ---- */
/* All recipients that have no result yet. */
static void
message_fill_rcpts(struct remote_work *w)
{
	struct smtp_message *m = &w->message.smtp;

	m->count = 0;
	for (size_t i = 0; i < w->job->msg->n_recipients; i++) {
		uint32_t index = w->job->msg->recipients[i];
		const Stagepost__Recipient *from = job_recipient(w->job, index);

		if (job_has_result(w->job, index) || put_off_is_here(w, index))
			continue;
		w->message.indexes[m->count] = index;
		m->rcpts[m->count++] = (struct smtp_rcpt){
			.address = str_c(from->address),
			.orcpt = str_c(from->orcpt),
			.notify = from->notify,
		};
	}
}

/* SMTPUTF8 was requested at submission but the addresses do not need it: does the header? */
static void
message_on_header(void *arg, const char *data, size_t len, const struct err *err)
{
	struct remote_work *w = arg;
	const char *end_of_header;

	w->message.read = NULL;
	if (err != NULL || len == 0) {
		message_postpone_unread(w, err);
		return;
	}
	end_of_header = memmem(data, len, "\r\n\r\n", 4);
	w->message.smtp.smtputf8 =
		str_has_eight_bit(str_of(data, end_of_header != NULL ? (size_t)(end_of_header - data) : len));
	message_send(w);
}

void
message_begin(struct remote_work *w)
{
	const Stagepost__Envelope *env = w->job->msg->envelope;
	struct smtp_message *m = &w->message.smtp;

	message_fill_rcpts(w);
	m->smtputf8 = message_needs_utf8(w);
	if (!m->smtputf8 && env->smtputf8 && env->eight_bit) {
		m->smtputf8 = true;
		if (!smtp_client_caps(w->client)->smtputf8) {
			w->message.read =
				blob_read(m->blobs, &m->body, m->offset, HEADER_LOOK_BYTES, message_on_header, w);
			return;
		}
	}
	message_send(w);
}

void
message_init(struct remote_work *w, message_on_end *on_end)
{
	const Stagepost__Envelope *env = w->job->msg->envelope;
	struct smtp_message *m = &w->message.smtp;

	w->message.on_end = on_end;
	m->arena = &w->job->arena;
	m->reverse_path = str_c(env->reverse_path);
	m->rcpts = arena_array(m->arena, struct smtp_rcpt, w->job->msg->n_recipients);
	w->message.indexes = arena_array(m->arena, uint32_t, w->job->msg->n_recipients);
	m->blobs = w->job->worker->blobs;
	m->body = (struct blob_id){env->body->pack, env->body->offset, env->body->length};
	m->offset = env->return_path_length < env->body->length ? env->return_path_length : env->body->length;
	m->eight_bit = env->eight_bit;
	m->require_tls = env->require_tls;
	m->priority = env->priority;
	m->ret = str_c(env->dsn_ret);
	m->envid = str_c(env->dsn_envid);
	if (work_settings(w)->append_authenticated_header && *env->authenticated_as != '\0')
		w->message.authenticated_field =
			str_c(arena_printf(m->arena, "x-smartermail-authenticatedas: %s\r\n",
					   utf8_clean_text(m->arena, str_c(env->authenticated_as), 330).p));
	w->message.fields = str_c(arena_printf(m->arena, "%.*s%s", STR_ARG(w->message.authenticated_field), env->dkim));
}

void
message_stop(struct remote_work *w)
{
	if (w->message.read != NULL)
		blob_read_cancel(&w->message.read);
	w->message.waits_for_seal = false;
}

void
message_fini(struct remote_work *w)
{
	CHECK(w->message.read == NULL);
	seal_drop(&w->message.seal);
	downgrade_free(&w->message.downgrade);
}
