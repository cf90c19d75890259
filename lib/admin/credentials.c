#include "lib/admin/credentials.h"

#include <openssl/crypto.h>
#include <string.h>

#include "lib/admin/private.h"
#include "lib/base/clock.h"
#include "lib/redis/keys.h"

struct credential_order {
	struct credential credential;
	char address[DIRECTORY_ADDRESS_MAX];
	/* Once the account is known. */
	void (*on_user)(struct admin_call *call, const struct directory_user *user);
};

static struct credential_order *
credential_order_of(struct admin_call *call)
{
	return call->state;
}

static void
credential_end(struct admin_call *call, enum err_code code, const char *text)
{
	struct err err;

	err_set(&err, code, "%s", text);
	admin_call_end(call, &err);
}

/* ---- The account ---- */

static void
credential_take_user(struct admin_call *call, const struct directory_user *user)
{
	struct credential_order *o = credential_order_of(call);

	if (user == NULL)
		credential_end(call, ERR_NOT_FOUND, "there is no such account");
	else
		o->on_user(call, user);
}

static void
credential_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err != NULL)
		admin_call_end(call, err);
	else
		credential_take_user(call, user);
}

static void
credential_run(struct op *op)
{
	struct admin_call *call = OP_OWNER(op, struct admin_call, op);
	struct directory_user user;
	bool found;

	if (directory_get_user(call->admin->directory, str_c(credential_order_of(call)->address), &user, &found,
			       credential_on_user, call))
		credential_take_user(call, found ? &user : NULL);
	else
		op_hold(&call->op);
}

/* False: refused. */
static bool
credential_begin(struct admin_call *call, struct str address)
{
	struct credential_order *o = arena_new(&call->op.arena, struct credential_order);

	call->state = o;
	if (directory_canonical_address(address, o->address))
		return true;
	admin_call_refuse(call, ERR_INVALID, "'%.*s' is not an address", (int)(address.len < 100 ? address.len : 100),
			  address.p != NULL ? address.p : "");
	return false;
}

/* ---- Telling ---- */

static cJSON *
credential_tell(const struct credential *c)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "id", c->id);
	cJSON_AddStringToObject(o, "name", c->name);
	if (c->kind == CREDENTIAL_TOKEN)
		cJSON_AddStringToObject(o, "role", c->role);
	cJSON_AddNumberToObject(o, "created_ms", (double)c->created_ms);
	if (c->ends_ms != 0)
		cJSON_AddNumberToObject(o, "expires_ms", (double)c->ends_ms);
	return o;
}

/* ---- Adding ---- */

/* What it may do, as a number: each may do what those before it may. -1: no role. */
static int
credential_rank(struct str role)
{
	static const char *const ranks[] = {"user", "domain_admin", "system_admin"};

	for (int i = 0; i < 3; i++)
		if (str_eq(role, str_c(ranks[i])))
			return i;
	return -1;
}

static int
credential_rank_of(const struct directory_user *user)
{
	struct str roles = str_c(user->roles), word;
	int rank = 0;

	while (str_next_word(&roles, " ", &word))
		if (credential_rank(word) > rank)
			rank = credential_rank(word);
	return rank;
}

static void
credential_on_added(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (op_back(&call->op))
		admin_call_end(call, err);
}

static void
credential_store(struct admin_call *call, const struct directory_user *user)
{
	struct credential_order *o = credential_order_of(call);
	struct credential *c = &o->credential;
	struct str prefix = credential_prefix(c->kind);
	char secret[CREDENTIAL_TEXT_MAX];
	struct buf value = BUF_EMPTY;
	struct directory_credential field;

	if (c->kind == CREDENTIAL_TOKEN && credential_rank(str_c(c->role)) > credential_rank_of(user)) {
		credential_end(call, ERR_DENIED, "a token may not do more than its account");
		return;
	}
	credential_make(c, str_c(user->address), secret);
	credential_print(c, &value);
	field.field = arena_printf(&call->op.arena, "%.*s%s", STR_ARG(prefix), c->id);
	field.value = value.data;
	call->result = credential_tell(c);
	cJSON_AddStringToObject(call->result, "secret", secret);
	OPENSSL_cleanse(secret, sizeof(secret));
	op_hold(&call->op);
	directory_credential_add(call->admin->directory, str_c(user->address), prefix, &field, str_c(c->name),
				 CREDENTIAL_MOST, credential_on_added, call);
	buf_fini(&value);
}

