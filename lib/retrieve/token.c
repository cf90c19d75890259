/* An access token: the one that is kept, or a new one. */
#include <inttypes.h>
#include <openssl/crypto.h>
#include <string.h>

#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/mem.h"
#include "lib/retrieve/oauth_post.h"
#include "lib/retrieve/store.h"

enum {
	TOKEN_MARGIN_MS = 60 * 1000, /* a token that ends sooner is not used */
	TOKEN_LIFE_S = 300,	     /* of a token that does not say */
	TOKEN_STORE_TRIES = 30,
	TOKEN_STORE_WAIT_MS = 1000,
};

/* Its stages: read the account; ask the endpoint; store a replaced refresh token; keep
 * the access token. Once the endpoint has been asked, the rest is gone through even if
 * nobody waits any more. */
struct retrieve_token {
	struct retrieve_oauth oauth; /* a copy; its ip_arg is gone once it is cancelled */
	struct arena arena;	     /* wiped */
	const char *address, *id;
	bool fresh;
	retrieve_on_token *cb; /* NULL: cancelled */
	void *arg;
	/* Once it is read: */
	struct retrieve_account account;
	struct buf form; /* owner, wiped */
	struct oauth_post *post;
	/* Once the endpoint has answered: */
	struct str access;
	int64_t until_ms;
	const char *replaced; /* the new refresh token, sealed */
	unsigned tries;
	struct event *timer; /* owner */
	bool is_withdrawn;   /* the grant; the account is disabled */
	struct err err;	     /* why it failed */
};

/* ERR_DENIED stops the account: what else was not allowed to us is trouble of our own. */
static void
token_end(struct retrieve_token *t, const struct err *err)
{
	struct err other;

	CHECK(t != NULL);
	if (err != NULL && err->code == ERR_DENIED && !t->is_withdrawn) {
		other = *err;
		other.code = ERR_UNAVAILABLE;
		err = &other;
	}
	if (t->cb != NULL)
		t->cb(t->arg, err == NULL ? t->access : STR_NONE, err);
	if (t->timer != NULL)
		event_free(t->timer);
	oauth_form_wipe(&t->form);
	arena_wipe(&t->arena);
	arena_fini(&t->arena);
	mem_free(t);
}

/* ---- Keeping what was received ---- */

/* A token that cannot be kept serves this once. */
static void
token_on_kept(void *arg, const struct err *err)
{
	(void)err;
	token_end(arg, NULL);
}

static void
token_keep(struct retrieve_token *t)
{
	const char *sealed =
		retrieve_seal(t->oauth.keys, &t->account, RETRIEVE_ACCESS_TOKEN, t->access, &t->arena, NULL);
	const char *until = arena_printf(&t->arena, "%" PRId64, t->until_ms);

	if (sealed == NULL) {
		token_end(t, NULL);
		return;
	}
	retrieve_note(t->oauth.redis, str_c(t->address), str_c(t->id), 4,
		      (const struct str[]){STR("access"), str_c(sealed), STR("access_until"), str_c(until)},
		      token_on_kept, t);
}

/* Does the account still have the refresh token that we used? It may have been sealed anew
 * with another key meanwhile. */
static bool
token_is_same(const struct retrieve_token *t, const struct retrieve_account *a)
{
	struct buf ours = BUF_EMPTY, theirs = BUF_EMPTY;
	bool same = strcmp(a->secret, t->account.secret) == 0;

	if (!same &&
	    retrieve_open(t->oauth.keys, &t->account, RETRIEVE_SECRET, str_c(t->account.secret), &ours, NULL) == 0 &&
	    retrieve_open(t->oauth.keys, a, RETRIEVE_SECRET, str_c(a->secret), &theirs, NULL) == 0)
		same = str_eq(buf_str(&ours), buf_str(&theirs));
	oauth_form_wipe(&ours);
	oauth_form_wipe(&theirs);
	return same;
}

