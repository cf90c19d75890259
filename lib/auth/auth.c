/* Checks a plain password: from memory, or by look-up, delay and verification.
 *
 * In this order: a remembered password is answered at once. Otherwise the
 * account is looked up while the failures are counted, the delay is waited for,
 * the verifier is computed on a thread (a dummy one if there is no account, so
 * that the time reveals nothing), and the result is counted. */
#include "lib/auth/auth.h"

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>

#include <utlist.h>

#include "lib/auth/private.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"

enum auth_kind {
	AUTH_CHECK_MAIL, /* an app password or the main password */
	AUTH_CHECK_MAIN,
	AUTH_CHECK_TOKEN,
	AUTH_CHECK_CODE, /* the second factor */
};

struct auth_request {
	struct verify_task task; /* first */
	struct auth *auth;
	enum auth_kind kind;
	auth_on_result *cb; /* NULL: cancelled */
	void *arg;
	char address[AUTH_ADDRESS_MAX];
	char *password; /* owner, cleansed; of a token: its secret part; or a code */
	size_t password_len;
	struct ip peer;
	struct auth_identity identity;
	char verifier[AUTH_VERIFIER_MAX];
	struct upgrade upgrade;
	bool exists, enabled, fits;
	bool is_old;	 /* the verifier is to be replaced */
	bool needs_code; /* the account has a second factor */
	bool verifying;	 /* a thread has it or will get it */
	bool verified;
	bool unsupported; /* the stored hash was not even checked */
	struct memory_ask *ask;
	struct code_try *code;
	struct throttle *throttle;
	struct event *soon; /* runs the first step at the loop's next turn */
	struct auth_request *prev, *next;
};

void
auth_account_name(struct str given, char out[AUTH_ADDRESS_MAX])
{
	_Static_assert(AUTH_ADDRESS_MAX == DIRECTORY_ADDRESS_MAX, "one length");
	size_t len = given.len < AUTH_ADDRESS_MAX - 1 ? given.len : AUTH_ADDRESS_MAX - 1;

	if (directory_canonical_address(given, out))
		return;
	str_copy(given, out, AUTH_ADDRESS_MAX);
	str_lower(out, len);
	for (size_t i = 0; i < len; i++)
		if (out[i] == '\0')
			out[i] = '?';
}

/* What is remembered of other accounts still matches their records: see memory.c. */
static void
on_user_changed(void *arg, struct str address)
{
	if (address.p != NULL)
		memory_forget(arg, address);
}

/* ---- Requests ---- */

static void
auth_request_free(struct auth_request *q)
{
	DL_DELETE(q->auth->requests, q);
	directory_cancel(q->auth->directory, q);
	memory_ask_cancel(&q->ask);
	code_try_cancel(&q->code);
	throttle_cancel(&q->throttle);
	if (q->soon != NULL)
		event_free(q->soon);
	OPENSSL_cleanse(q->password, q->password_len);
	mem_free(q->password);
	mem_free(q);
}

static void
auth_answer(struct auth_request *q, enum auth_result result)
{
	auth_on_result *cb = q->cb;
	void *arg = q->arg;
	struct auth_identity identity = q->identity;

	auth_request_free(q);
	if (cb != NULL)
		cb(arg, result, result == AUTH_OK ? &identity : NULL);
}

static struct memory_claim
claim_of(const struct auth_request *q)
{
	return (struct memory_claim){q->identity.address, q->verifier, str_of(q->password, q->password_len)};
}

/* "$argon2id$v=19$m=19456,t=2,p=1$": up to the fourth '$'. */
static bool
auth_costs_the_same(const char *verifier, const char *dummy)
{
	for (unsigned dollars = 0; *verifier == *dummy && *verifier != '\0'; verifier++, dummy++)
		if (*verifier == '$' && ++dollars == 4)
			return true;
	return false;
}

static void
run_verify(struct verify_task *t)
{
	struct auth_request *q = (struct auth_request *)t;

	q->verified = true;
	q->unsupported = !scheme_is_supported(q->verifier);
	q->fits = auth_password_fits(q->verifier, str_of(q->password, q->password_len));
	/* Faster hashes, or ones that are not checked, would show that the account exists; slower ones still
	 * do. */
	if (!q->fits && !auth_costs_the_same(q->verifier, q->auth->dummy))
		(void)auth_password_fits(q->auth->dummy, str_of(q->password, q->password_len));
	if (q->fits && q->is_old)
		upgrade_make(&q->upgrade, str_of(q->password, q->password_len));
}

