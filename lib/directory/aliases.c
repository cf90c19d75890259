/* Orders about aliases. */
#include "lib/directory/private.h"

REDIS_SCRIPT(directory_alias_change, "lib/directory/alias_change.lua");

/* TARGETS_MAX as an argument. */
#define TO_TEXT(number) #number
#define TEXT_OF(number) TO_TEXT(number)

static struct order *
alias_order(struct directory *d, struct str address, directory_on_done *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	o->set = "aliases";
	return order_take_address(o, address) ? o : NULL;
}

static void
change_alias(struct order *o, redis_on_reply *cb, const char *verb)
{
	const struct str args[] = {str_c(verb), str_c(o->name), STR(TEXT_OF(DIRECTORY_TARGETS_MAX))};
	order_eval_address(o, cb, &directory_alias_change, RECORD_ALIAS, 3, args);
}

static bool
take_targets(struct order *o, const struct str *targets, unsigned count)
{
	if (count > DIRECTORY_TARGETS_MAX) {
		order_refuse(o, ERR_LIMIT, "an alias may have no more than %d targets", DIRECTORY_TARGETS_MAX);
		return false;
	}
	for (unsigned i = 0; i < count; i++) {
		char address[DIRECTORY_ADDRESS_MAX];
		if (!directory_canonical_address(targets[i], address)) {
			order_refuse(o, ERR_INVALID, "\"%.*s\" is not an address",
				     (int)(targets[i].len < 100 ? targets[i].len : 100),
				     targets[i].p != NULL ? targets[i].p : "");
			return false;
		}
		order_add(o, str_c(address));
	}
	return true;
}

/* ---- Adding: check for loops, then the index, the record, the index again, and the address book ---- */
static void
aliases_on_refusal_cleaned(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	(void)err;
	order_end(o, &o->err);
}

static void
on_alias_added(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	(void)reply;
	if (err == NULL)
		order_confirm(o, "");
	else if (err->code == ERR_DENIED) {
		/* It is a user, not an alias, and must not be in that index. */
		o->err = *err;
		order_remove_member(o, aliases_on_refusal_cleaned);
	} else
		order_end(o, err);
}

static void
on_alias_indexed(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	if (err != NULL)
		order_end(arg, err);
	else
		change_alias(arg, on_alias_added, "add");
}

static void
on_targets_walked(void *arg, const struct directory_target *targets, unsigned count, bool is_met, const struct err *err)
{
	struct order *o = arg;
	(void)targets;
	(void)count;
	o->is_walking = false;
	/* This may be within the call, so it is refused a turn later. */
	if (err != NULL)
		order_refuse(o, err->code, "%s", err->text);
	else if (is_met)
		order_refuse(o, ERR_INVALID, "a target points back to the alias %s", o->name);
	else
		order_add_member(o, on_alias_indexed, "");
}

void
directory_alias_add(struct directory *d, struct str address, const struct str *targets, unsigned count,
		    directory_on_done *cb, void *arg)
{
	struct order *o = alias_order(d, address, cb, arg);
	if (o == NULL || !take_targets(o, targets, count))
		return;
	if (count == 0) {
		order_refuse(o, ERR_INVALID, "an alias needs a target");
		return;
	}
	o->is_walking = true;
	directory_walk(d, (const struct str *)(void *)o->pairs.data, count, str_c(o->name), on_targets_walked, o);
}

/* ---- Deleting: the record, then the index, then the address book ---- */
static void
on_alias_unindexed(void *arg, const redisReply *reply, const struct err *err)
{
	(void)reply;
	order_end_with_book(arg, err);
}

static void
on_alias_removed(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	bool is_missing = err != NULL && err->code == ERR_NOT_FOUND && o->pairs.len == 0;
	if (err != NULL)
		o->err = *err;
	if (is_missing || (reply != NULL && redis_i64(reply, 1) == 0))
		order_remove_member(o, on_alias_unindexed);
	else if (err != NULL)
		order_end(o, err);
	else
		order_end_with_book(o, NULL);
}

void
directory_alias_delete(struct directory *d, struct str address, const struct str *targets, unsigned count,
		       directory_on_done *cb, void *arg)
{
	struct order *o = alias_order(d, address, cb, arg);
	if (o != NULL && take_targets(o, targets, count))
		change_alias(o, on_alias_removed, "remove");
}

/* ---- Listing ---- */
void
directory_alias_list(struct directory *d, struct str domain, directory_on_names *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	o->deliver = order_deliver_names;
	o->set = "aliases";
	order_list(o, domain);
}

static void
on_targets(void *arg, const redisReply *reply, const struct err *err)
{
	struct order *o = arg;
	for (size_t i = 0; reply != NULL && i < reply->elements; i++)
		order_add_name(o, redis_str(reply->element[i]));
	if (reply != NULL && reply->elements == 0) {
		err_set(&o->err, ERR_NOT_FOUND, "there is no alias %s", o->name);
		err = &o->err;
	}
	order_end(o, err);
}

void
directory_alias_show(struct directory *d, struct str address, directory_on_names *cb, void *arg)
{
	struct order *o = order_new(d, (void (*)(void))cb, arg);
	o->deliver = order_deliver_names;
	if (order_take_address(o, address))
		order_call_record(o, on_targets, "SMEMBERS", KEY_ALIAS, str_c(o->name));
}
