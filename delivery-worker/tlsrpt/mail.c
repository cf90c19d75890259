/* A report as mail (RFC 8460, section 5.3): composed, signed, put into the blob
 * store and handed over like any other message. Its spool id is derived from
 * the report's id and the URI, so that a repeat is the same message. */
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/tlsrpt/private.h"
#include "lib/base/base64.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/service/metrics.h"

enum { HAND_OVER_MS = 20000, BASE64_LINE = 76 };

/* ---- The message ---- */
static void
mail_add_header(struct making *m, const char *id, struct str to, int64_t now_ms, const char *boundary)
{
	struct buf *b = &m->message;
	const char *submitter = m->who.domain;
	char date[CLOCK_RFC5322_MAX];

	buf_printf(b, "Return-Path: <%s>\r\n", m->who.from);
	m->return_path_length = (uint32_t)b->len;
	clock_rfc5322(now_ms, date, sizeof(date));
	buf_printf(b, "From: <%s>\r\nTo: <%.*s>\r\n", m->who.from, STR_ARG(to));
	buf_printf(b, "Subject: Report Domain: %.*s\r\n Submitter: %s\r\n Report-ID: <%s>\r\n", STR_ARG(m->domain),
		   submitter, m->id);
	buf_printf(b, "Date: %s\r\nMessage-ID: <%s@%s>\r\n", date, id, submitter);
	buf_printf(b, "TLS-Report-Domain: %.*s\r\nTLS-Report-Submitter: %s\r\n", STR_ARG(m->domain), submitter);
	/* The problems that it reports must not keep it from arriving (RFC 8460, 3; RFC 8689). */
	buf_add_c(b, "TLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n");
	buf_printf(b, "Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n\tboundary=\"%s\"\r\n\r\n", boundary);
}

static void
mail_add_words(struct making *m, const char *boundary)
{
	struct buf *b = &m->message;

	buf_printf(b, "--%s\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n", boundary);
	buf_printf(b, "This is an aggregate TLS report from %s about mail sent to %.*s on %s (UTC).\r\n\r\n",
		   m->who.domain, STR_ARG(m->domain), m->day);
}

static void
mail_add_report(struct making *m, const char *boundary)
{
	struct buf *b = &m->message, encoded = BUF_EMPTY;
	struct str rest;

	buf_printf(b, "--%s\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Transfer-Encoding: base64\r\n",
		   boundary);
	buf_printf(b, "Content-Disposition: attachment;\r\n\tfilename=\"%s!%.*s!%lld!%lld!%s.json.gz\"\r\n\r\n",
		   m->who.domain, STR_ARG(m->domain), (long long)(m->start_ms / 1000),
		   (long long)((m->start_ms + TALLY_DAY_MS) / 1000 - 1), m->plan.id);
	base64_encode(buf_str(&m->gzip), &encoded);
	for (rest = buf_str(&encoded); rest.len > 0; rest = str_from(rest, BASE64_LINE)) {
		buf_add_str(b, str_first(rest, BASE64_LINE));
		buf_add_c(b, "\r\n");
	}
	buf_fini(&encoded);
	buf_printf(b, "\r\n--%s--\r\n", boundary);
}

void
mail_compose(struct making *m, const char *id, struct str to, int64_t now_ms)
{
	char boundary[64];

	snprintf(boundary, sizeof(boundary), "=_%.40s/tlsrpt", id);
	buf_clear(&m->message);
	mail_add_header(m, id, to, now_ms, boundary);
	mail_add_words(m, boundary);
	mail_add_report(m, boundary);
}

/* ---- Into the spool ---- */
static void
mail_message_id(const struct making *m, char out[SPOOL_ID_MAX])
{
	struct str uri = m->rua.items[m->at].uri;
	unsigned char digest[SHA256_DIGEST_LENGTH];
	unsigned n;

	SHA256((const unsigned char *)uri.p, uri.len, digest);
	memcpy(&n, digest, sizeof(n));
	spool_id_derive(str_c(m->plan.id), "tlsrpt", n, out);
}

static void
mail_on_handed_over(void *arg, const struct err *err)
{
	struct making *m = arg;

	if (err == NULL) {
		CRASHPOINT("tls-report-handed-over");
		m->on_served(m, SERVED_DONE, NULL);
		return;
	}
	/* In doubt the body stays; a sweep finds it if no broker refers to it. */
	if (bus_is_certain(err))
		blob_release(m->reporter->worker->blobs, &m->body);
	m->on_served(m, SERVED_LATER, err->text);
}

