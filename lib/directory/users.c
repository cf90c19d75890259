/* Orders about users. */
#include <inttypes.h>
#include <openssl/rand.h>

#include "lib/base/bytes.h"
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/directory/private.h"

REDIS_SCRIPT(directory_user_put_script, "lib/directory/user_put.lua");
REDIS_SCRIPT(directory_user_delete_script, "lib/directory/user_delete.lua");

static void
put_user(struct order *o, redis_on_reply *cb, const char *verb)
{
	const struct str args[] = {str_c(verb), str_c(o->name),
				   str_c(arena_printf(&o->arena, "%" PRId64, clock_unix_ms())), o->version};
	order_eval_address(o, cb, &directory_user_put_script, RECORD_USER, 4, args);
}

/* The role that the fields set: "" if they do not mention it. */
static const char *
role_of_fields(const struct directory_field *fields, unsigned count)
{
	const char *role = "";
	struct str words, word;
	for (unsigned i = 0; i < count; i++) {
		if (!str_eq(fields[i].name, STR("roles")))
			continue;
		role = "plain";
		words = fields[i].value;
		while (str_next_word(&words, " ,", &word))
			if (str_eq_ci(word, STR("domain_admin")))
				role = "admin";
	}
	return role;
}

static struct order *
user_order(struct directory *d, struct str address, directory_on_done *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	o->set = "users";
	return order_take_address(o, address) ? o : NULL;
}

static bool
take_fields(struct order *o, const struct directory_field *fields, unsigned count)
{
	struct err err;
	if (order_add_fields(o, directory_user_fields, fields, count, &err) != 0) {
		order_refuse(o, err.code, "%s", err.text);
		return false;
	}
	o->role = role_of_fields(fields, count);
	return true;
}

/* Another for each password that is set, so that a better hash of the same password can be told
 * from a new password. user_put.lua expects the password behind it. */
static void
users_add_password_id(struct order *o)
{
	unsigned char bytes[8];

	CHECK(RAND_bytes(bytes, sizeof(bytes)) == 1);
	order_add(o, STR("password_id"));
	order_add(o, str_c(arena_printf(&o->arena, "%016" PRIx64, bytes_get_u64(bytes))));
}

static void
take_verifiers(struct order *o, struct str password, struct str scram_sha256)
{
	users_add_password_id(o);
	order_add(o, STR("password"));
	order_add(o, password);
	order_add(o, STR("scram_sha256"));
	order_add(o, scram_sha256);
}

/* ---- Adding: the index, the record, the index again, and the address book ---- */
static void
users_on_refusal_cleaned(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	(void)err;
	order_end(o, &o->err);
}

static void
on_user_added(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	if (err == NULL)
		order_confirm(o, *o->role != '\0' ? o->role : "plain");
	else if (err->code == ERR_DENIED) {
		/* It is an alias, not a user, and must not be in that index. */
		o->err = *err;
		order_remove_member(o, users_on_refusal_cleaned);
	} else
		order_end(o, err);
}

static void
on_user_indexed(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	if (err != NULL)
		order_end(arg, err);
	else
		put_user(arg, on_user_added, "add");
}

void
directory_user_add(struct directory *d, struct str address, struct str password, struct str scram_sha256,
		   const struct directory_field *fields, unsigned count, directory_on_done *cb, void *arg)
{
	struct order *o = user_order(d, address, cb, arg);
	if (o == NULL || !take_fields(o, fields, count))
		return;
	take_verifiers(o, password, scram_sha256);
	order_add_member(o, on_user_indexed, "");
}

/* ---- Adding or changing, whichever it takes: in the steps of adding ---- */
static void
on_user_put(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	if (err == NULL)
		order_confirm(o, o->role);
	else
		on_user_added(o, NULL, err);
}

static void
on_user_put_indexed(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	if (err != NULL)
		order_end(arg, err);
	else
		put_user(arg, on_user_put, "put");
}

void
directory_user_put(struct directory *d, struct str address, const struct str *password, const struct str *scram_sha256,
		   const struct directory_field *fields, unsigned count, directory_on_done *cb, void *arg)
{
	struct order *o = user_order(d, address, cb, arg);
	if (o == NULL || !take_fields(o, fields, count))
		return;
	if (password != NULL)
		take_verifiers(o, *password, scram_sha256 != NULL ? *scram_sha256 : STR_NONE);
	order_add_member(o, on_user_put_indexed, "");
}