static void
verify_done(struct verify_task *t)
{
	struct auth_request *q = (struct auth_request *)t;
	struct memory_claim claim = claim_of(q);
	struct auth *a = q->auth;

	q->verifying = false;
	if (!q->verified) {
		auth_answer(q, AUTH_UNAVAILABLE);
		return;
	}
	if (q->unsupported && log_is_due(&a->unsupported_ms))
		log_warning(NULL, "the stored password hash is not supported, or would take too long to check",
			    F_C("account", q->identity.address));
	if (!q->exists || !q->fits) {
		throttle_failed(a, q->address, &q->peer);
		auth_answer(q, AUTH_FAILED);
		return;
	}
	/* With a second factor only its code proves who it is: else whoever knows the
	 * password could guess codes without ever being slowed down. */
	if (!q->needs_code)
		throttle_succeeded(a, q->address);
	if (q->enabled)
		memory_note(a, &claim, true);
	if (q->upgrade.password[0] != '\0')
		upgrade_store(a, q->identity.address, q->verifier, &q->upgrade);
	auth_answer(q, q->enabled ? AUTH_OK : AUTH_DISABLED);
}

/* ---- The second factor: the delay comes first ---- */

static void
auth_on_code(void *arg, enum auth_result result)
{
	struct auth_request *q = arg;

	q->code = NULL;
	if (result == AUTH_FAILED)
		throttle_failed(q->auth, q->address, &q->peer);
	else if (result == AUTH_OK)
		throttle_succeeded(q->auth, q->address);
	auth_answer(q, result == AUTH_OK && !q->enabled ? AUTH_DISABLED : result);
}

static void
auth_on_code_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct auth_request *q = arg;

	if (err != NULL) {
		auth_answer(q, AUTH_UNAVAILABLE);
	} else if (user == NULL || user->totp[0] == '\0') {
		auth_on_code(q, AUTH_FAILED);
	} else {
		q->enabled = user->enabled;
		q->identity.quota_bytes = user->quota_bytes;
		str_copy(str_c(user->address), q->identity.address, sizeof(q->identity.address));
		q->code = code_try_begin(q->auth, user, str_of(q->password, q->password_len), auth_on_code, q);
		if (q->code == NULL)
			auth_answer(q, AUTH_UNAVAILABLE);
	}
}

static void
auth_find_code_user(struct auth_request *q)
{
	struct directory_user user;
	bool found;

	if (directory_get_user(q->auth->directory, str_c(q->address), &user, &found, auth_on_code_user, q))
		auth_on_code_user(q, found ? &user : NULL, NULL);
}

static void
auth_on_may_go(void *arg, const struct err *err)
{
	struct auth_request *q = arg;

	q->throttle = NULL;
	if (err != NULL) {
		auth_answer(q, AUTH_UNAVAILABLE);
		return;
	}
	if (q->kind == AUTH_CHECK_CODE) {
		auth_find_code_user(q);
		return;
	}
	if (q->kind == AUTH_CHECK_TOKEN) { /* a correct one does not come here */
		throttle_failed(q->auth, q->address, &q->peer);
		auth_answer(q, AUTH_FAILED);
		return;
	}
	q->task.run = run_verify;
	q->task.done = verify_done;
	q->verifying = true;
	if (!verify_give(q->auth, &q->task)) {
		q->verifying = false;
		auth_answer(q, AUTH_UNAVAILABLE);
	}
}

static void
slow_down(struct auth_request *q)
{
	q->throttle = throttle_wait(q->auth, q->address, &q->peer, auth_on_may_go, q);
}

static void
on_cluster_knows(void *arg, bool known)
{
	struct auth_request *q = arg;
	struct memory_claim claim = claim_of(q);

	q->ask = NULL;
	if (!known) {
		slow_down(q);
		return;
	}
	memory_note(q->auth, &claim, false);
	auth_answer(q, AUTH_OK);
}

bool
auth_takes_main_password(const struct auth *a, const struct directory_user *user)
{
	return user->totp[0] == '\0' || settings_auth(settings_current(a->settings), STR_NONE)->totp_mail_password;
}

/* True: answered. */
static bool
auth_take_credential(struct auth_request *q, const struct directory_user *user)
{
	enum credential_kind kind = q->kind == AUTH_CHECK_TOKEN ? CREDENTIAL_TOKEN : CREDENTIAL_APP;
	struct credential c;

	if (user == NULL || q->kind == AUTH_CHECK_MAIN ||
	    !credential_find(user, kind, str_of(q->password, q->password_len), clock_unix_ms(), &c))
		return false;
	if (user->enabled)
		used_note(q->auth, user->address, &c);
	str_copy(str_c(c.id), q->identity.credential, sizeof(q->identity.credential));
	auth_answer(q, user->enabled ? AUTH_OK : AUTH_DISABLED);
	return true;
}

static void
auth_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct auth_request *q = arg;
	struct memory_claim claim;

	if (err != NULL) {
		auth_answer(q, AUTH_UNAVAILABLE);
		return;
	}
	q->exists = user != NULL && user->password[0] != '\0' &&
		    (q->kind == AUTH_CHECK_MAIN || auth_takes_main_password(q->auth, user));
	if (user != NULL) {
		q->enabled = user->enabled;
		q->needs_code = user->totp[0] != '\0';
		q->identity.quota_bytes = user->quota_bytes;
		str_copy(str_c(user->address), q->identity.address, sizeof(q->identity.address));
	}
	if (auth_take_credential(q, user))
		return;
	str_copy(str_c(q->exists ? user->password : q->auth->dummy), q->verifier, sizeof(q->verifier));
	q->is_old = q->exists && q->enabled && upgrade_is_due(user, q->kind == AUTH_CHECK_MAIN);
	claim = claim_of(q);
	if (!q->exists || !q->enabled || q->kind == AUTH_CHECK_TOKEN) {
		slow_down(q);
	} else if (memory_has(q->auth, &claim)) {
		auth_answer(q, AUTH_OK);
	} else {
		q->ask = memory_ask_cluster(q->auth, &claim, on_cluster_knows, q);
		if (q->ask == NULL)
			slow_down(q);
	}
}

