/* Orders about the credentials of a user: fields of his record, so that they change with
 * it in one step, are known to all frontends as soon as it is, and end with it. */
#include "lib/directory/private.h"

REDIS_SCRIPT(directory_credential, "lib/directory/credential.lua");
REDIS_SCRIPT(directory_totp, "lib/directory/totp.lua");

static struct order *
credential_order(struct directory *d, struct str address, directory_on_done *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);

	o->set = "users";
	return order_take_address(o, address) ? o : NULL;
}

void
directory_credential_add(struct directory *d, struct str address, struct str kind,
			 const struct directory_credential *credential, struct str name, unsigned most,
			 directory_on_done *cb, void *arg)
{
	struct order *o = credential_order(d, address, cb, arg);

	if (o == NULL)
		return;
	const struct str args[] = {STR("add"),
				   str_c(o->name),
				   kind,
				   str_from(str_c(credential->field), kind.len),
				   name,
				   str_c(arena_printf(&o->arena, "%u", most)),
				   str_c(credential->value)};
	order_eval_address(o, on_order_done, &directory_credential, RECORD_USER, 7, args);
}

void
directory_credential_remove(struct directory *d, struct str address, struct str kind, struct str id_or_name,
			    directory_on_done *cb, void *arg)
{
	struct order *o = credential_order(d, address, cb, arg);

	if (o == NULL)
		return;
	const struct str name = str_c(o->name), args[] = {STR("remove"), name, kind, id_or_name};
	const struct str keys[] = {
		redis_key(&o->arena, KEY_USER, name),
		redis_key(&o->arena, KEY_ALIAS, name),
		redis_key(&o->arena, KEY_AUTH_USED, name),
	};
	redis_eval(o->redis, on_order_done, o, &directory_credential, 3, keys, 4, args);
}

void
directory_totp_set(struct directory *d, struct str address, struct str sealed, struct str recovery,
		   directory_on_done *cb, void *arg)
{
	struct order *o = credential_order(d, address, cb, arg);

	if (o == NULL)
		return;
	const struct str args[] = {str_c(o->name), sealed, recovery};
	order_eval_address(o, on_order_done, &directory_totp, RECORD_USER, 3, args);
}
