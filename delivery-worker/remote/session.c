#include "delivery-worker/remote/session.h"

#include <openssl/evp.h>
#include <string.h>

#include "delivery-worker/remote/tally.h"
#include "lib/base/check.h"
#include "lib/service/metrics.h"

void
session_drop(struct remote_work *w)
{
	message_stop(w);
	smtp_client_free(&w->client);
}

static void session_try(struct remote_work *w);

/* ---- Failure ---- */
static void
session_note_trouble(struct remote_work *w, const struct smtp_failure *f, bool again)
{
	static const char *const codes[] = {
		[SMTP_AT_CONNECT] = "4.4.1", [SMTP_AT_TLS] = "4.7.5",	  [SMTP_AT_GREETING] = "4.4.2",
		[SMTP_AT_LOGIN] = "4.7.0",   [SMTP_AT_MESSAGE] = "4.4.2", [SMTP_AT_BODY] = "4.3.0",
		[SMTP_IDLE] = "4.4.2",
	};

	char code[ENHANCED_CODE_MAX], remote[SERVER_NAME_MAX];
	const char *text = f->text;

	str_copy(str_c(f->bad_source ? "4.3.5" : codes[f->stage]), code, sizeof(code));
	work_server_name(w, remote);
	if (f->answer.code >= 400 && f->answer.text.len > 0) {
		text = arena_str(&w->job->arena, f->answer.text).p; /* all of it */
		str_copy(str_c(f->answer.enhanced), code, sizeof(code));
		/* About the connection, not the recipients: another one may do better. */
		code[0] = '4';
	}
	/* RFC 8689, 4.2.1: the message is then returned, not tried again. */
	if (w->message.smtp.require_tls && f->stage == SMTP_AT_TLS && f->tls_result != TLS_RESULT_VALIDATION_FAILURE)
		str_copy(STR("5.7.10"), code, sizeof(code));
	if (!again)
		work_note_trouble(w, code, text, remote,
				  !f->bad_source && (f->stage < SMTP_AT_MESSAGE || f->answer.code == 421));
	log_info(&w->job->log, "remote server failed", F_C("remote", remote), F_C("text", text), F_C("ours", f->text));
}

/* Try the same target once more, in a different way? */
static bool
session_may_try_again(struct remote_work *w, const struct smtp_failure *f)
{
	if (w->session.reused && f->at_first_reply && !w->message.smtp.end_sent) {
		/* An idle connection that the server had just closed. */
		w->session.fresh_only = true;
		return true;
	}
	if (w->session.reused && f->stage == SMTP_IDLE) {
		w->session.fresh_only = true;
		return true;
	}
	if (f->stage == SMTP_AT_CONNECT && w->session.key.source.family != 0 && !w->session.no_source &&
	    work_settings(w)->enable_primary_ip_on_failure) {
		w->session.no_source = true;
		return true;
	}
	/* Without TLS is better than not at all, if nothing forbids it. */
	if (f->stage == SMTP_AT_TLS && w->session.wish.level == TLS_MAY) {
		w->session.plain_only = true;
		return true;
	}
	return false;
}

static void
session_on_failed(void *arg, const struct smtp_failure *f)
{
	struct remote_work *w = arg;
	bool sending = f->stage == SMTP_AT_MESSAGE || f->stage == SMTP_AT_BODY;
	bool again = session_may_try_again(w, f), over = false;

	if (f->is_ours) {
		struct err err;

		err_set(&err, ERR_IO, "%s", f->text);
		log_warning(&w->job->log, "this host cannot make connections", F_ERR(&err));
		session_drop(w);
		job_postpone_rest(w->job, &err);
		w->session.on_end(w, AFTER_END);
		return;
	}
	session_note_trouble(w, f, again);
	tally_failure(w, f);
	if (f->stage == SMTP_AT_CONNECT && !again && !f->bad_source)
		pool_note_dead(w->remote->pool, &w->target);
	if (sending && !again)
		over = message_lost(w, f);
	session_drop(w);
	if (again)
		session_try(w);
	else
		w->session.on_end(w, over ? AFTER_END : AFTER_NEXT_TARGET);
}

/* ---- Connecting ---- */
static void
session_on_ready(void *arg)
{
	tally_session(arg);
	message_begin(arg);
}

static void
session_on_sent(void *arg)
{
	message_sent(arg);
}

static const struct smtp_client_events session_events = {session_on_ready, session_on_sent, session_on_failed};

static struct ip
session_source_for(const struct remote_work *w)
{
	const struct settings_smtp_out *s = work_settings(w);
	const char *text = w->target.ip.family == 4 ? s->outbound_ipv4 : s->outbound_ipv6;
	struct ip ip = {.family = 0};

	if (w->session.no_source || *text == '\0' || !ip_parse(str_c(text), &ip) || ip.family != w->target.ip.family)
		ip.family = 0;
	return ip;
}