static void
on_soon(evutil_socket_t fd, short what, void *arg)
{
	struct auth_request *q = arg;
	struct directory_user user;
	bool found;

	(void)fd, (void)what;
	if (q->kind == AUTH_CHECK_CODE)
		slow_down(q);
	else if (directory_get_user(q->auth->directory, str_c(q->address), &user, &found, auth_on_user, q))
		auth_on_user(q, found ? &user : NULL, NULL);
}

static struct auth_request *
auth_start(struct auth *a, enum auth_kind kind, struct str address, struct str password, const struct ip *peer,
	   auth_on_result *cb, void *arg)
{
	struct auth_request *q = mem_new(struct auth_request);

	q->auth = a;
	q->kind = kind;
	q->cb = cb;
	q->arg = arg;
	auth_account_name(address, q->address);
	q->password = mem_strndup(password.p, password.len);
	q->password_len = password.len;
	q->peer = *peer;
	DL_APPEND(a->requests, q);
	q->soon = event_new(a->base, -1, 0, on_soon, q);
	event_active(q->soon, EV_TIMEOUT, 0);
	return q;
}

struct auth_request *
auth_check_password(struct auth *a, struct str address, struct str password, const struct ip *peer, auth_on_result *cb,
		    void *arg)
{
	return auth_start(a, AUTH_CHECK_MAIL, address, password, peer, cb, arg);
}

struct auth_request *
auth_check_main_password(struct auth *a, struct str address, struct str password, const struct ip *peer,
			 auth_on_result *cb, void *arg)
{
	return auth_start(a, AUTH_CHECK_MAIN, address, password, peer, cb, arg);
}

struct auth_request *
auth_check_code(struct auth *a, struct str address, struct str code, const struct ip *peer, auth_on_result *cb,
		void *arg)
{
	return auth_start(a, AUTH_CHECK_CODE, address, code, peer, cb, arg);
}

struct auth_request *
auth_check_token(struct auth *a, struct str token, const struct ip *peer, auth_on_result *cb, void *arg)
{
	char address[DIRECTORY_ADDRESS_MAX];
	struct str secret;

	/* What is no token at all counts against its sender and an account without a name. */
	if (!credential_split_token(token, address, &secret))
		return auth_start(a, AUTH_CHECK_TOKEN, STR_NONE, STR_NONE, peer, cb, arg);
	return auth_start(a, AUTH_CHECK_TOKEN, str_c(address), secret, peer, cb, arg);
}

void
auth_cancel(struct auth_request **req)
{
	struct auth_request *q = *req;

	if (q == NULL)
		return;
	*req = NULL;
	q->cb = NULL;
	if (!q->verifying) /* else a thread has it, and it ends by itself */
		auth_request_free(q);
}

/* ---- Life ---- */

struct auth *
auth_new(struct event_base *base, struct redis *r, const struct secret *secret, struct settings_live *settings,
	 struct directory *directory)
{
	struct auth *a = mem_new(struct auth);
	unsigned char random[16];

	a->base = base;
	a->redis = r;
	a->secret = secret;
	a->settings = settings;
	a->directory = directory;
	CHECK(RAND_bytes(a->key, sizeof(a->key)) == 1 && RAND_bytes(a->fake_salt_key, sizeof(a->fake_salt_key)) == 1 &&
	      RAND_bytes(random, sizeof(random)) == 1);
	CHECK(auth_make_argon2id(str_of((const char *)random, sizeof(random)), a->dummy, NULL) == 0);
	directory_watch_users(directory, on_user_changed, a);
	verify_start(a);
	return a;
}

void
auth_set_seals(struct auth *a, const struct secret_keys *seals)
{
	a->seals = seals;
}

void
auth_watch_delays(struct auth *a, void (*on_delayed)(void *arg), void *arg)
{
	a->on_delayed = on_delayed;
	a->on_delayed_arg = arg;
}

void
auth_free(struct auth **ap)
{
	struct auth *a = *ap;
	struct auth_request *q, *next;

	if (a == NULL)
		return;
	*ap = NULL;
	DL_FOREACH_SAFE (a->requests, q, next) {
		q->cb = NULL;
		if (!q->verifying)
			auth_request_free(q);
	}
	verify_stop(a);
	memory_free(a);
	used_free(a);
	OPENSSL_cleanse(a->key, sizeof(a->key));
	mem_free(a);
}
