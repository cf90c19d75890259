/* Orders: changes that touch several slots, step by step.
 *
 * A record is put only after its name is in the index, and its name is removed
 * from the index only after the record is gone. So a crash leaves at most a
 * superfluous name, which repeating the order repairs. An order continues even
 * if nobody waits for it any more, and even after its directory was freed. */
#include "lib/directory/private.h"

#include <stdio.h>

REDIS_SCRIPT(directory_member, "lib/directory/member.lua");

/* ---- Life ---- */
struct order *
order_new(struct directory *d, void (*cb)(void), void *arg)
{
	struct order *o = mem_new(struct order);
	o->d = d;
	o->redis = d->redis;
	o->cb = cb;
	o->arg = arg;
	o->role = "";
	arena_init(&o->arena);
	DL_APPEND(d->orders, o);
	return o;
}

void
order_free(struct order *o)
{
	if (o->d != NULL)
		DL_DELETE(o->d->orders, o);
	arena_fini(&o->arena);
	buf_fini(&o->pairs);
	buf_fini(&o->names);
	buf_fini(&o->changes);
	mem_free(o);
}

/* The caller sees the effect of its order at once, before the notice arrives. */
static void
forget_changed(struct order *o)
{
	static const enum record_kind kinds[] = {RECORD_USER, RECORD_ALIAS};
	char key[DIRECTORY_KEY_MAX];
	for (int i = 0; i < 2; i++)
		directory_forget_key(o->d, str_of(key, record_key(kinds[i], str_c(o->name), key)));
	directory_forget_key(o->d, str_of(key, record_key(RECORD_DOMAIN, str_c(o->domain), key)));
	directory_forget_key(o->d, str_c(redis_key_pattern(KEY_DOMAINS)));
}

void
order_end(struct order *o, const struct err *err)
{
	if (o->d != NULL)
		forget_changed(o);
	if (o->cb != NULL && o->deliver != NULL)
		o->deliver(o, err);
	else if (o->cb != NULL)
		((directory_on_done *)o->cb)(o->arg, err);
	order_free(o);
}

void
on_order_done(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	order_end(arg, err);
}

static void
on_refused(evutil_socket_t fd, short what, void *arg)
{
	struct order *o = arg;
	(void)fd;
	(void)what;
	order_end(o, &o->err);
}

void
order_refuse(struct order *o, enum err_code code, const char *format, ...)
{
	va_list ap;
	char text[ERR_TEXT_MAX];
	struct timeval now = {0, 0};
	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	err_set(&o->err, code, "%s", text);
	CHECK(event_base_once(o->d->base, -1, EV_TIMEOUT, on_refused, o, &now) == 0);
}

void
orders_cancel(struct directory *d, const void *arg)
{
	for (struct order *o = d->orders; o != NULL; o = o->next)
		if (o->arg == arg)
			o->cb = NULL;
}

void
orders_fini(struct directory *d)
{
	while (d->orders != NULL) {
		struct order *o = d->orders;
		o->cb = NULL;
		DL_DELETE(d->orders, o);
		o->d = NULL;
		if (o->is_walking)
			order_free(o);
	}
}

/* ---- The subject of an order ---- */
bool
order_take_domain(struct order *o, struct str domain)
{
	if (!directory_canonical_domain(domain, o->domain)) {
		order_refuse(o, ERR_INVALID, "\"%.*s\" is not a domain name",
			     (int)(domain.len < 100 ? domain.len : 100), domain.p != NULL ? domain.p : "");
		return false;
	}
	str_copy(str_c(o->domain), o->name, sizeof(o->name));
	return true;
}

bool
order_take_address(struct order *o, struct str address)
{
	if (!directory_canonical_address(address, o->name) || o->name[0] == '"' || strpbrk(o->name, "{}[") != NULL) {
		order_refuse(o, ERR_INVALID, "\"%.*s\" is not an address that an account can have here",
			     (int)(address.len < 100 ? address.len : 100), address.p != NULL ? address.p : "");
		return false;
	}
	str_copy(directory_domain_of(str_c(o->name)), o->domain, sizeof(o->domain));
	return true;
}

