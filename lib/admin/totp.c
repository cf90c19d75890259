#include "lib/admin/totp.h"

#include <inttypes.h>
#include <openssl/crypto.h>

#include "lib/admin/private.h"
#include "lib/auth/auth.h"
#include "lib/auth/totp.h"
#include "lib/base/clock.h"
#include "lib/directory/directory.h"

#define TOTP_NEW_MS   "600000"
#define TOTP_FIRST_MS "300000"

REDIS_SCRIPT(admin_totp_first, "lib/admin/totp_begin.lua");

struct totp_order {
	char address[DIRECTORY_ADDRESS_MAX];
	char context[AUTH_TOTP_CONTEXT_MAX];
	struct str code;
	struct str sealed, hashes;
};

static void
totp_end(struct admin_call *call, enum err_code code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	admin_call_end(call, &err);
}

/* False: refused. */
static bool
totp_take(struct admin_call *call, struct str address)
{
	struct totp_order *o = arena_new(&call->op.arena, struct totp_order);

	call->state = o;
	if (!directory_canonical_address(address, o->address)) {
		admin_call_refuse(call, ERR_INVALID, "this is not an address");
		return false;
	}
	auth_totp_context(str_c(o->address), o->context);
	return true;
}

static struct str
totp_new_key(struct admin_call *call)
{
	const struct totp_order *o = call->state;

	return redis_key(&call->op.arena, KEY_AUTH_TOTP_NEW, str_c(o->address));
}

/* ---- Beginning ---- */

static void
totp_on_begun(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	(void)reply;
	admin_call_end(call, err);
}

static void
totp_begin(struct admin_call *call, const struct directory_user *user)
{
	const struct totp_order *o = call->state;
	char secret[TOTP_SECRET_MAX];
	struct buf sealed = BUF_EMPTY, uri = BUF_EMPTY;
	struct err err;

	if (user == NULL) {
		totp_end(call, ERR_NOT_FOUND, "there is no such account");
		return;
	}
	if (user->totp[0] != '\0') {
		totp_end(call, ERR_EXISTS, "the account has a second factor already");
		return;
	}
	totp_make(secret);
	if (secret_seal(call->admin->seals, str_c(o->context), str_c(secret), &sealed, &err) != 0) {
		admin_call_end(call, &err);
		return;
	}
	totp_uri(str_c(secret), str_c(o->address), &uri);
	call->result = cJSON_CreateObject();
	cJSON_AddStringToObject(call->result, "secret", secret);
	cJSON_AddStringToObject(call->result, "uri", uri.data);
	admin_ask(call, totp_on_begun, "SET", totp_new_key(call), 3,
		  (const struct str[]){arena_str(&call->op.arena, buf_str(&sealed)), STR("PX"), STR(TOTP_NEW_MS)});
	OPENSSL_cleanse(secret, sizeof(secret));
	buf_fini(&sealed);
	buf_fini(&uri);
}

static void
totp_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err != NULL)
		admin_call_end(call, err);
	else
		totp_begin(call, user);
}

static void
totp_find_user(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);
	const struct totp_order *o = call->state;
	struct directory_user user;
	bool found;

	if (directory_get_user(call->admin->directory, str_c(o->address), &user, &found, totp_on_user, call))
		totp_begin(call, found ? &user : NULL);
	else
		op_hold(&call->op);
}

struct admin_call *
admin_totp_begin(struct admin *a, struct str address, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	if (!totp_take(call, address))
		return call;
	if (a->seals == NULL)
		admin_call_refuse(call, ERR_DENIED, "there is no key to seal secrets with: set STAGEPOST_SECRET_KEY");
	else
		op_later(&call->op, a->base, totp_find_user);
	return call;
}

/* ---- Confirming ---- */

static void
totp_on_confirmed(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err == NULL)
		redis_call_key(call->admin->redis, NULL, NULL, "DEL", totp_new_key(call), 0, NULL);
	admin_call_end(call, err);
}

