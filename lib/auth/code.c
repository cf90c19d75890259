/* A try at the second factor: a code of the app, or a recovery code.
 *
 * A code has only 6 digits, so delays are not enough: after a number of wrong ones in a
 * row none is accepted until settings:auth failure_window has passed, whoever sends them
 * and on whatever frontend. Recovery codes are too long to be guessed; they are still
 * taken then.
 *
 * A secret that was sealed with an older key is sealed anew with the first one after a
 * good code, so that the old key can be removed one day. */
#include <inttypes.h>
#include <stdio.h>

#include <openssl/crypto.h>

#include "lib/auth/private.h"
#include "lib/auth/totp.h"
#include "lib/base/clock.h"
#include "lib/base/log.h"
#include "lib/base/mem.h"
#include "lib/redis/keys.h"

enum { CODE_TRIES = 10, CODE_KEPT_LEAST_MS = 5 * 60 * 1000, CODE_MAX = 40, CODE_KEY_MAX = AUTH_ADDRESS_MAX + 16 };

_Static_assert(AUTH_TOTP_CONTEXT_MAX >= AUTH_ADDRESS_MAX + 16, "any address fits");

REDIS_SCRIPT(auth_code, "lib/auth/code.lua");
REDIS_SCRIPT(auth_recovery, "lib/auth/recovery.lua");
REDIS_SCRIPT(auth_reseal, "lib/auth/reseal.lua");

struct code_try {
	code_on_tried *cb; /* NULL: cancelled */
	void *arg;
	struct redis *redis;
	char address[AUTH_ADDRESS_MAX];
	/* To be sealed anew; owner of the texts. Empty: it need not be. */
	struct buf old, sealed;
};

static void
code_reseal(const struct code_try *t)
{
	char key[CODE_KEY_MAX];
	struct str keys[] = {redis_key_print(key, sizeof(key), KEY_USER, str_c(t->address))};

	redis_eval(t->redis, NULL, NULL, &auth_reseal, 1, keys, 2,
		   (const struct str[]){buf_str(&t->old), buf_str(&t->sealed)});
}

static void
code_on_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct code_try *t = arg;

	if (err == NULL && t->sealed.len != 0 && redis_i64(reply, 0) == 1)
		code_reseal(t);
	if (err == NULL && redis_i64(reply, 0) < 0)
		log_warning(NULL, "too many wrong second-factor codes in a row: no code is accepted for a while",
			    F_C("account", t->address), F_I64("wrong_codes", CODE_TRIES));
	if (t->cb != NULL)
		t->cb(t->arg, err != NULL ? AUTH_UNAVAILABLE : redis_i64(reply, 0) == 1 ? AUTH_OK : AUTH_FAILED);
	buf_fini(&t->old);
	buf_fini(&t->sealed);
	mem_free(t);
}

/* False: the secret cannot be read. *step_out 0: the code is wrong. sealed_out: the
 * secret sealed anew, if an older key has sealed it. */
static bool
code_find_step(const struct auth *a, const struct directory_user *user, struct str code, int64_t *step_out,
	       struct buf *sealed_out)
{
	struct buf secret = BUF_EMPTY;
	struct err err;
	char context[AUTH_TOTP_CONTEXT_MAX];

	*step_out = 0;
	auth_totp_context(str_c(user->address), context);
	if (a->seals == NULL || secret_open(a->seals, str_c(context), str_c(user->totp), &secret, &err) != 0) {
		log_error(NULL, "the secret of a second factor cannot be read", F_C("account", user->address),
			  F_C("error", a->seals == NULL ? "there are no keys" : err.text));
		return false;
	}
	if (!totp_fits(buf_str(&secret), code, clock_unix_ms(), step_out))
		*step_out = 0;
	else if (!secret_is_current(a->seals, str_c(user->totp)) &&
		 secret_seal(a->seals, str_c(context), buf_str(&secret), sealed_out, &err) != 0)
		log_error(NULL, "the secret of a second factor cannot be sealed anew", F_C("account", user->address),
			  F_ERR(&err));
	OPENSSL_cleanse(secret.data, secret.len);
	buf_fini(&secret);
	return true;
}

void
auth_totp_context(struct str address, char *out)
{
	snprintf(out, AUTH_TOTP_CONTEXT_MAX, "user:{%.*s} totp", STR_ARG(address));
}

static void
code_try_step(struct auth *a, const struct directory_user *user, int64_t step, struct code_try *t)
{
	int64_t window = settings_auth(settings_current(a->settings), STR_NONE)->failure_window;
	char key[CODE_KEY_MAX], number[24], most[8], kept[24];
	struct str keys[1];

	snprintf(number, sizeof(number), "%" PRId64, step);
	snprintf(most, sizeof(most), "%d", CODE_TRIES);
	snprintf(kept, sizeof(kept), "%" PRId64, window > CODE_KEPT_LEAST_MS ? window : (int64_t)CODE_KEPT_LEAST_MS);
	keys[0] = redis_key_print(key, sizeof(key), KEY_AUTH_TOTP, str_c(user->address));
	redis_eval(a->redis, code_on_reply, t, &auth_code, 1, keys, 3,
		   (const struct str[]){str_c(number), str_c(most), str_c(kept)});
}

struct code_try *
code_try_begin(struct auth *a, const struct directory_user *user, struct str code, code_on_tried *cb, void *arg)
{
	struct code_try *t;
	char plain[CODE_MAX], hash[CREDENTIAL_HASH_MAX], key[CODE_KEY_MAX];
	struct str keys[1];
	struct buf sealed = BUF_EMPTY;
	size_t used = 0;
	int64_t step = 0;
	bool is_recovery = totp_hash_recovery(code, hash);

	for (size_t i = 0; i < code.len && used < sizeof(plain); i++)
		if (code.p[i] != ' ')
			plain[used++] = code.p[i];
	if (!is_recovery && !code_find_step(a, user, str_of(plain, used), &step, &sealed))
		return NULL;
	t = mem_new(struct code_try);
	*t = (struct code_try){.cb = cb, .arg = arg, .redis = a->redis, .sealed = sealed};
	buf_add_c(&t->old, user->totp);
	str_copy(str_c(user->address), t->address, sizeof(t->address));
	keys[0] = redis_key_print(key, sizeof(key), KEY_USER, str_c(user->address));
	if (is_recovery)
		redis_eval(a->redis, code_on_reply, t, &auth_recovery, 1, keys, 1, (const struct str[]){str_c(hash)});
	else
		code_try_step(a, user, step, t);
	return t;
}

void
code_try_cancel(struct code_try **t)
{
	if (*t != NULL)
		(*t)->cb = NULL;
	*t = NULL;
}