void
order_add(struct order *o, struct str text)
{
	struct str copy = arena_str(&o->arena, text);
	buf_add(&o->pairs, &copy, sizeof(copy));
}

void
order_add_name(struct order *o, struct str text)
{
	struct str copy = arena_str(&o->arena, text);
	buf_add(&o->names, &copy, sizeof(copy));
}

/* ---- Commands and scripts ---- */
void
order_call_record(struct order *o, redis_on_reply *cb, const char *verb, enum redis_key key, struct str name)
{
	redis_call_key(o->redis, cb, o, verb, redis_key(&o->arena, key, name), 0, NULL);
}

void
order_call_members(struct order *o, redis_on_reply *cb, const char *verb, const char *set, struct str domain)
{
	order_call_record(o, cb, verb, strcmp(set, "users") == 0 ? KEY_DOMAIN_USERS : KEY_DOMAIN_ALIASES, domain);
}

void
order_call_domains(struct order *o, redis_on_reply *cb, const char *verb)
{
	struct str domain = str_c(o->domain);
	redis_call_key(o->redis, cb, o, verb, str_c(redis_key_pattern(KEY_DOMAINS)), 1, &domain);
}

void
order_eval_domain(struct order *o, redis_on_reply *cb, struct redis_script *script, size_t arg_count,
		  const struct str *args)
{
	struct str domain = str_c(o->domain);
	const struct str keys[] = {
		redis_key(&o->arena, KEY_DOMAIN, domain),	  redis_key(&o->arena, KEY_DOMAIN_USERS, domain),
		redis_key(&o->arena, KEY_DOMAIN_ALIASES, domain), redis_key(&o->arena, KEY_DOMAIN_DKIM, domain),
		redis_key(&o->arena, KEY_BOOK, domain),		  redis_key(&o->arena, KEY_BOOK_LOG, domain),
		redis_key(&o->arena, KEY_BOOK_VERSION, domain),	  redis_key(&o->arena, KEY_BOOK_STATE, domain),
	};
	redis_eval(o->redis, cb, o, script, sizeof(keys) / sizeof(keys[0]), keys, arg_count, args);
}

void
order_eval_address(struct order *o, redis_on_reply *cb, struct redis_script *script, enum record_kind first,
		   size_t arg_count, const struct str *args)
{
	enum record_kind second = first == RECORD_USER ? RECORD_ALIAS : RECORD_USER;
	char text[2][DIRECTORY_KEY_MAX];
	const struct str keys[] = {
		str_of(text[0], record_key(first, str_c(o->name), text[0])),
		str_of(text[1], record_key(second, str_c(o->name), text[1])),
	};
	struct buf all = BUF_EMPTY;
	buf_add(&all, args, arg_count * sizeof(*args));
	buf_add(&all, o->pairs.data, o->pairs.len);
	redis_eval(o->redis, cb, o, script, 2, keys, all.len / sizeof(struct str),
		   (const struct str *)(void *)all.data);
	buf_fini(&all);
}

void
order_add_member(struct order *o, redis_on_reply *cb, const char *role)
{
	const struct str args[] = {STR("add"), str_c(o->set), str_c(o->name), str_c(o->domain), str_c(role)};
	order_eval_domain(o, cb, &directory_member, 5, args);
}

void
order_remove_member(struct order *o, redis_on_reply *cb)
{
	const struct str args[] = {STR("remove"), str_c(o->set), str_c(o->name), str_c(o->domain), STR("")};
	order_eval_domain(o, cb, &directory_member, 5, args);
}

/* Ends with the original error, whatever the result of the clean-up. */
static void
on_cleaned(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	(void)err;
	order_end(o, &o->err);
}

static void
on_confirmed(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	if (reply != NULL) {
		order_end_with_book(o, NULL);
		return;
	}
	if (err->code != ERR_NOT_FOUND && err->code != ERR_DENIED) {
		order_end(o, err);
		return;
	}
	/* The domain was deleted in between. Without this its user would
	 * reappear, with his password, if the domain is created again. */
	o->err = *err;
	order_call_record(o, on_cleaned, "DEL", strcmp(o->set, "users") == 0 ? KEY_USER : KEY_ALIAS, str_c(o->name));
}