/* How much TLS the current target needs. */
static struct tls_wish
session_wish_for(const struct remote_work *w, bool logs_in)
{
	struct tls_wish wish = {.level = TLS_MAY, .name = w->target.host};

	if (!work_settings(w)->enable_tls && !w->message.smtp.require_tls) { /* and no policy was looked up */
		wish.level = TLS_NONE;
		return wish;
	}
	if (w->host->tlsa_count > 0) {
		wish.level = TLS_DANE;
		wish.name = w->host->tlsa_base.p;
		wish.other_names[0] = w->job->msg->destination;
		wish.records = w->host->tlsa;
		wish.record_count = w->host->tlsa_count;
	} else if (w->message.smtp.require_tls || sts_is_enforced(w)) {
		wish.level = TLS_VERIFY;
	} else if (w->host->tlsa_base.len > 0) {
		wish.level = TLS_ENCRYPT; /* RFC 7672, 2.2: no usable records */
	} else if (w->session.plain_only) {
		wish.level = TLS_NONE;
	}
	if (logs_in && wish.level == TLS_MAY && !ip_is_loopback(&w->target.ip))
		wish.level = TLS_ENCRYPT;
	return wish;
}

static void
session_digest_add(EVP_MD_CTX *digest, const char *text)
{
	EVP_DigestUpdate(digest, text, strlen(text) + 1);
}

/* Connections are shared only between jobs that would have made the same one. */
static void
session_fill_key(struct remote_work *w, const struct smtp_client_options *o)
{
	const struct tls_wish *wish = &o->wish;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char way[EVP_MAX_MD_SIZE];

	memset(&w->session.key, 0, sizeof(w->session.key));
	w->session.key.ip = o->target.ip;
	w->session.key.port = o->target.port;
	w->session.key.source = o->source;
	w->session.key.tls = wish->level != TLS_NONE;
	CHECK(digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
	EVP_DigestUpdate(digest, &(char){(char)wish->level}, 1);
	session_digest_add(digest, o->user != NULL ? o->user : "");
	session_digest_add(digest, o->user != NULL ? o->password : "");
	if (wish->level >= TLS_VERIFY)
		session_digest_add(digest, wish->name);
	if (wish->level == TLS_DANE)
		session_digest_add(digest, wish->other_names[0]);
	for (unsigned i = 0; i < wish->record_count; i++) {
		const struct dns_tlsa *r = &wish->records[i];

		EVP_DigestUpdate(digest, (const uint8_t[]){r->usage, r->selector, r->matching}, 3);
		EVP_DigestUpdate(digest, r->data.p, r->data.len);
	}
	CHECK(EVP_DigestFinal_ex(digest, way, NULL) == 1);
	EVP_MD_CTX_free(digest);
	memcpy(w->session.key.way, way, sizeof(w->session.key.way));
}

static void
session_try(struct remote_work *w)
{
	const struct settings_smtp_out *s = work_settings(w);
	bool logs_in = w->route.is_relay && *s->relay_user != '\0';
	struct smtp_client_options options = {
		.base = w->job->worker->base,
		.target = w->target,
		.source = session_source_for(w),
		.helo = w->job->worker->hostname,
		.tls = w->remote->tls,
		.user = logs_in ? s->relay_user : NULL,
		.password = logs_in ? s->relay_password : NULL,
		.command_timeout_ms = s->command_timeout,
	};

	CHECK(w->client == NULL);
	w->tries++;
	w->session.wish = options.wish = session_wish_for(w, logs_in);
	session_fill_key(w, &options);
	w->message.smtp.end_sent = false;
	w->session.reused = false;
	if (!w->session.fresh_only)
		w->client = pool_take(w->remote->pool, &w->session.key);
	/* A connection on which another message was skipped: this server's certificate may be verified by now. */
	if (w->client != NULL && w->message.smtp.require_tls && smtp_client_tls_result(w->client) != TLS_RESULT_OK)
		smtp_client_free(&w->client);
	if (w->client != NULL) {
		w->session.reused = true;
		smtp_client_set_owner(w->client, &session_events, w);
		message_begin(w);
		return;
	}
	metrics_add(M_REMOTE_CONNECTIONS, 1);
	w->client = smtp_client_new(&options, &session_events, w);
}

/* The connection may serve other messages. */
static void
session_on_message_end(struct remote_work *w, enum after_target after)
{
	pool_put(w->remote->pool, &w->session.key, &w->client);
	w->session.on_end(w, after);
}

void
session_init(struct remote_work *w, session_on_end *on_end)
{
	w->session.on_end = on_end;
	message_init(w, session_on_message_end);
}

void
session_begin(struct remote_work *w)
{
	w->session.fresh_only = w->session.plain_only = w->session.no_source = false;
	session_try(w);
}