/* ---- Changing ---- */
static void
on_user_role_listed(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	order_end_with_book(arg, err);
}

static void
on_user_set(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	if (err != NULL)
		order_end(o, err);
	else if (*o->role == '\0')
		order_end_with_book(o, NULL);
	else
		order_add_member(o, on_user_role_listed, o->role);
}

void
directory_user_set(struct directory *d, struct str address, const struct directory_field *fields, unsigned count,
		   directory_on_done *cb, void *arg)
{
	directory_user_change(d, address, STR(""), fields, count, cb, arg);
}

void
directory_user_change(struct directory *d, struct str address, struct str version, const struct directory_field *fields,
		      unsigned count, directory_on_done *cb, void *arg)
{
	struct order *o = user_order(d, address, cb, arg);
	if (o == NULL || !take_fields(o, fields, count))
		return;
	o->version = arena_str(&o->arena, version);
	put_user(o, on_user_set, "set");
}

/* ---- Showing: as it is in the store now ---- */
static void
users_deliver_shown(struct order *o, const struct err *err)
{
	((directory_on_user *)o->cb)(o->arg, err == NULL ? &o->shown_user : NULL, err);
}

static void
users_on_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	struct str version;
	if (err != NULL || o->d == NULL) {
		order_end(o, err);
		return;
	}
	struct record *record = record_new(RECORD_USER, reply);
	version = redis_field(reply, "version");
	o->shown_user = resolve_user(o->d, record, str_c(o->domain));
	o->shown_user.address = o->name;
	o->shown_user.version = arena_dup(&o->arena, version.p, version.len);
	order_end(o, NULL);
	record_unref(&record);
}

void
directory_user_show(struct directory *d, struct str address, directory_on_user *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	o->deliver = users_deliver_shown;
	if (order_take_address(o, address))
		put_user(o, users_on_read, "read");
}

void
directory_user_passwd(struct directory *d, struct str address, struct str password, struct str scram_sha256,
		      directory_on_done *cb, void *arg)
{
	struct order *o = user_order(d, address, cb, arg);
	if (o == NULL)
		return;
	take_verifiers(o, password, scram_sha256);
	put_user(o, on_order_done, "set");
}

/* ---- Deleting: the record, then the index, then the address book ---- */
static void
on_user_unindexed(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	order_end_with_book(arg, err);
}

static void
on_user_deleted(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	if (err != NULL) {
		order_end(o, err);
		return;
	}
	if (redis_i64(reply, 0) == 0)
		err_set(&o->err, ERR_NOT_FOUND, "there is no user %s", o->name);
	order_remove_member(o, on_user_unindexed);
}

void
directory_user_delete(struct directory *d, struct str address, directory_on_done *cb, void *arg)
{
	static const enum redis_key gone[] = {KEY_USER,	     KEY_PHOTO,		KEY_AUTH_USED,	 KEY_AUTH_OK,
					      KEY_AUTH_TOTP, KEY_AUTH_TOTP_NEW, KEY_WEB_SESSIONS};
	struct order *o = user_order(d, address, cb, arg);
	struct str keys[sizeof(gone) / sizeof(gone[0])];
	if (o == NULL)
		return;
	for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++)
		keys[i] = redis_key(&o->arena, gone[i], str_c(o->name));
	redis_eval(o->redis, on_user_deleted, o, &directory_user_delete_script, sizeof(gone) / sizeof(gone[0]), keys, 0,
		   NULL);
}

void
directory_user_list(struct directory *d, struct str domain, directory_on_names *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	o->deliver = order_deliver_names;
	o->set = "users";
	order_list(o, domain);
}

static void
users_on_picked(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	for (size_t i = 0; reply != NULL && i < reply->elements; i++)
		order_add_name(o, redis_str(reply->element[i]));
	order_end(o, err);
}

void
directory_user_pick(struct directory *d, struct str domain, unsigned count, directory_on_names *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	struct str number = str_c(arena_printf(&o->arena, "%u", count));
	o->deliver = order_deliver_names;
	if (order_take_domain(o, domain))
		redis_call_key(o->redis, users_on_picked, o, "SRANDMEMBER",
			       redis_key(&o->arena, KEY_DOMAIN_USERS, str_c(o->domain)), 1, &number);
}