static void
mail_hand_over(struct making *m)
{
	struct worker *w = m->reporter->worker;
	Stagepost__Envelope env = STAGEPOST__ENVELOPE__INIT;
	Stagepost__Recipient to = STAGEPOST__RECIPIENT__INIT;
	Stagepost__Recipient *recipients[1] = {&to};
	Stagepost__Blob body = STAGEPOST__BLOB__INIT;
	char id[SPOOL_ID_MAX];

	mail_message_id(m, id);
	to.address = arena_dup(&m->arena, m->to.p, m->to.len);
	to.notify = 1; /* NEVER */
	to.local = m->is_local;
	body.pack = m->body.pack;
	body.offset = m->body.offset;
	body.length = m->body.length;
	env.id = id;
	env.reverse_path = m->who.from;
	env.n_recipients = 1;
	env.recipients = recipients;
	env.body = &body;
	env.return_path_length = m->return_path_length;
	env.received_ms = (uint64_t)clock_unix_ms();
	env.protocol = (char *)"local";
	env.frontend = (char *)w->name;
	env.tls_optional = true;
	env.dkim = arena_dup(&m->arena, m->signatures.p, m->signatures.len);
	env.settings_version = settings_version(settings_current(w->settings));
	bus_hand_over(w->bus, &env, HAND_OVER_MS, mail_on_handed_over, m);
}

static void
mail_on_is_local(void *arg, bool is, const struct err *err)
{
	struct making *m = arg;

	if (err != NULL) {
		blob_release(m->reporter->worker->blobs, &m->body);
		m->on_served(m, SERVED_LATER, err->text);
		return;
	}
	m->is_local = is;
	mail_hand_over(m);
}

static void
mail_on_stored(void *arg, const struct blob_id *id, const struct err *err)
{
	struct making *m = arg;

	if (err != NULL) {
		m->on_served(m, SERVED_LATER, err->text);
		return;
	}
	m->body = *id;
	if (directory_is_local_domain(m->reporter->worker->directory, directory_domain_of(m->to), &m->is_local,
				      mail_on_is_local, m))
		mail_hand_over(m);
}

/* ---- Signing: without it a report is worthless (RFC 8460, 3) ---- */
static void
mail_tell_unsigned(struct making *m)
{
	if (!m->reporter->unsigned_told)
		log_error(NULL, "TLS reports are not mailed: they must be signed, and there is no DKIM key",
			  F_C("domain", m->who.domain));
	m->reporter->unsigned_told = true;
}

static void
mail_on_end_of_signing(void *arg, enum dkim_outcome outcome, struct str fields, const struct err *err)
{
	struct making *m = arg;
	struct err failed;

	switch (outcome) {
	case DKIM_NO_KEYS:
		mail_tell_unsigned(m);
		m->on_served(m, SERVED_NEVER, "no DKIM key");
		return;
	case DKIM_NOT_SIGNED: m->on_served(m, SERVED_NEVER, err->text); return;
	case DKIM_KEYS_AWAY: m->on_served(m, SERVED_LATER, err->text); return;
	case DKIM_SIGNED: break;
	}
	metrics_add(M_DKIM_SIGNED, 1);
	m->signatures = arena_str(&m->arena, fields);
	if (blob_put(m->reporter->worker->blobs, BLOB_BODY, m->message.data, m->message.len, NULL, mail_on_stored, m,
		     &failed) != 0)
		m->on_served(m, SERVED_LATER, failed.text);
}

void
mail_serve(struct making *m, struct str address)
{
	struct worker *w = m->reporter->worker;
	struct smtp_path path;
	char id[SPOOL_ID_MAX];

	if (smtp_address_parse(address, false, &m->arena, &path) != SMTP_PATH_OK || path.kind != SMTP_PATH_MAILBOX) {
		m->on_served(m, SERVED_NEVER, "no address");
		return;
	}
	m->to = path.address;
	mail_message_id(m, id);
	mail_compose(m, id, m->to, clock_unix_ms());
	memset(&m->signing, 0, sizeof(m->signing));
	dkim_signing_add_all(&m->signing, str_c(m->who.domain));
	dkim_stream_free(&m->dkim);
	m->dkim = dkim_stream_new();
	dkim_stream_feed(m->dkim, str_from(buf_str(&m->message), m->return_path_length));
	dkim_signing_start(&m->signing, w->dkim_keys, w->dkim_signer, &m->dkim, mail_on_end_of_signing, m);
}
