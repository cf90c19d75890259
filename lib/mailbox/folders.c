/* Folders: listed, made, removed, renamed, subscribed to. */
#include <stdio.h>
#include <stdlib.h>

#include "lib/mailbox/name.h"
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_list, "list.lua");
MAILBOX_SCRIPT(mailbox_script_open, "open.lua");
MAILBOX_SCRIPT(mailbox_script_select, "select.lua");
MAILBOX_SCRIPT(mailbox_script_create, "create.lua");
MAILBOX_SCRIPT(mailbox_script_delete, "delete.lua");
MAILBOX_SCRIPT(mailbox_script_reap, "reap.lua");
MAILBOX_SCRIPT(mailbox_script_rename, "rename.lua");
MAILBOX_SCRIPT(mailbox_script_subscribe, "subscribe.lua");
MAILBOX_SCRIPT(mailbox_script_destroy, "destroy.lua");

/* ---- Answers of the common shapes ---- */

static void
on_done_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;

	(void)reply;
	if (op->cb != NULL)
		((mailbox_on_done *)op->cb)(op->arg, err);
	op_free(op);
}

static void
on_folder_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct mailbox_folder folder;

	if (err == NULL) {
		parse_folder(element(reply, 0), &folder);
		folder.keywords = parse_keywords(element(reply, 1), &op->arena, &folder.keyword_count);
		folder.first_unseen = (uint32_t)redis_i64(element(reply, 2), 0);
	}
	((mailbox_on_folder *)op->cb)(op->arg, err == NULL ? &folder : NULL, err);
	op_free(op);
}

/* The name checked, or the call failed and op given away: then false. */
static bool
take_name(struct op *op, struct str name, redis_on_reply *on_reply, struct str *name_out)
{
	struct err err;

	if (mailbox_name_check(name, &op->arena, name_out, &err) == 0)
		return true;
	op_fail(op, &err, on_reply);
	return false;
}

/* ---- Listing ---- */

static int
by_name(const void *a, const void *b)
{
	const struct mailbox_folder *x = a, *y = b;

	if (x->id == 1 || y->id == 1)
		return x->id == 1 ? -(y->id != 1) : 1;
	return str_cmp(x->name, y->name);
}

static void
on_list(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	mailbox_on_folders *cb = (mailbox_on_folders *)op->cb;
	const redisReply *missing, *doomed;
	struct mailbox_folder *folders;
	struct str *names;
	size_t count;

	if (err != NULL || reply->elements < 2) {
		cb(op->arg, NULL, 0, NULL, 0, err);
		op_free(op);
		return;
	}
	count = reply->elements - 2;
	missing = reply->element[count];
	doomed = reply->element[count + 1];
	folders = arena_array(&op->arena, struct mailbox_folder, count + 1);
	for (size_t i = 0; i < count; i++)
		parse_folder(reply->element[i], &folders[i]);
	qsort(folders, count, sizeof(*folders), by_name);
	names = arena_array(&op->arena, struct str, missing->elements + 1);
	for (size_t i = 0; i < missing->elements; i++)
		names[i] = redis_str(missing->element[i]);
	/* Whoever was removing these has died. */
	for (size_t i = 0; i < doomed->elements; i++)
		reap_folder(op->store, str_c(op->address), (uint64_t)redis_i64(doomed->element[i], 0), NULL, NULL);
	cb(op->arg, folders, (unsigned)count, names, (unsigned)missing->elements, NULL);
	op_free(op);
}

void
mailbox_list(struct mailbox_store *m, struct str address, mailbox_on_folders *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 0);

	op_call(op, &mailbox_script_list, &a, on_list);
}

void
mailbox_open(struct mailbox_store *m, struct str address, struct str name, mailbox_on_folder *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 2);
	struct str checked;

	if (!take_name(op, name, on_folder_reply, &checked))
		return;
	args_add(&a, checked);
	args_add(&a, STR(""));
	op_call(op, &mailbox_script_open, &a, on_folder_reply);
}

void
mailbox_select(struct mailbox_store *m, struct str address, struct str name, bool take_recent, mailbox_on_folder *cb,
	       void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 2);
	struct str checked;

	if (!take_name(op, name, on_folder_reply, &checked))
		return;
	args_add(&a, checked);
	args_add(&a, take_recent ? STR("1") : STR("0"));
	op_call(op, &mailbox_script_select, &a, on_folder_reply);
}

void
mailbox_status(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_folder *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 2);

	args_add(&a, STR(""));
	args_add_u64(&a, folder_id);
	op_call(op, &mailbox_script_open, &a, on_folder_reply);
}

/* ---- Making ---- */

void
mailbox_create(struct mailbox_store *m, struct str address, struct str name, struct str special_use,
	       mailbox_on_folder *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 2);
	struct str checked;

	if (!take_name(op, name, on_folder_reply, &checked))
		return;
	args_add(&a, checked);
	args_add(&a, special_use);
	op_call(op, &mailbox_script_create, &a, on_folder_reply);
}