static int
token_edit_secret(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	const struct retrieve_token *t = arg;

	(void)arena;
	if (!token_is_same(t, a))
		return err_set(err, ERR_EXISTS, "the account has another refresh token now");
	a->secret = t->replaced;
	return 0;
}

static void token_store(struct retrieve_token *t);

static void
token_on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd, (void)what;
	token_store(arg);
}

/* While the store is away we have the only copy. */
static void
token_on_stored(void *arg, const struct err *err)
{
	struct retrieve_token *t = arg;
	struct timeval wait = clock_timeval(TOKEN_STORE_WAIT_MS);

	if (err == NULL) {
		token_keep(t);
	} else if (err->code == ERR_EXISTS) {
		token_end(t, NULL); /* of the grant before: it serves once, and is not kept */
	} else if (err->code == ERR_NOT_FOUND || ++t->tries == TOKEN_STORE_TRIES) {
		token_end(t, err);
	} else {
		if (t->timer == NULL)
			t->timer = evtimer_new(t->oauth.web.base, token_on_timer, t);
		evtimer_add(t->timer, &wait);
	}
}

static void
token_store(struct retrieve_token *t)
{
	retrieve_change(t->oauth.redis, str_c(t->address), str_c(t->id), token_edit_secret, t, -1, token_on_stored, t);
}

/* ---- The endpoint's answer ---- */

static void
token_on_told(void *arg, const struct err *err)
{
	struct retrieve_token *t = arg;

	(void)err;
	token_end(t, &t->err);
}

static int
token_edit_disabled(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	const struct retrieve_token *t = arg;

	(void)arena;
	if (!token_is_same(t, a))
		return err_set(err, ERR_EXISTS, "the account has another refresh token now");
	a->enabled = false;
	return 0;
}

static void
token_on_disabled(void *arg, const struct err *err)
{
	struct retrieve_token *t = arg;

	if (err == NULL) {
		t->is_withdrawn = true;
		retrieve_note(t->oauth.redis, str_c(t->address), str_c(t->id), 2,
			      (const struct str[]){STR("last_error"), str_c(t->err.text)}, token_on_told, t);
		return;
	}
	/* It is as it was, and will be tried again. */
	if (err->code == ERR_EXISTS)
		err_set(&t->err, ERR_UNAVAILABLE, "the account was given another refresh token meanwhile");
	token_end(t, &t->err);
}

static void
token_take(struct retrieve_token *t, const cJSON *json)
{
	const char *access = oauth_text(json, "access_token"), *refresh = oauth_text(json, "refresh_token");
	struct retrieve_account sealed = t->account;

	t->access = arena_str(&t->arena, str_c(access));
	t->until_ms = clock_unix_ms() + oauth_seconds(json, "expires_in", TOKEN_LIFE_S) * 1000;
	if (refresh[0] == '\0') {
		token_keep(t);
		return;
	}
	t->replaced = retrieve_seal(t->oauth.keys, &sealed, RETRIEVE_SECRET, str_c(refresh), &t->arena, &t->err);
	if (t->replaced == NULL)
		token_end(t, &t->err);
	else
		token_store(t);
}

static void
token_on_answer(void *arg, const struct oauth_answer *answer, const struct err *err)
{
	struct retrieve_token *t = arg;

	t->post = NULL;
	if (err == NULL && oauth_text(answer->json, "access_token")[0] == '\0') {
		err_set(&t->err, ERR_UNAVAILABLE, "the token endpoint gives no access token");
		token_end(t, &t->err);
	} else if (err == NULL) {
		token_take(t, answer->json);
	} else {
		t->err = *err;
		if (err->code == ERR_DENIED)
			retrieve_change(t->oauth.redis, str_c(t->address), str_c(t->id), token_edit_disabled, t, -1,
					token_on_disabled, t);
		else
			token_end(t, &t->err);
	}
}

/* ---- Asking ---- */

