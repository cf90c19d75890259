#include "lib/acme/store.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lib/acme/key.h"
#include "lib/base/arena.h"
#include "lib/base/check.h"

REDIS_SCRIPT(acme_work_script, "lib/acme/work.lua");

enum { NUMBER_MAX = 24, STORE_ARGS_MAX = 8 };

/* The arguments of one call of the script. */
struct store_args {
	struct str list[STORE_ARGS_MAX];
	char numbers[STORE_ARGS_MAX][NUMBER_MAX];
	size_t count;
};

static void
store_add(struct store_args *a, struct str text)
{
	CHECK(a->count < STORE_ARGS_MAX);
	a->list[a->count++] = text;
}

static void
store_add_number(struct store_args *a, int64_t number)
{
	CHECK(a->count < STORE_ARGS_MAX);
	snprintf(a->numbers[a->count], NUMBER_MAX, "%" PRId64, number);
	a->list[a->count] = str_c(a->numbers[a->count]);
	a->count++;
}

static struct str
store_key(enum redis_key key)
{
	return str_c(redis_key_pattern(key));
}

/* one: the key that the verb names; empty: none. */
static void
store_call(struct redis *r, const struct store_args *a, struct str one, redis_on_reply *cb, void *arg)
{
	const struct str keys[] = {store_key(KEY_ACME_WORK),  store_key(KEY_ACME_ACCOUNTS),
				   store_key(KEY_ACME_NAMES), store_key(KEY_ACME_INDEX),
				   store_key(KEY_ACME_RENEW), one.len != 0 ? one : store_key(KEY_ACME_WORK)};

	redis_eval(r, cb, arg, &acme_work_script, sizeof(keys) / sizeof(keys[0]), keys, a->count, a->list);
}

/* Calls it with the key of a name or a token, which lives for the call only. */
static void
store_call_on(struct redis *r, const struct store_args *a, enum redis_key key, struct str part, redis_on_reply *cb,
	      void *arg)
{
	struct arena arena;

	arena_init(&arena);
	store_call(r, a, redis_key(&arena, key, part), cb, arg);
	arena_fini(&arena);
}

/* ---- The lease ---- */

void
acme_lease_take(struct redis *r, const char *holder, redis_on_reply *cb, void *arg)
{
	struct store_args a = {.count = 0};

	store_add(&a, STR("take"));
	store_add(&a, str_c(holder));
	store_add_number(&a, ACME_LEASE_MS);
	store_call(r, &a, STR_NONE, cb, arg);
}

static void
store_begin(struct store_args *a, const char *verb, int64_t fence)
{
	a->count = 0;
	store_add(a, str_c(verb));
	store_add_number(a, fence);
}

void
acme_lease_keep(struct redis *r, int64_t fence, redis_on_reply *cb, void *arg)
{
	struct store_args a;

	store_begin(&a, "keep", fence);
	store_add_number(&a, ACME_LEASE_MS);
	store_call(r, &a, STR_NONE, cb, arg);
}

void
acme_lease_drop(struct redis *r, int64_t fence)
{
	struct store_args a;

	store_begin(&a, "drop", fence);
	store_call(r, &a, STR_NONE, NULL, NULL);
}

/* ---- Reading ---- */

void
acme_read_accounts(struct redis *r, redis_on_reply *cb, void *arg)
{
	redis_call_key(r, cb, arg, "HGETALL", store_key(KEY_ACME_ACCOUNTS), 0, NULL);
}

void
acme_read_names(struct redis *r, redis_on_reply *cb, void *arg)
{
	redis_call_key(r, cb, arg, "HGETALL", store_key(KEY_ACME_NAMES), 0, NULL);
}

void
acme_read_index(struct redis *r, redis_on_reply *cb, void *arg)
{
	redis_call_key(r, cb, arg, "HGETALL", store_key(KEY_ACME_INDEX), 0, NULL);
}

void
acme_read_renewals(struct redis *r, redis_on_reply *cb, void *arg)
{
	redis_call_key(r, cb, arg, "SMEMBERS", store_key(KEY_ACME_RENEW), 0, NULL);
}

void
acme_read_work(struct redis *r, redis_on_reply *cb, void *arg)
{
	redis_call_key(r, cb, arg, "HGETALL", store_key(KEY_ACME_WORK), 0, NULL);
}

void
acme_read_certificate(struct redis *r, struct str name, redis_on_reply *cb, void *arg)
{
	struct arena arena;

	arena_init(&arena);
	redis_call_key(r, cb, arg, "HMGET", redis_key(&arena, KEY_ACME_CERTIFICATE, name), 3,
		       (const struct str[]){STR("entry"), STR("chain"), STR("key")});
	arena_fini(&arena);
}

void
acme_read_challenge(struct redis *r, struct str token, redis_on_reply *cb, void *arg)
{
	struct arena arena;

	arena_init(&arena);
	redis_call_key(r, cb, arg, "GET", redis_key(&arena, KEY_ACME_CHALLENGE, token), 0, NULL);
	arena_fini(&arena);
}

bool
acme_token_is_valid(struct str token)
{
	for (size_t i = 0; i < token.len; i++) {
		char c = (char)(token.p[i] | 0x20);
		if (!((c >= 'a' && c <= 'z') || (token.p[i] >= '0' && token.p[i] <= '9') || token.p[i] == '-' ||
		      token.p[i] == '_'))
			return false;
	}
	return token.len != 0 && token.len <= ACME_TOKEN_MAX;
}