static void
totp_on_first_used(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	const struct totp_order *o = call->state;

	(void)reply;
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	op_hold(&call->op);
	directory_totp_set(call->admin->directory, str_c(o->address), o->sealed, o->hashes, totp_on_confirmed, call);
}

/* Into the result, and their hashes into the order. */
static void
totp_make_codes(struct admin_call *call)
{
	struct totp_order *o = call->state;
	cJSON *codes;
	struct buf hashes = BUF_EMPTY;
	char code[TOTP_RECOVERY_MAX], hash[CREDENTIAL_HASH_MAX];

	call->result = cJSON_CreateObject();
	codes = cJSON_AddArrayToObject(call->result, "recovery_codes");
	for (unsigned i = 0; i < TOTP_RECOVERY_COUNT; i++) {
		totp_make_recovery(code);
		(void)totp_hash_recovery(str_c(code), hash);
		cJSON_AddItemToArray(codes, cJSON_CreateString(code));
		buf_printf(&hashes, "%s%s", i != 0 ? " " : "", hash);
	}
	o->hashes = arena_str(&call->op.arena, buf_str(&hashes));
	buf_fini(&hashes);
}

/* The key may have been changed since the secret was made. */
static int
totp_seal_anew(struct admin_call *call, struct str secret, struct err *err)
{
	struct totp_order *o = call->state;
	struct buf sealed = BUF_EMPTY;

	if (secret_is_current(call->admin->seals, o->sealed))
		return 0;
	if (secret_seal(call->admin->seals, str_c(o->context), secret, &sealed, err) != 0)
		return -1;
	o->sealed = arena_str(&call->op.arena, buf_str(&sealed));
	buf_fini(&sealed);
	return 0;
}

static void
totp_on_new(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	struct totp_order *o = call->state;
	struct buf secret = BUF_EMPTY;
	struct arena *arena = &call->op.arena;
	struct err failure;
	int64_t step = 0;

	o->sealed = arena_str(arena, redis_str(reply));
	if (err != NULL) {
		admin_call_end(call, err);
	} else if (o->sealed.len == 0) {
		totp_end(call, ERR_NOT_FOUND, "there is no second factor to confirm: begin again");
	} else if (secret_open(call->admin->seals, str_c(o->context), o->sealed, &secret, &failure) != 0 ||
		   totp_seal_anew(call, buf_str(&secret), &failure) != 0) {
		admin_call_end(call, &failure);
	} else if (!totp_fits(buf_str(&secret), o->code, clock_unix_ms(), &step)) {
		totp_end(call, ERR_INVALID, "the code is wrong; is the clock of the device right?");
	} else {
		totp_make_codes(call);
		admin_ask_script(
			call, totp_on_first_used, &admin_totp_first, redis_key(arena, KEY_AUTH_TOTP, str_c(o->address)),
			2, (const struct str[]){str_c(arena_printf(arena, "%" PRId64, step)), STR(TOTP_FIRST_MS)});
	}
	if (secret.len != 0)
		OPENSSL_cleanse(secret.data, secret.len);
	buf_fini(&secret);
}

struct admin_call *
admin_totp_confirm(struct admin *a, struct str address, struct str code, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct totp_order *o;

	if (!totp_take(call, address))
		return call;
	o = call->state;
	o->code = arena_str(&call->op.arena, str_trim(code));
	if (a->seals == NULL)
		admin_call_refuse(call, ERR_DENIED, "there is no key to seal secrets with: set STAGEPOST_SECRET_KEY");
	else
		admin_ask(call, totp_on_new, "GET", totp_new_key(call), 0, NULL);
	return call;
}

/* ---- Taking it away ---- */

static void
totp_on_disabled(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (op_back(&call->op))
		admin_call_end(call, err);
}

struct admin_call *
admin_totp_disable(struct admin *a, struct str address, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);

	if (!totp_take(call, address))
		return call;
	op_hold(&call->op);
	directory_totp_set(a->directory, str_c(((struct totp_order *)call->state)->address), STR_NONE, STR_NONE,
			   totp_on_disabled, call);
	return call;
}
