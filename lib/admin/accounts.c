#include "lib/admin/accounts.h"

#include <string.h>

#include "lib/admin/private.h"
#include "lib/directory/directory.h"
#include "lib/mailbox/mailbox.h"

/* ---- Showing ---- */
cJSON *
accounts_tell_domain(const struct directory_domain *d)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "name", d->name);
	cJSON_AddBoolToObject(o, "disabled", d->disabled);
	cJSON_AddBoolToObject(o, "deleting", d->deleting);
	cJSON_AddStringToObject(o, "catch_all", d->catch_all);
	cJSON_AddStringToObject(o, "admins", d->admins);
	cJSON_AddNumberToObject(o, "max_users", (double)d->max_users);
	cJSON_AddNumberToObject(o, "users", (double)d->users);
	cJSON_AddNumberToObject(o, "aliases", (double)d->aliases);
	cJSON_AddNumberToObject(o, "created_ms", (double)d->created_ms);
	cJSON_AddStringToObject(o, "version", d->version);
	return o;
}

static void
accounts_on_domain(void *arg, const struct directory_domain *d, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err == NULL)
		call->result = accounts_tell_domain(d);
	admin_call_end(call, err);
}

struct admin_call *
admin_domain_show(struct admin *a, struct str domain, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	op_hold(&call->op);
	directory_domain_show(a->directory, domain, accounts_on_domain, call);
	return call;
}

static void
accounts_on_used(void *arg, const struct mailbox_quota *used, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err == NULL) {
		cJSON_AddNumberToObject(call->result, "used_bytes", (double)used->bytes);
		cJSON_AddNumberToObject(call->result, "messages", (double)used->messages);
	}
	admin_call_end(call, err);
}

cJSON *
accounts_tell_user(const struct directory_user *u)
{
	cJSON *o = cJSON_CreateObject();

	cJSON_AddStringToObject(o, "address", u->address);
	cJSON_AddBoolToObject(o, "enabled", u->enabled);
	cJSON_AddStringToObject(o, "display_name", u->display_name);
	cJSON_AddNumberToObject(o, "quota", (double)u->quota_bytes);
	cJSON_AddBoolToObject(o, "own_quota", u->has_quota);
	cJSON_AddStringToObject(o, "roles", u->roles);
	cJSON_AddBoolToObject(o, "has_password", u->password[0] != '\0');
	cJSON_AddNumberToObject(o, "created_ms", (double)u->created_ms);
	cJSON_AddStringToObject(o, "version", u->version);
	cJSON_AddBoolToObject(o, "book", u->is_in_book);
	for (unsigned field = BOOK_DISPLAY_NAME + 1; field < BOOK_FIELD_END; field++) {
		struct str value = directory_user_field(u, (enum book_field)field);
		if (value.len != 0)
			admin_add_str(o, book_field_name((enum book_field)field), value);
	}
	return o;
}

/* Adds what the account contains to what the account is. */
static void
accounts_on_user(void *arg, const struct directory_user *user, const struct err *err)
{
	struct admin_call *call = arg;

	if (!op_back(&call->op))
		return;
	if (err != NULL) {
		admin_call_end(call, err);
		return;
	}
	call->result = accounts_tell_user(user);
	op_hold(&call->op);
	mailbox_quota_used(call->admin->mailboxes, str_c(user->address), accounts_on_used, call);
}

struct admin_call *
admin_user_show(struct admin *a, struct str address, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	op_hold(&call->op);
	directory_user_show(a->directory, address, accounts_on_user, call);
	return call;
}

/* ---- The list of aliases with their targets ---- */
struct aliases {
	unsigned due; /* of the requests for targets */
};

struct alias_question {
	struct admin_call *call;
	cJSON *targets; /* borrowed: the result's */
};

static void
aliases_on_targets(void *arg, const struct str *targets, unsigned count, const struct err *err)
{
	struct alias_question *q = arg;
	struct admin_call *call = q->call;
	struct aliases *l = call->state;

	if (!op_back(&call->op))
		return;
	admin_call_note(call, err);
	for (unsigned i = 0; err == NULL && i < count; i++)
		cJSON_AddItemToArray(q->targets,
				     cJSON_CreateString(arena_dup(&call->op.arena, targets[i].p, targets[i].len)));
	if (--l->due == 0)
		admin_call_end(call, call->failure.code != ERR_NONE ? &call->failure : NULL);
}

static void
aliases_on_names(void *arg, const struct str *names, unsigned count, const struct err *err)
{
	struct admin_call *call = arg;
	struct arena *arena = &call->op.arena;
	struct aliases *l = call->state;
	struct str *copies;

	if (!op_back(&call->op))
		return;
	if (err != NULL || count == 0) {
		admin_call_end(call, err);
		return;
	}
	copies = arena_array(arena, struct str, count);
	for (unsigned i = 0; i < count; i++)
		copies[i] = arena_str(arena, names[i]);
	l->due = count;
	for (unsigned i = 0; i < count; i++) {
		struct alias_question *q = arena_new(arena, struct alias_question);
		q->call = call;
		q->targets = cJSON_AddArrayToObject(call->result, arena_dup(arena, copies[i].p, copies[i].len));
		op_hold(&call->op);
		directory_alias_show(call->admin->directory, copies[i], aliases_on_targets, q);
	}
}

struct admin_call *
admin_alias_list(struct admin *a, struct str domain, admin_on_result *cb, void *arg)
{
	struct admin_call *call = admin_call_new(a, cb, arg);

	call->state = arena_new(&call->op.arena, struct aliases);
	call->result = cJSON_CreateObject();
	op_hold(&call->op);
	directory_alias_list(a->directory, domain, aliases_on_names, call);
	return call;
}