void
order_confirm(struct order *o, const char *role)
{
	order_add_member(o, on_confirmed, role);
}

/* ---- Walking through a set ---- */
struct order_walk {
	struct order *o;
	struct str key; /* in the arena */
	order_on_member *on_member;
	order_on_walked *on_end;
};

static void order_walk_on(struct order_walk *w, struct str cursor);

static void
order_on_walk_piece(void *arg, const redisReply *reply, const struct err *err)
{
	struct order_walk *w = arg;
	struct str cursor;
	if (err != NULL) {
		w->on_end(w->o, err);
		return;
	}
	for (size_t i = 0; i < reply->element[1]->elements; i++)
		w->on_member(w->o, redis_str(reply->element[1]->element[i]));
	cursor = redis_str(reply->element[0]);
	if (str_eq(cursor, STR("0")))
		w->on_end(w->o, NULL);
	else
		order_walk_on(w, cursor);
}

static void
order_walk_on(struct order_walk *w, struct str cursor)
{
	redis_call_key(w->o->redis, order_on_walk_piece, w, "SSCAN", w->key, 3,
		       (const struct str[]){cursor, STR("COUNT"), STR("1000")});
}

void
order_walk(struct order *o, struct str key, order_on_member *on_member, order_on_walked *on_end)
{
	struct order_walk *w = arena_new(&o->arena, struct order_walk);
	*w = (struct order_walk){o, arena_str(&o->arena, key), on_member, on_end};
	order_walk_on(w, STR("0"));
}

/* ---- Listing ---- */
static int
order_compare_names(const void *a, const void *b)
{
	return str_cmp(*(const struct str *)a, *(const struct str *)b);
}

/* Each once, though a walk may have reported it twice. */
void
order_deliver_names(struct order *o, const struct err *err)
{
	struct str *names = (struct str *)(void *)o->names.data;
	size_t count = err == NULL ? o->names.len / sizeof(*names) : 0, kept = 0;
	if (count > 0)
		qsort(names, count, sizeof(*names), order_compare_names);
	for (size_t i = 0; i < count; i++)
		if (kept == 0 || !str_eq(names[kept - 1], names[i]))
			names[kept++] = names[i];
	((directory_on_names *)o->cb)(o->arg, names, (unsigned)kept, err);
}

static void
on_members(struct order *o, const struct err *err)
{
	if (err != NULL && o->err.code == ERR_NONE)
		o->err = *err;
	if (--o->waiting == 0)
		order_end(o, o->err.code != ERR_NONE ? &o->err : NULL);
}

static void
list_domain(struct order *o, struct str domain)
{
	enum redis_key set = strcmp(o->set, "users") == 0 ? KEY_DOMAIN_USERS : KEY_DOMAIN_ALIASES;

	o->waiting++;
	order_walk(o, redis_key(&o->arena, set, domain), order_add_name, on_members);
}

static void
on_domain_exists(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	if (err == NULL && redis_i64(reply, 0) == 0) {
		err_set(&o->err, ERR_NOT_FOUND, "there is no domain %s", o->domain);
		order_end(o, &o->err);
	} else if (err != NULL)
		order_end(o, err);
	else
		o->on_found(o);
}

void
order_find_domain(struct order *o, order_on_found *on_found)
{
	o->on_found = on_found;
	order_call_record(o, on_domain_exists, "EXISTS", KEY_DOMAIN, str_c(o->domain));
}

static void
order_list_found(struct order *o)
{
	list_domain(o, str_c(o->domain));
}

void
order_list(struct order *o, struct str domain)
{
	if (domain.len == 0) {
		o->waiting = 1;
		order_walk(o, str_c(redis_key_pattern(KEY_DOMAINS)), list_domain, on_members);
	} else if (order_take_domain(o, domain)) {
		order_find_domain(o, order_list_found);
	}
}
