/* A whole message: synced, handed to a broker, answered.
 *
 * 250 is said only when the body is synced and the broker has said that the
 * envelope is durable. The transaction outlives a client that does not wait
 * for that: its callbacks then only put things in order. */
#include <stdio.h>

#include "frontend/smtp/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"

/* Long enough for another broker to take over; then the client hears that it
 * should come again, long before it gives up (RFC 5321, 4.5.3.2.6). */
enum { HAND_OVER_TIMEOUT_MS = 15 * 1000 };

/* The transaction ends; the session goes on if it is still there. */
static void
finish(struct smtp_transaction *t, enum smtp_reply_name reply, struct str argument)
{
	struct smtp_session *s = t->session;

	if (s == NULL) {
		smtp_transaction_free(&t);
		return;
	}
	smtp_reply(s, reply, argument);
	smtp_set_state(s, SMTP_GREETED);
	smtp_transaction_free(&s->transaction);
	session_resume(&s->base);
}

static void
log_accepted(const struct smtp_transaction *t)
{
	const struct smtp_session *s = t->session;

	metrics_add(M_SMTP_MESSAGES, 1);
	metrics_add(M_SMTP_BYTES, (int64_t)t->size_bytes);
	log_info(&t->log, "message accepted", F_STR("from", t->reverse_path), F_C("to", t->recipients->record.address),
		 F_I64("recipients", t->recipient_count), F_I64("size", t->size_bytes),
		 F_C("helo", s != NULL ? s->helo : ""), F_C("with", s != NULL ? smtp_protocol_word(t) : ""),
		 F_C("account", s != NULL && s->account != NULL ? s->account : ""),
		 F_C("client", s != NULL ? "told" : "gone"));
}

static void
on_handed_over(void *arg, const struct err *err)
{
	struct smtp_transaction *t = arg;

	metrics_add(M_HANDOVER_US, clock_monotonic_us() - t->handed_over_us);
	metrics_add(err == NULL ? M_HANDOVERS : M_HANDOVERS_FAILED, 1);
	if (err == NULL) {
		CRASHPOINT("handed-over");
		t->is_blob_ours = false;
		if (t->session != NULL)
			t->session->messages++;
		log_accepted(t);
		finish(t, REPLY_QUEUED, str_c(t->id));
		return;
	}
	/* Without an answer it may be in the spool after all, and the body its. */
	if (err->code == ERR_TIMEOUT)
		t->is_blob_ours = false;
	metrics_add(M_SMTP_DEFERRED_MESSAGES, 1);
	log_warning(&t->log, "message not handed over", F_C("kind", err_code_name(err->code)), F_ERR(err));
	finish(t, smtp_reply_for_error(err), STR_NONE);
}

static Stagepost__Recipient **
list_recipients(struct smtp_transaction *t)
{
	Stagepost__Recipient **list = arena_array(&t->arena, Stagepost__Recipient *, t->recipient_count);
	size_t count = 0;

	for (struct smtp_recipient *r = t->recipients; r != NULL; r = r->next)
		list[count++] = &r->record;
	CHECK(count == t->recipient_count);
	return list;
}

static const char *
describe_tls(struct smtp_transaction *t)
{
	const struct conn *c = t->session->conn;

	if (!conn_is_tls(c))
		return "";
	return arena_printf(&t->arena, "%s %s", conn_tls_version(c), conn_tls_cipher(c));
}

static void
hand_over(struct smtp_transaction *t)
{
	struct smtp_session *s = t->session;
	Stagepost__Envelope e = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Blob body = STAGEPOST__BLOB__INIT;
	char client[IP_TEXT_MAX];

	ip_text(conn_peer(s->conn), client);
	body.pack = t->blob.pack;
	body.offset = t->blob.offset;
	body.length = t->blob.length;
	e.id = t->id;
	e.reverse_path = arena_dup(&t->arena, t->reverse_path.p, t->reverse_path.len);
	e.recipients = list_recipients(t);
	e.n_recipients = t->recipient_count;
	e.body = &body;
	e.return_path_length = t->return_path_length;
	e.received_ms = (uint64_t)t->begun_ms;
	e.authenticated_as = arena_strdup(&t->arena, s->account != NULL ? s->account : "");
	e.client_ip = client;
	e.client_helo = s->helo;
	e.protocol = (char *)smtp_protocol_word(t);
	e.frontend = t->frontend->service->id;
	e.smtputf8 = t->params.utf8;
	e.priority = smtp_priority(t);
	e.require_tls = t->params.require_tls;
	e.tls_optional = t->watch.tls_optional && !t->params.require_tls;
	e.eight_bit = t->params.eight_bit || t->reader.saw_eight_bit;
	e.dkim = arena_dup(&t->arena, t->signatures.p, t->signatures.len);
	e.dsn_ret = arena_dup(&t->arena, t->params.ret.p, t->params.ret.len);
	e.dsn_envid = arena_dup(&t->arena, t->params.envid.p, t->params.envid.len);
	e.settings_version = settings_version(frontend_settings(t->frontend));
	e.tls = arena_strdup(&t->arena, describe_tls(t));
	t->handed_over_us = clock_monotonic_us();
	bus_hand_over(t->frontend->bus, &e, HAND_OVER_TIMEOUT_MS, on_handed_over, t);
}

/* Synced, or signed; in whichever order. */
static void
on_part(struct smtp_transaction *t)
{
	CHECK(t->waits > 0);
	if (--t->waits > 0)
		return;
	if (t->has_failed) {
		metrics_add(M_SMTP_DEFERRED_MESSAGES, 1);
		finish(t, t->refusal, STR_NONE);
	} else if (t->session == NULL) {
		/* A client that has gone will send it again: nothing is kept. */
		smtp_transaction_free(&t);
	} else {
		hand_over(t);
	}
}

static void
on_synced(void *arg, const struct blob_id *id, const struct err *err)
{
	struct smtp_transaction *t = arg;

	if (err != NULL) {
		log_warning(&t->log, "body not synced", F_ERR(err));
		t->has_failed = true;
		t->refusal = smtp_reply_for_error(err);
	} else {
		CRASHPOINT("body-synced");
		t->blob = *id;
		t->is_blob_ours = true;
	}
	on_part(t);
}

static void
on_signed(struct smtp_transaction *t, const struct err *err)
{
	if (err != NULL) {
		log_warning(&t->log, "DKIM keys not read", F_ERR(err));
		t->has_failed = true;
		t->refusal = smtp_reply_for_error(err);
	}
	on_part(t);
}

void
smtp_accept(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;

	smtp_set_state(s, SMTP_ACCEPTING);
	conn_set_timeout(s->conn, 0);
	conn_pause(s->conn);
	t->waits = 2;
	blob_append_commit(&t->append, on_synced, t);
	smtp_sign_end(t, on_signed);
}

void
smtp_refuse_message(struct smtp_session *s)
{
	struct smtp_transaction *t = s->transaction;
	char size[24];
	struct str argument = str_c(s->account);

	CHECK(t->is_refused);
	if (t->refusal == REPLY_TOO_BIG) {
		snprintf(size, sizeof(size), "%lld", (long long)t->max_size_bytes);
		argument = str_c(size);
	}
	metrics_add(smtp_reply_get(t->refusal)->code < 500 ? M_SMTP_DEFERRED_MESSAGES : M_SMTP_REFUSED_MESSAGES, 1);
	smtp_reply(s, t->refusal, argument);
	smtp_set_state(s, SMTP_GREETED);
	smtp_transaction_free(&s->transaction);
}