/* Adds a sealed secret to the form. -1: t->err. */
static int
token_add_secret(struct retrieve_token *t, const char *name, enum retrieve_secret which, const char *sealed)
{
	struct buf plain = BUF_EMPTY;
	int result = retrieve_open(t->oauth.keys, &t->account, which, str_c(sealed), &plain, &t->err);

	if (result == 0)
		oauth_form_add(&t->form, name, buf_str(&plain));
	oauth_form_wipe(&plain);
	return result;
}

static void
token_ask(struct retrieve_token *t)
{
	const struct retrieve_account *a = &t->account;

	oauth_form_add(&t->form, "grant_type", STR("refresh_token"));
	oauth_form_add(&t->form, "client_id", str_c(a->client_id));
	oauth_form_add(&t->form, "scope", str_c(a->scope));
	if (token_add_secret(t, "refresh_token", RETRIEVE_SECRET, a->secret) != 0 ||
	    (a->client_secret[0] != '\0' &&
	     token_add_secret(t, "client_secret", RETRIEVE_CLIENT_SECRET, a->client_secret) != 0)) {
		token_end(t, &t->err);
		return;
	}
	t->post = oauth_post_start(&t->oauth.web, "the token endpoint", a->token_url, buf_str(&t->form),
				   token_on_answer, t);
}

/* The token that is kept; false: there is none that can be used. */
static bool
token_use_kept(struct retrieve_token *t, const struct retrieve_status *status)
{
	struct buf plain = BUF_EMPTY;
	bool usable =
		!t->fresh && status->access.len != 0 && status->access_until - TOKEN_MARGIN_MS > clock_unix_ms() &&
		retrieve_open(t->oauth.keys, &t->account, RETRIEVE_ACCESS_TOKEN, status->access, &plain, NULL) == 0;

	if (usable)
		t->access = arena_str(&t->arena, buf_str(&plain));
	oauth_form_wipe(&plain);
	return usable;
}

static void
token_on_read(void *arg, const struct retrieve_entry *entries, unsigned count, const struct err *err)
{
	struct retrieve_token *t = arg;
	struct buf packed = BUF_EMPTY;
	int taken;

	if (t->cb == NULL) {
		token_end(t, &t->err);
		return;
	}
	if (err == NULL && count == 0)
		err_set(&t->err, ERR_CORRUPT, "the stored remote account is damaged");
	if (err != NULL || count == 0) {
		token_end(t, err != NULL ? err : &t->err);
		return;
	}
	/* A copy: what we are given is the store's. */
	retrieve_account_pack(&entries[0].account, &packed);
	taken = retrieve_account_unpack(buf_str(&packed), &t->arena, &t->account, &t->err);
	buf_fini(&packed);
	if (taken != 0)
		token_end(t, &t->err);
	else if (token_use_kept(t, &entries[0].status))
		token_end(t, NULL);
	else
		token_ask(t);
}

struct retrieve_token *
retrieve_token_start(const struct retrieve_oauth *o, const struct retrieve_account *a, bool fresh,
		     retrieve_on_token *cb, void *arg)
{
	struct retrieve_token *t = mem_new(struct retrieve_token);

	arena_init(&t->arena);
	t->oauth = *o;
	t->address = arena_strdup(&t->arena, a->address);
	t->id = arena_strdup(&t->arena, a->id);
	t->fresh = fresh;
	t->cb = cb;
	t->arg = arg;
	retrieve_get(o->redis, str_c(t->address), str_c(t->id), token_on_read, t);
	return t;
}

void
retrieve_token_cancel(struct retrieve_token **t)
{
	struct retrieve_token *token = *t;

	*t = NULL;
	if (token == NULL)
		return;
	token->cb = NULL;
	if (token->post != NULL && !oauth_post_is_sent(token->post)) {
		oauth_post_cancel(&token->post);
		token_end(token, &token->err);
	}
}
