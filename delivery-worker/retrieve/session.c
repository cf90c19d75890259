/* The session with the remote: its login, waiting for new mail, its end. */
#include <openssl/crypto.h>

#include "delivery-worker/retrieve/private.h"
#include "lib/base/clock.h"
#include "lib/base/crashpoint.h"
#include "lib/base/mem.h"
#include "lib/retrieve/reach.h"

enum { SESSION_PASSES_MAX = 200 };

static void session_log_in(struct round *r, bool fresh);

bool
session_ip_is_allowed(void *arg, const struct ip *ip)
{
	const struct round *r = arg;

	return retrieve_ip_is_allowed(ip, retrieve_private_hosts(round_settings(r), r->account.protocol));
}

/* ---- The login ---- */
static void
session_on_logged_in(void *arg, const struct remote_failure *failure)
{
	struct round *r = arg;

	if (failure == NULL) {
		r->remote_ip = remote_box_ip(r->box);
		r->remote_tls = arena_strdup(&r->op.arena, remote_box_tls(r->box));
		folders_start(r);
		return;
	}
	if (failure->trouble == REMOTE_LOGIN_REFUSED && r->account.auth == RETRIEVE_OAUTH2 && !r->token_is_fresh) {
		/* The access token that is kept may have been withdrawn. */
		remote_box_free(&r->box);
		session_log_in(r, true);
		return;
	}
	round_fail_remote(r, failure);
}

static void
session_open(struct round *r, const char *secret)
{
	struct worker *w = r->retriever->worker;
	const struct retrieve_account *a = &r->account;
	int64_t size = settings_smtp_in(round_settings(r), STR_NONE)->max_message_size;
	struct remote_options options = {
		.base = w->base,
		.dns = w->dns,
		.tls = r->retriever->tls,
		.protocol = a->protocol == RETRIEVE_POP3 ? REMOTE_POP3 : REMOTE_IMAP,
		.host = a->host,
		.port = a->port,
		.tls_mode = (enum remote_tls)a->tls,
		.any_certificate = a->any_certificate,
		.user = a->user,
		.secret = secret,
		.auth = a->auth == RETRIEVE_OAUTH2 ? REMOTE_AUTH_OAUTH2 : REMOTE_AUTH_PASSWORD,
		.ip_is_allowed = session_ip_is_allowed,
		.ip_arg = r,
		.max_message_bytes = size > 0 ? (uint64_t)size : UINT64_C(1) << 32,
		.max_session_bytes = UINT64_C(1) << 40,
		.max_messages = 10000000,
	};

	r->box = remote_box_open(&options, session_on_logged_in, r);
}

static void
session_on_token(void *arg, struct str token, const struct err *err)
{
	struct round *r = arg;
	char *text;

	r->token = NULL;
	if (err != NULL) {
		r->bad_grant = err->code == ERR_DENIED;
		round_fail(r, false, err->text);
		return;
	}
	text = str_dup(token);
	session_open(r, text);
	OPENSSL_cleanse(text, token.len);
	mem_free(text);
}

static void
session_log_in(struct round *r, bool fresh)
{
	struct retriever *v = r->retriever;
	struct retrieve_oauth oauth = {
		.web = {v->worker->base, v->web, v->worker->dns, v->worker->ca_file, session_ip_is_allowed, r},
		.redis = v->worker->redis,
		.keys = v->keys,
	};
	struct buf secret = BUF_EMPTY;
	struct err err;

	if (r->account.auth == RETRIEVE_OAUTH2) {
		r->token_is_fresh = fresh;
		r->token = retrieve_token_start(&oauth, &r->account, fresh, session_on_token, r);
		return;
	}
	buf_reserve(&secret, RETRIEVE_SECRET_MAX + 1); /* no copy is left behind */
	if (retrieve_open(v->keys, &r->account, RETRIEVE_SECRET, str_c(r->account.secret), &secret, &err) != 0)
		round_fail(r, false, err.text); /* other accounts may have another key */
	else
		session_open(r, secret.data);
	OPENSSL_cleanse(secret.data, secret.capacity);
	buf_fini(&secret);
}