/* The order's credential; false: refused. */
static bool
credential_take(struct admin_call *call, const struct admin_credential *wanted)
{
	struct credential *c = &credential_order_of(call)->credential;
	struct str name = str_trim(wanted->name), role = wanted->role.len != 0 ? wanted->role : STR("user");
	bool good = name.len != 0 && str_is_utf8(name) && str_copy(name, c->name, sizeof(c->name));

	for (size_t i = 0; good && i < name.len; i++)
		good = (unsigned char)name.p[i] >= 0x20 && name.p[i] != 0x7f;
	if (!good)
		admin_call_refuse(call, ERR_INVALID, "a name is needed: text of at most %d bytes",
				  CREDENTIAL_NAME_MAX - 1);
	else if (wanted->kind == CREDENTIAL_TOKEN &&
		 (credential_rank(role) < 0 || !str_copy(role, c->role, sizeof(c->role))))
		admin_call_refuse(call, ERR_INVALID, "a role must be user, domain_admin or system_admin");
	else if (wanted->ends_ms != 0 && wanted->ends_ms <= clock_unix_ms())
		admin_call_refuse(call, ERR_INVALID, "the expiry time is in the past");
	else
		return true;
	return false;
}

struct admin_call *
admin_credential_add(struct admin *a, struct str address, const struct admin_credential *credential,
		     admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);
	struct credential_order *o;

	if (!credential_begin(call, address) || !credential_take(call, credential))
		return call;
	o = credential_order_of(call);
	o->credential.kind = credential->kind;
	o->credential.ends_ms = credential->ends_ms;
	o->credential.created_ms = clock_unix_ms();
	o->on_user = credential_store;
	op_later(&call->op, a->base, credential_run);
	return call;
}

/* ---- Listing ---- */

static void
credential_on_used(struct admin_call *call, const redisReply *reply, const struct err *err)
{
	cJSON *item;
	int64_t used_ms;

	if (err == NULL)
		cJSON_ArrayForEach (item, call->result) {
			struct str used =
				redis_field(reply, cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(item, "id")));
			if (str_to_i64(used, &used_ms))
				cJSON_AddNumberToObject(item, "last_used_ms", (double)used_ms);
		}
	admin_call_end(call, err);
}

static void
credential_show(struct admin_call *call, const struct directory_user *user)
{
	const struct credential_order *o = credential_order_of(call);
	struct credential c;

	call->result = cJSON_CreateArray();
	for (unsigned i = 0; i < user->credential_count; i++)
		if (credential_parse(&user->credentials[i], o->credential.kind, &c))
			cJSON_AddItemToArray(call->result, credential_tell(&c));
	admin_ask(call, credential_on_used, "HGETALL", redis_key(&call->op.arena, KEY_AUTH_USED, str_c(user->address)),
		  0, NULL);
}

struct admin_call *
admin_credential_list(struct admin *a, struct str address, enum credential_kind kind, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	if (!credential_begin(call, address))
		return call;
	credential_order_of(call)->credential.kind = kind;
	credential_order_of(call)->on_user = credential_show;
	op_later(&call->op, a->base, credential_run);
	return call;
}

/* ---- Removing ---- */

struct admin_call *
admin_credential_remove(struct admin *a, struct str address, enum credential_kind kind, struct str id_or_name,
			admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct credential_order *o;

	if (!credential_begin(call, address))
		return call;
	o = credential_order_of(call);
	op_hold(&call->op);
	directory_credential_remove(a->directory, str_c(o->address), credential_prefix(kind), id_or_name,
				    credential_on_added, call);
	return call;
}
