/* Orders about domains. */
#include <inttypes.h>

#include "lib/base/clock.h"
#include "lib/directory/private.h"

REDIS_SCRIPT(directory_domain_put, "lib/directory/domain_put.lua");
REDIS_SCRIPT(directory_domain_remove, "lib/directory/domain_delete.lua");

static void
put_domain(struct order *o, const char *verb, redis_on_reply *cb)
{
	struct buf args = BUF_EMPTY;
	const struct str head[] = {str_c(verb), str_c(o->domain),
				   str_c(arena_printf(&o->arena, "%" PRId64, clock_unix_ms())), o->version};
	buf_add(&args, head, sizeof(head));
	buf_add(&args, o->pairs.data, o->pairs.len);
	order_eval_domain(o, cb, &directory_domain_put, args.len / sizeof(struct str),
			  (const struct str *)(void *)args.data);
	buf_fini(&args);
}

static void
on_domain_indexed(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	if (err != NULL)
		order_end(arg, err);
	else
		put_domain(arg, "add", on_order_done);
}

void
directory_domain_add(struct directory *d, struct str domain, const struct directory_field *fields, unsigned count,
		     directory_on_done *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	struct err err;
	if (!order_take_domain(o, domain))
		return;
	if (order_add_fields(o, directory_domain_fields, fields, count, &err) != 0) {
		order_refuse(o, err.code, "%s", err.text);
		return;
	}
	order_call_domains(o, on_domain_indexed, "SADD");
}

/* ---- Changing: the record's own fields, then the admins ---- */
static void
on_domain_put(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	if (err != NULL || o->admins_mode == '\0')
		order_end(o, err);
	else
		admins_change(o);
}

static int
take_domain_fields(struct order *o, const struct directory_field *fields, unsigned count, struct err *err)
{
	for (unsigned i = 0; i < count; i++) {
		int rc = admins_is_field(fields[i].name)
				 ? admins_take_field(o, &fields[i], err)
				 : order_add_fields(o, directory_domain_fields, &fields[i], 1, err);
		if (rc != 0)
			return -1;
	}
	return 0;
}

void
directory_domain_set(struct directory *d, struct str domain, const struct directory_field *fields, unsigned count,
		     directory_on_done *cb, void *arg)
{
	directory_domain_change(d, domain, STR(""), fields, count, cb, arg);
}

void
directory_domain_change(struct directory *d, struct str domain, struct str version,
			const struct directory_field *fields, unsigned count, directory_on_done *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	struct err err;
	o->version = arena_str(&o->arena, version);
	if (!order_take_domain(o, domain))
		return;
	if (take_domain_fields(o, fields, count, &err) != 0)
		order_refuse(o, err.code, "%s", err.text);
	else
		put_domain(o, "set", on_domain_put);
}

/* ---- Deleting ----
 * Forced: additions are blocked; the users and aliases are deleted, then the
 * domain, then its name. */
static void
on_unlisted(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	order_end(o, o->err.code != ERR_NONE ? &o->err : err);
}

static void
on_domain_deleted(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	if (err != NULL && err->code != ERR_NOT_FOUND) {
		order_end(o, err);
		return;
	}
	if (err != NULL)
		o->err = *err;
	order_call_domains(o, on_unlisted, "SREM");
}

static void
delete_domain(struct order *o, redis_on_reply *cb, const char *how)
{
	const struct str args[] = {str_c(how), str_c(o->domain)};
	order_eval_domain(o, cb, &directory_domain_remove, 2, args);
}

static void
on_record_deleted(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	if (err != NULL && o->err.code == ERR_NONE)
		o->err = *err;
	if (--o->waiting > 0)
		return;
	if (o->err.code != ERR_NONE)
		order_end(o, &o->err);
	else
		delete_domain(o, on_domain_deleted, "end");
}

static void
delete_user(struct order *o, struct str address)
{
	o->waiting++;
	order_call_record(o, on_record_deleted, "DEL", KEY_USER, address);
}

static void
delete_alias(struct order *o, struct str address)
{
	o->waiting++;
	order_call_record(o, on_record_deleted, "DEL", KEY_ALIAS, address);
}

static void
on_members_deleted(struct order *o, const struct err *err)
{
	on_record_deleted(o, NULL, err);
}

static void
on_deleting(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	if (err != NULL) {
		on_domain_deleted(o, NULL, err);
		return;
	}
	o->waiting = 2;
	order_walk(o, redis_key(&o->arena, KEY_DOMAIN_USERS, str_c(o->domain)), delete_user, on_members_deleted);
	order_walk(o, redis_key(&o->arena, KEY_DOMAIN_ALIASES, str_c(o->domain)), delete_alias, on_members_deleted);
}

void
directory_domain_delete(struct directory *d, struct str domain, bool forced, directory_on_done *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	if (!order_take_domain(o, domain))
		return;
	if (forced)
		delete_domain(o, on_deleting, "begin");
	else
		delete_domain(o, on_domain_deleted, "empty");
}

void
directory_domain_close(struct directory *d, struct str domain, directory_on_done *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	if (order_take_domain(o, domain))
		delete_domain(o, on_order_done, "begin");
}

/* ---- Showing ---- */
void
directory_domain_list(struct directory *d, directory_on_names *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	o->deliver = order_deliver_names;
	order_walk(o, str_c(redis_key_pattern(KEY_DOMAINS)), order_add_name, order_end);
}

static void
deliver_domain(struct order *o, const struct err *err)
{
	((directory_on_domain *)o->cb)(o->arg, err == NULL ? &o->shown : NULL, err);
}

static void
on_alias_count(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	o->shown.aliases = (uint64_t)redis_i64(reply, 0);
	order_end(o, o->err.code != ERR_NONE ? &o->err : err);
}

static void
on_user_count(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)err; /* the next answer will have the same error */
	o->shown.users = (uint64_t)redis_i64(reply, 0);
}

static void
on_domain_record(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	if (err != NULL) {
		o->err = *err;
		return;
	}
	struct record *record = record_new(RECORD_DOMAIN, reply);
	struct str version = redis_field(reply, "version");
	o->shown.name = o->domain;
	o->shown.created_ms = record->domain.created_ms;
	o->shown.disabled = record->domain.disabled;
	o->shown.deleting = redis_field(reply, "deleting").len != 0;
	o->shown.catch_all = arena_strdup(&o->arena, record->domain.catch_all);
	o->shown.max_users = record->domain.max_users;
	o->shown.admins = arena_strdup(&o->arena, record->domain.admins);
	o->shown.version = arena_dup(&o->arena, version.p, version.len);
	record_unref(&record);
}

void
directory_domain_show(struct directory *d, struct str domain, directory_on_domain *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	o->deliver = deliver_domain;
	if (!order_take_domain(o, domain))
		return;
	/* Answers come in the order of the requests: the last one ends the order. */
	put_domain(o, "read", on_domain_record);
	order_call_members(o, on_user_count, "SCARD", "users", str_c(o->domain));
	order_call_members(o, on_alias_count, "SCARD", "aliases", str_c(o->domain));
}