/* ---- Writing, under the fence ---- */

void
acme_write_trouble(struct redis *r, int64_t fence, const char *problem, int64_t rest_until_ms, redis_on_reply *cb,
		   void *arg)
{
	struct store_args a;

	store_begin(&a, "trouble", fence);
	store_add(&a, str_c(problem));
	store_add_number(&a, rest_until_ms);
	store_call(r, &a, STR_NONE, cb, arg);
}

static char *
store_json(const cJSON *o)
{
	char *text = cJSON_PrintUnformatted(o);

	CHECK(text != NULL);
	return text;
}

void
acme_write_account(struct redis *r, int64_t fence, const char *directory, const cJSON *account, redis_on_reply *cb,
		   void *arg)
{
	struct store_args a;
	char *text = store_json(account);

	store_begin(&a, "account", fence);
	store_add(&a, str_c(directory));
	store_add(&a, str_c(text));
	store_call(r, &a, STR_NONE, cb, arg);
	cJSON_free(text);
}

void
acme_write_name(struct redis *r, int64_t fence, struct str name, const cJSON *state, redis_on_reply *cb, void *arg)
{
	struct store_args a;
	char *text = state != NULL ? store_json(state) : NULL;

	store_begin(&a, "name", fence);
	store_add(&a, name);
	store_add(&a, str_c(text));
	store_call(r, &a, STR_NONE, cb, arg);
	cJSON_free(text);
}

void
acme_write_challenge(struct redis *r, int64_t fence, struct str token, struct str text, redis_on_reply *cb, void *arg)
{
	struct store_args a;

	CHECK(acme_token_is_valid(token));
	store_begin(&a, "challenge", fence);
	store_add(&a, text);
	store_add_number(&a, ACME_CHALLENGE_MS);
	store_call_on(r, &a, KEY_ACME_CHALLENGE, token, cb, arg);
}

void
acme_write_certificate(struct redis *r, int64_t fence, struct str name, const cJSON *entry, struct str chain,
		       struct str sealed_key, const cJSON *state, redis_on_reply *cb, void *arg)
{
	struct store_args a;
	char *entry_text = store_json(entry), *state_text = store_json(state);

	store_begin(&a, "certificate", fence);
	store_add(&a, name);
	store_add(&a, str_c(entry_text));
	store_add(&a, chain);
	store_add(&a, sealed_key);
	store_add(&a, str_c(state_text));
	store_call_on(r, &a, KEY_ACME_CERTIFICATE, name, cb, arg);
	cJSON_free(entry_text);
	cJSON_free(state_text);
}

void
acme_write_gone(struct redis *r, int64_t fence, struct str name, redis_on_reply *cb, void *arg)
{
	struct store_args a;

	store_begin(&a, "gone", fence);
	store_add(&a, name);
	store_call_on(r, &a, KEY_ACME_CERTIFICATE, name, cb, arg);
}

/* ---- For operators ---- */

void
acme_ask_renewal(struct redis *r, struct str name, redis_on_reply *cb, void *arg)
{
	struct store_args a = {.count = 0};

	store_add(&a, STR("ask"));
	store_add(&a, name);
	store_call(r, &a, STR_NONE, cb, arg);
}

void
acme_forget(struct redis *r, struct str name, redis_on_reply *cb, void *arg)
{
	struct store_args a = {.count = 0};

	store_add(&a, STR("forget"));
	store_add(&a, name);
	store_call_on(r, &a, KEY_ACME_CERTIFICATE, name, cb, arg);
}

/* ---- Keys ---- */

void
acme_key_context(const char *kind, struct str owner, struct buf *out)
{
	buf_printf(out, "acme %s %.*s", kind, STR_ARG(owner));
}

int
acme_seal_key(const struct secret_keys *keys, const char *kind, struct str owner, EVP_PKEY *key, struct buf *sealed_out,
	      struct err *err)
{
	struct buf pem = BUF_EMPTY, context = BUF_EMPTY;
	int result;

	acme_key_context(kind, owner, &context);
	acme_key_write(key, &pem);
	result = secret_seal(keys, buf_str(&context), buf_str(&pem), sealed_out, err);
	acme_key_wipe(&pem);
	buf_fini(&context);
	return result;
}

EVP_PKEY *
acme_open_key(const struct secret_keys *keys, const char *kind, struct str owner, struct str sealed, struct err *err)
{
	struct buf pem = BUF_EMPTY, context = BUF_EMPTY;
	EVP_PKEY *key = NULL;

	acme_key_context(kind, owner, &context);
	if (secret_open(keys, buf_str(&context), sealed, &pem, err) == 0) {
		key = acme_key_read(buf_str(&pem));
		if (key == NULL)
			err_set(err, ERR_CORRUPT, "what is sealed is not a key");
	}
	acme_key_wipe(&pem);
	buf_fini(&context);
	return key;
}

/* ---- JSON of the store ---- */

const char *
acme_text_of(const cJSON *o, const char *name)
{
	const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(o, name));

	return text != NULL ? text : "";
}

int64_t
acme_number_of(const cJSON *o, const char *name)
{
	const cJSON *n = cJSON_GetObjectItemCaseSensitive(o, name);

	return cJSON_IsNumber(n) && n->valuedouble > -9e15 && n->valuedouble < 9e15 ? (int64_t)n->valuedouble : 0;
}
