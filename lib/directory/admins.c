/* The admins of a domain, which are set in the domain: a user in its list has
 * the role domain_admin in his own record, and the reverse. As with every
 * order, the record is changed first and the list after it; repeating the order
 * repairs what a crash left between them. Nothing is changed until all new
 * admins are known to be users. */
#include "lib/directory/private.h"

REDIS_SCRIPT(directory_user_role, "lib/directory/user_role.lua");
REDIS_SCRIPT(directory_member_role, "lib/directory/member.lua");

/* A user who becomes an admin, or stops being one. */
struct admin_change {
	struct str address; /* canonical; in the order's arena */
	bool add;
};

bool
admins_is_field(struct str name)
{
	return str_eq(name, STR("admins")) || str_eq(name, STR("admins+")) || str_eq(name, STR("admins-"));
}

int
admins_take_field(struct order *o, const struct directory_field *field, struct err *err)
{
	struct str words = field->value, word;
	char address[DIRECTORY_ADDRESS_MAX];

	if (o->admins_mode != '\0')
		return err_set(err, ERR_INVALID, "admins are given twice");
	o->admins_mode = field->name.len > 6 ? field->name.p[6] : '=';
	while (str_next_word(&words, " ,", &word)) {
		if (!directory_canonical_address(word, address) ||
		    !str_eq(directory_domain_of(str_c(address)), str_c(o->domain)) || address[0] == '"')
			return err_set(err, ERR_INVALID, "admins: \"%.*s\" is not an address of %s",
				       (int)(word.len < 100 ? word.len : 100), word.p, o->domain);
		order_add_name(o, str_c(address));
	}
	return 0;
}

static bool
admins_have(const struct str *list, size_t count, struct str address)
{
	for (size_t i = 0; i < count; i++)
		if (str_eq(list[i], address))
			return true;
	return false;
}

static void
admins_add_change(struct order *o, struct str address, bool add)
{
	struct admin_change change = {arena_str(&o->arena, address), add};
	buf_add(&o->changes, &change, sizeof(change));
}

/* Computes the changes from the current list to the requested one. A user in
 * the request is processed even if the list has him: his record may not. */
static void
admins_compare(struct order *o, struct str current)
{
	const struct str *named = (const struct str *)(void *)o->names.data;
	size_t count = o->names.len / sizeof(*named);
	struct str address;

	for (size_t i = 0; i < count; i++)
		if (!admins_have(named, i, named[i]))
			admins_add_change(o, named[i], o->admins_mode != '-');
	while (o->admins_mode == '=' && str_next_word(&current, " ", &address))
		if (!admins_have(named, count, address) && str_index(address, '{') < 0 && str_index(address, '}') < 0)
			admins_add_change(o, address, false);
}

/* ---- Step by step ---- */
static void admins_check(struct order *o);
static void admins_apply(struct order *o);

/* The next change, or NULL. Its user becomes the subject of the order meanwhile. */
static const struct admin_change *
admins_next(struct order *o)
{
	const struct admin_change *changes = (const struct admin_change *)(void *)o->changes.data;

	if (o->change_at == o->changes.len / sizeof(*changes))
		return NULL;
	const struct admin_change *change = &changes[o->change_at++];
	str_copy(change->address, o->name, sizeof(o->name));
	return change;
}

static void
admins_eval_user(struct order *o, redis_on_reply *cb, const char *verb)
{
	const struct str args[] = {str_c(verb), str_c(o->name), STR("domain_admin")};
	char text[DIRECTORY_KEY_MAX];
	struct str key = str_of(text, record_key(RECORD_USER, str_c(o->name), text));

	redis_eval(o->redis, cb, o, &directory_user_role, 1, &key, 3, args);
}

static void
on_admin_checked(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	if (err != NULL)
		order_end(arg, err);
	else
		admins_check(arg);
}

static void
admins_check(struct order *o)
{
	const struct admin_change *change;

	while ((change = admins_next(o)) != NULL) {
		if (!change->add)
			continue; /* a deleted user may still be in the list */
		admins_eval_user(o, on_admin_checked, "check");
		return;
	}
	o->change_at = 0;
	admins_apply(o);
}

static void
on_admin_listed(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	char key[DIRECTORY_KEY_MAX];

	(void)reply;
	if (o->d != NULL)
		directory_forget_key(o->d, str_of(key, record_key(RECORD_USER, str_c(o->name), key)));
	if (err != NULL)
		order_end(o, err);
	else
		admins_apply(o);
}

static void
on_admin_role_set(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	const struct admin_change *change = (const struct admin_change *)(void *)o->changes.data + o->change_at - 1;
	const struct str args[] = {STR("role"), STR("users"), str_c(o->name), str_c(o->domain),
				   change->add ? STR("admin") : STR("plain")};

	(void)reply;
	if (err != NULL && (change->add || err->code != ERR_NOT_FOUND))
		order_end(o, err);
	else
		order_eval_domain(o, on_admin_listed, &directory_member_role, 5, args);
}

static void
admins_apply(struct order *o)
{
	const struct admin_change *change = admins_next(o);

	if (change == NULL)
		order_end(o, NULL);
	else
		admins_eval_user(o, on_admin_role_set, change->add ? "add" : "remove");
}

static void
on_admins_read(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;

	if (err != NULL) {
		order_end(o, err);
		return;
	}
	if (redis_str(reply->element[0]).len == 0) {
		err_set(&o->err, ERR_NOT_FOUND, "there is no domain %s", o->domain);
		order_end(o, &o->err);
		return;
	}
	admins_compare(o, redis_str(reply->element[1]));
	admins_check(o);
}

void
admins_change(struct order *o)
{
	redis_call_key(o->redis, on_admins_read, o, "HMGET", redis_key(&o->arena, KEY_DOMAIN, str_c(o->domain)), 2,
		       (const struct str[]){STR("created_ms"), STR("admins")});
}
