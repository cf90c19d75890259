/* One target of a REMOTE job: a connection to it, and what is done when it
 * fails. */
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/remote/remote_private.h"
#include "lib/base/check.h"
#include "lib/service/metrics.h"

void
session_name(const struct remote_work *w, char *out, size_t size)
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
	if (w->read != NULL)
		blob_read_cancel(&w->read);
	smtp_client_free(&w->client);
}

/* ---- Failure ---- */
static void
note_trouble(struct remote_work *w, const struct smtp_failure *f, bool again)
{
	static const char *const codes[] = {
		[SMTP_AT_CONNECT] = "4.4.1", [SMTP_AT_TLS] = "4.7.5",	  [SMTP_AT_GREETING] = "4.4.2",
		[SMTP_AT_LOGIN] = "4.7.0",   [SMTP_AT_MESSAGE] = "4.4.2", [SMTP_AT_BODY] = "4.3.0",
		[SMTP_IDLE] = "4.4.2",
	};

	char code[ENHANCED_CODE_MAX], remote[384];
	const char *text = f->text;

	str_copy(str_c(f->bad_source ? "4.3.5" : codes[f->stage]), code, sizeof(code));
	session_name(w, remote, sizeof(remote));
	if (f->answer.code >= 400 && f->answer.text.len > 0) {
		text = arena_str(&w->job->arena, f->answer.text).p; /* all of it */
		str_copy(str_c(f->answer.enhanced), code, sizeof(code));
		/* Of the connection, not of the recipients: another may do better. */
		code[0] = '4';
	}
	/* RFC 8689, 4.2.1: then it is returned, not tried again. */
	if (w->message.require_tls && f->stage == SMTP_AT_TLS && f->tls_result != TLS_RESULT_VALIDATION_FAILURE)
		str_copy(STR("5.7.10"), code, sizeof(code));
	if (!again)
		work_note_trouble(w, code, text, remote,
				  !f->bad_source && (f->stage < SMTP_AT_MESSAGE || f->answer.code == 421));
	log_info(&w->job->log, "remote server failed", F_C("remote", remote), F_C("text", text), F_C("ours", f->text));
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
	/* In the clear is better than not at all, where nothing forbids it. */
	if (f->stage == SMTP_AT_TLS && w->wish.level == TLS_MAY) {
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

	if (f->is_ours) {
		struct err err;

		err_set(&err, ERR_IO, "%s", f->text);
		log_warning(&w->job->log, "no connection can be made here", F_ERR(&err));
		session_drop(w);
		work_postpone(w, &err);
		return;
	}
	note_trouble(w, f, again);
	tally_failure(w, f);
	if (f->stage == SMTP_AT_CONNECT && !again && !f->bad_source)
		pool_note_dead(w->remote->pool, &w->target);
	if (sending && !again)
		over = message_on_lost(w, f);
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
	tally_session(arg);
	message_begin(arg);
}

static const struct smtp_client_events session_events = {on_ready, message_on_sent, on_failed};

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

/* How much TLS the target in hand needs. */
static struct tls_wish
wish_for(const struct remote_work *w, bool logs_in)
{
	struct tls_wish wish = {.level = TLS_MAY, .name = w->target.host};

	if (!work_settings(w)->enable_tls && !w->message.require_tls) { /* and no policy was looked up */
		wish.level = TLS_NONE;
		return wish;
	}
	if (w->host->tlsa_count > 0) {
		wish.level = TLS_DANE;
		wish.name = w->host->tlsa_base.p;
		wish.other_names[0] = w->job->msg->destination;
		wish.records = w->host->tlsa;
		wish.record_count = w->host->tlsa_count;
	} else if (w->message.require_tls || sts_is_enforced(w)) {
		wish.level = TLS_VERIFY;
	} else if (w->host->tlsa_base.len > 0) {
		wish.level = TLS_ENCRYPT; /* RFC 7672, 2.2: records that none can use */
	} else if (w->plain_only) {
		wish.level = TLS_NONE;
	}
	if (logs_in && wish.level == TLS_MAY && !ip_is_loopback(&w->target.ip))
		wish.level = TLS_ENCRYPT;
	return wish;
}

static void
digest_add(EVP_MD_CTX *digest, const char *text)
{
	EVP_DigestUpdate(digest, text, strlen(text) + 1);
}

/* Connections are only shared by those who would have made the same one. */
static void
fill_key(struct remote_work *w, const struct smtp_client_options *o)
{
	const struct tls_wish *wish = &o->wish;
	EVP_MD_CTX *digest = EVP_MD_CTX_new();
	unsigned char way[EVP_MAX_MD_SIZE];

	memset(&w->key, 0, sizeof(w->key));
	w->key.ip = o->target.ip;
	w->key.port = o->target.port;
	w->key.source = o->source;
	w->key.tls = wish->level != TLS_NONE;
	CHECK(digest != NULL && EVP_DigestInit_ex(digest, EVP_sha256(), NULL) == 1);
	EVP_DigestUpdate(digest, &(char){(char)wish->level}, 1);
	digest_add(digest, o->user != NULL ? o->user : "");
	digest_add(digest, o->user != NULL ? o->password : "");
	if (wish->level >= TLS_VERIFY)
		digest_add(digest, wish->name);
	if (wish->level == TLS_DANE)
		digest_add(digest, wish->other_names[0]);
	for (unsigned i = 0; i < wish->record_count; i++) {
		const struct dns_tlsa *r = &wish->records[i];

		EVP_DigestUpdate(digest, (const uint8_t[]){r->usage, r->selector, r->matching}, 3);
		EVP_DigestUpdate(digest, r->data.p, r->data.len);
	}
	CHECK(EVP_DigestFinal_ex(digest, way, NULL) == 1);
	EVP_MD_CTX_free(digest);
	memcpy(w->key.way, way, sizeof(w->key.way));
}

void
session_try(struct remote_work *w)
{
	const struct settings_smtp_out *s = work_settings(w);
	bool logs_in = w->route.is_relay && *s->relay_user != '\0';
	struct smtp_client_options options = {
		.base = w->job->worker->base,
		.target = w->target,
		.source = source_for(w),
		.helo = w->job->worker->hostname,
		.tls = w->remote->tls,
		.user = logs_in ? s->relay_user : NULL,
		.password = logs_in ? s->relay_password : NULL,
		.command_timeout_ms = s->command_timeout,
	};

	CHECK(w->client == NULL);
	w->tries++;
	w->wish = options.wish = wish_for(w, logs_in);
	fill_key(w, &options);
	w->message.end_sent = false;
	w->reused = false;
	if (!w->fresh_only)
		w->client = pool_take(w->remote->pool, &w->key);
	if (w->client != NULL) {
		w->reused = true;
		smtp_client_set_owner(w->client, &session_events, w);
		message_begin(w);
		return;
	}
	metrics_add(M_REMOTE_CONNECTIONS, 1);
	w->client = smtp_client_new(&options, &session_events, w);
}