void
session_start(struct round *r)
{
	session_log_in(r, false);
}

/* ---- The end ---- */
static void
session_on_closed(void *arg, const struct remote_failure *failure)
{
	struct round *r = arg;

	/* What the remote has not deleted is deleted by the next round. */
	if (failure != NULL && r->account.keep != RETRIEVE_KEEP)
		str_copy(str_c(failure->text), r->note, sizeof(r->note));
	CRASHPOINT("retrieve-closed");
	remote_box_free(&r->box);
	ending_start(r);
}

static void
session_close(struct round *r)
{
	r->is_ending = true;
	remote_box_close(r->box, session_on_closed, r);
}

/* ---- IDLE ---- */
static bool
session_can_idle(struct round *r)
{
	const struct retrieve_account *a = &r->account;

	return a->protocol == RETRIEVE_IMAP && !a->once && !a->trial && !r->has_more && r->unread == 0 && !r->is_full &&
	       settings_imap(round_settings(r), STR_NONE)->retrieval_idle && remote_box_abilities(r->box).idle &&
	       !r->retriever->stopped;
}

/* Connections that only wait are often cut: that is no trouble. */
static void
session_drop(struct round *r)
{
	remote_box_free(&r->box);
	r->is_ending = true;
	ending_start(r);
}

/* Once more over the same session, if there is a slot and a connection to the host may be used. */
static void
session_on_host(void *arg, const redisReply *reply, const struct err *err)
{
	struct round *r = arg;

	if (!round_back(r, err) || r->is_ending)
		return;
	if (redis_i64(reply, 0) == 0) {
		r->has_more = true;
		session_close(r);
		return;
	}
	r->has_host = true;
	r->begun_ms = clock_unix_ms();
	r->taken = r->taken_bytes = r->again = r->too_large = r->loops = r->unread = 0;
	r->note[0] = '\0';
	r->puts_aside = r->blames = false;
	r->careful = 0;
	r->folder_at = 0;
	space_ask(r, folders_start);
}

static void
session_on_idle(void *arg, const struct remote_failure *failure)
{
	struct round *r = arg;

	evtimer_del(r->wait);
	r->is_idle = false;
	r->retriever->idling--;
	if (failure != NULL) {
		session_drop(r);
		return;
	}
	if (r->is_changed || ++r->passes >= SESSION_PASSES_MAX || r->retriever->stopped ||
	    !retriever_take_slot(r->retriever, r->account.protocol)) {
		r->has_more = true;
		session_close(r);
		return;
	}
	r->has_protocol = true;
	pace_begin(r);
	op_hold(&r->op);
	claim_host(r->retriever->worker->redis, r->account.host, str_c(r->who), session_on_host, r);
}

static void
session_on_idle_selected(void *arg, const struct remote_state *state, const struct remote_failure *failure)
{
	struct round *r = arg;
	int64_t every = r->account.interval_ms > 0 ? r->account.interval_ms
						   : settings_imap(round_settings(r), STR_NONE)->retrieval_interval;
	struct timeval tv = clock_timeval(every);

	if (failure != NULL && failure->trouble != REMOTE_REFUSED) {
		session_drop(r);
		return;
	}
	/* Mail came while the folders were read, or the slots for waiting are in use. */
	if (failure != NULL || state->uidnext > r->idle_uidnext || !retriever_may_idle(r->retriever)) {
		r->has_more |= failure == NULL && state->uidnext > r->idle_uidnext;
		session_close(r);
		return;
	}
	r->is_idle = true;
	r->retriever->idling++;
	ending_rest(r);
	evtimer_add(r->wait, &tv);
	remote_box_idle(r->box, session_on_idle, r);
}

void
session_rest(struct round *r)
{
	if (session_can_idle(r))
		remote_box_select(r->box, r->folders[0].name, true, session_on_idle_selected, r);
	else
		session_close(r);
}

void
session_wake(struct round *r)
{
	if (r->is_idle && r->box != NULL && !r->is_ending)
		remote_box_idle_end(r->box);
}