/* ---- Removing ---- */

static void reap_more(struct op *op);

static void
on_reaped(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;

	drop_references(op->store, redis_str(reply));
	if (err == NULL && redis_str(reply).len != 0) {
		reap_more(op);
		return;
	}
	on_done_reply(op, reply, err);
}

static void
reap_more(struct op *op)
{
	struct args a = args_new(op, 1);

	args_add_u64(&a, (uint64_t)(uintptr_t)op->state);
	op_call(op, &mailbox_script_reap, &a, on_reaped);
}

void
reap_folder(struct mailbox_store *m, struct str address, uint64_t id, mailbox_on_done *done, void *arg)
{
	struct op *op = op_new(m, address, (void *)done, arg);

	op->state = (void *)(uintptr_t)id;
	reap_more(op);
}

static void
on_deleted(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;

	/* The name is gone, which is what was asked for; what the folder held goes
	 * behind the answer, and is found again by the next listing if we die. */
	if (err == NULL)
		reap_folder(op->store, str_c(op->address), (uint64_t)redis_i64(reply, 0), NULL, NULL);
	on_done_reply(op, reply, err);
}

void
mailbox_delete(struct mailbox_store *m, struct str address, struct str name, mailbox_on_done *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 1);
	struct str checked;

	if (!take_name(op, name, on_done_reply, &checked))
		return;
	args_add(&a, checked);
	op_call(op, &mailbox_script_delete, &a, on_deleted);
}

static void destroy_more(struct op *op);

/* One folder after the other; then once more, until none is left. */
static void
on_folder_destroyed(void *arg, const struct err *err)
{
	struct op *op = arg;

	if (err != NULL)
		on_done_reply(op, NULL, err);
	else
		destroy_more(op);
}

static void
on_doomed(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;

	if (err != NULL || reply->elements == 0) {
		on_done_reply(op, reply, err);
		return;
	}
	reap_folder(op->store, str_c(op->address), (uint64_t)redis_i64(reply->element[0], 0), on_folder_destroyed, op);
}

static void
destroy_more(struct op *op)
{
	struct args a = args_new(op, 0);

	op_call(op, &mailbox_script_destroy, &a, on_doomed);
}

void
mailbox_destroy(struct mailbox_store *m, struct str address, mailbox_on_done *cb, void *arg)
{
	destroy_more(op_new(m, address, (void *)cb, arg));
}

/* ---- Renaming ---- */

static void
on_inbox_moved(void *arg, const struct mailbox_copied *copied, const struct err *err)
{
	(void)copied;
	on_done_reply(arg, NULL, err);
}

static void
on_inbox_target(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct op *op = arg;

	(void)folder;
	if (err != NULL) {
		on_done_reply(op, NULL, err);
		return;
	}
	move_all(op->store, str_c(op->address), 1, *(struct str *)op->state, on_inbox_moved, op);
}

void
mailbox_rename(struct mailbox_store *m, struct str address, struct str from, struct str to, mailbox_on_done *cb,
	       void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 2);
	struct str checked_from, checked_to;

	if (!take_name(op, from, on_done_reply, &checked_from) || !take_name(op, to, on_done_reply, &checked_to))
		return;
	if (str_eq(checked_from, STR("INBOX"))) {
		struct str *target = arena_new(&op->arena, struct str);
		*target = checked_to;
		op->state = target;
		mailbox_create(m, address, checked_to, STR_NONE, on_inbox_target, op);
		return;
	}
	args_add(&a, checked_from);
	args_add(&a, checked_to);
	op_call(op, &mailbox_script_rename, &a, on_done_reply);
}

void
mailbox_subscribe(struct mailbox_store *m, struct str address, struct str name, bool subscribed, mailbox_on_done *cb,
		  void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 2);
	struct str checked;

	if (!take_name(op, name, on_done_reply, &checked))
		return;
	args_add(&a, checked);
	args_add(&a, subscribed ? STR("1") : STR("0"));
	op_call(op, &mailbox_script_subscribe, &a, on_done_reply);
}

/* ---- Quota ---- */

typedef void on_quota(void *arg, const struct mailbox_quota *used, const struct err *err);

static void
on_quota_reply(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct mailbox_quota used = {.bytes = (uint64_t)redis_i64(element(reply, 0), 0),
				     .messages = (uint64_t)redis_i64(element(reply, 1), 0)};

	((on_quota *)op->cb)(op->arg, err == NULL ? &used : NULL, err);
	op_free(op);
}

void
mailbox_quota_used(struct mailbox_store *m, struct str address, on_quota *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);

	redis_callf(m->redis, on_quota_reply, op, "HMGET mail:{%s}:meta bytes messages", op->address);
}
