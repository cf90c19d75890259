/* A remote account is changed. */
#include <string.h>

#include "lib/admin/retrieve_private.h"
#include "lib/base/clock.h"

/* Whoever does not know the secret must not have it sent elsewhere, or in clear. */
static int
set_check_way(const struct retrieve_order *o, const struct retrieve_account *old, const struct retrieve_account *new,
	      struct err *err)
{
	if (!o->by_user || o->secret.len != 0 ||
	    (old->port == new->port && old->tls == new->tls && old->any_certificate == new->any_certificate &&
	     old->auth == new->auth &&strcmp(old->token_url, new->token_url) == 0))
		return 0;
	return err_set(err, ERR_INVALID, "%s: it is needed to change where it is sent",
		       new->auth == RETRIEVE_OAUTH2 ? "refresh_token" : "password");
}

static int
set_edit(void *arg, struct retrieve_account *a, struct arena *arena, struct err *err)
{
	struct admin_call *call = arg;
	struct retrieve_order *o = retrieve_order_of(call);
	const struct retrieve_account old = *a;

	if (retrieve_order_set_fields(a, o, arena, err) != 0 || set_check_way(o, &old, a, err) != 0)
		return -1;
	return retrieve_order_seal(call->admin, a, o, arena, err);
}

static void
set_on_done(void *arg, const struct err *err)
{
	struct admin_call *call = arg;

	if (op_back(&call->op))
		retrieve_order_end(call, err);
}

/* Is it another grant now? */
static bool
set_is_of_login(const struct retrieve_order *o)
{
	static const char *const login[] = {"auth", "token_url", "client_id", "scope", NULL};

	for (unsigned i = 0; i < o->count; i++)
		for (unsigned k = 0; login[k] != NULL; k++)
			if (str_eq(o->fields[i].name, str_c(login[k])))
				return true;
	return o->secret.len != 0 || o->client_secret.len != 0;
}

/* The access token that is kept is of the grant before. */
static void
set_on_set(void *arg, const struct err *err)
{
	const struct str none[] = {STR("access"), STR(""), STR("access_until"), STR("0")};
	struct admin_call *call = arg;
	const struct retrieve_order *o = retrieve_order_of(call);

	if (!op_back(&call->op))
		return;
	if (err != NULL || !set_is_of_login(o)) {
		retrieve_order_end(call, err);
		return;
	}
	op_hold(&call->op);
	retrieve_note(call->admin->redis, str_c(o->account.address), o->id, 4, none, set_on_done, call);
}

/* False: refused. */
static bool
set_is_allowed(struct admin_call *call)
{
	static const char *const fixed[] = {"protocol", "host", "user", "folder", "folders", "mirror", "once", NULL};
	const struct retrieve_order *o = retrieve_order_of(call);

	for (unsigned i = 0; i < o->count; i++)
		for (unsigned k = 0; fixed[k] != NULL; k++)
			if (str_eq(o->fields[i].name, str_c(fixed[k]))) {
				retrieve_order_refuse(call, ERR_INVALID,
						      "%s: it cannot be changed; add another remote account", fixed[k]);
				return false;
			}
	return true;
}

struct admin_call *
admin_retrieve_set(struct admin *a, struct str id, const struct admin_retrieve *wanted, admin_on_done *cb, void *arg)
{
	struct admin_call *call = admin_call_new_order(a, cb, arg);
	struct retrieve_order *o = retrieve_order_new(call, wanted);

	if (o == NULL || !set_is_allowed(call))
		return call;
	o->id = arena_str(&call->op.arena, id);
	call->on_cancel = retrieve_order_on_cancel;
	op_hold(&call->op);
	/* Due at once: what was changed shows. */
	retrieve_change(a->redis, str_c(o->account.address), o->id, set_edit, call,
			o->by_user ? RETRIEVE_SOON : clock_unix_ms(), set_on_set, call);
	return call;
}
