/* Folders: listed, made, removed, renamed, subscribed to. */
#include <stdlib.h>

#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_list, "list.lua");
MAILBOX_SCRIPT(mailbox_script_open, "open.lua");
MAILBOX_SCRIPT(mailbox_script_select, "select.lua");
MAILBOX_SCRIPT(mailbox_script_create, "create.lua");
MAILBOX_SCRIPT(mailbox_script_rename, "rename.lua");
MAILBOX_SCRIPT(mailbox_script_subscribe, "subscribe.lua");

static void
folders_on_one(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct mailbox_folder folder;

	if (err == NULL) {
		mailbox_parse_folder(mailbox_element(reply, 0), &folder);
		folder.keywords =
			mailbox_parse_keywords(mailbox_element(reply, 1), &call->op.arena, &folder.keyword_count);
		folder.first_unseen = (uint32_t)redis_i64(mailbox_element(reply, 2), 0);
	}
	call->on.folder(call->arg, err == NULL ? &folder : NULL, err);
	mailbox_call_end(call);
}

/* ---- Listing ---- */

static int
folders_by_name(const void *a, const void *b)
{
	const struct mailbox_folder *x = a, *y = b;

	if (x->id == 1 || y->id == 1)
		return x->id == 1 ? -(y->id != 1) : 1;
	return str_cmp(x->name, y->name);
}

static void
folders_on_list(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const redisReply *missing, *doomed;
	struct mailbox_folder *folders;
	struct str *names;
	size_t count;

	if (err != NULL || reply->elements < 2) {
		call->on.folders(call->arg, NULL, 0, NULL, 0, err);
		mailbox_call_end(call);
		return;
	}
	count = reply->elements - 2;
	missing = reply->element[count];
	doomed = reply->element[count + 1];
	folders = arena_array(&call->op.arena, struct mailbox_folder, count + 1);
	for (size_t i = 0; i < count; i++)
		mailbox_parse_folder(reply->element[i], &folders[i]);
	qsort(folders, count, sizeof(*folders), folders_by_name);
	names = arena_array(&call->op.arena, struct str, missing->elements + 1);
	for (size_t i = 0; i < missing->elements; i++)
		names[i] = redis_str(missing->element[i]);
	/* Whoever was removing these has died. */
	for (size_t i = 0; i < doomed->elements; i++)
		mailbox_reap(call->store, str_c(call->address), (uint64_t)redis_i64(doomed->element[i], 0), NULL, NULL);
	call->on.folders(call->arg, folders, (unsigned)count, names, (unsigned)missing->elements, NULL);
	mailbox_call_end(call);
}

void
mailbox_list(struct mailbox_store *m, struct str address, mailbox_on_folders *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folders = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 0);

	mailbox_call_script(call, &mailbox_script_list, &a, folders_on_list);
}

void
mailbox_open(struct mailbox_store *m, struct str address, struct str name, mailbox_on_folder *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 2);
	struct str checked;

	if (!mailbox_call_name(call, name, folders_on_one, &checked))
		return;
	mailbox_args_add(&a, checked);
	mailbox_args_add(&a, STR(""));
	mailbox_call_script(call, &mailbox_script_open, &a, folders_on_one);
}

void
mailbox_select(struct mailbox_store *m, struct str address, struct str name, bool take_recent, mailbox_on_folder *cb,
	       void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 2);
	struct str checked;

	if (!mailbox_call_name(call, name, folders_on_one, &checked))
		return;
	mailbox_args_add(&a, checked);
	mailbox_args_add(&a, take_recent ? STR("1") : STR("0"));
	mailbox_call_script(call, &mailbox_script_select, &a, folders_on_one);
}

void
mailbox_status(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_folder *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 2);

	mailbox_args_add(&a, STR(""));
	mailbox_args_add_u64(&a, folder_id);
	mailbox_call_script(call, &mailbox_script_open, &a, folders_on_one);
}

/* ---- Making ---- */

void
mailbox_create(struct mailbox_store *m, struct str address, struct str name, struct str special_use,
	       mailbox_on_folder *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 2);
	struct str checked;

	if (!mailbox_call_name(call, name, folders_on_one, &checked))
		return;
	mailbox_args_add(&a, checked);
	mailbox_args_add(&a, special_use);
	mailbox_call_script(call, &mailbox_script_create, &a, folders_on_one);
}

/* ---- Renaming ---- */

static void
folders_on_inbox_moved(void *arg, const struct mailbox_copied *copied, const struct err *err)
{
	(void)copied;
	mailbox_call_done(arg, NULL, err);
}

static void
folders_on_inbox_target(void *arg, const struct mailbox_folder *folder, const struct err *err)
{
	struct mailbox_call *call = arg;

	(void)folder;
	if (err != NULL) {
		mailbox_call_done(call, NULL, err);
		return;
	}
	mailbox_move_all(call->store, str_c(call->address), 1, *(struct str *)call->state, folders_on_inbox_moved,
			 call);
}

void
mailbox_rename(struct mailbox_store *m, struct str address, struct str from, struct str to, mailbox_on_done *cb,
	       void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 2);
	struct str checked_from, checked_to;

	if (!mailbox_call_name(call, from, mailbox_call_done, &checked_from) ||
	    !mailbox_call_name(call, to, mailbox_call_done, &checked_to))
		return;
	if (str_eq(checked_from, STR("INBOX"))) {
		struct str *target = arena_new(&call->op.arena, struct str);
		*target = checked_to;
		call->state = target;
		mailbox_create(m, address, checked_to, STR_NONE, folders_on_inbox_target, call);
		return;
	}
	mailbox_args_add(&a, checked_from);
	mailbox_args_add(&a, checked_to);
	mailbox_call_script(call, &mailbox_script_rename, &a, mailbox_call_done);
}

void
mailbox_subscribe(struct mailbox_store *m, struct str address, struct str name, bool subscribed, mailbox_on_done *cb,
		  void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct mailbox_args a = mailbox_args_new(call, 2);
	struct str checked;

	if (!mailbox_call_name(call, name, mailbox_call_done, &checked))
		return;
	mailbox_args_add(&a, checked);
	mailbox_args_add(&a, subscribed ? STR("1") : STR("0"));
	mailbox_call_script(call, &mailbox_script_subscribe, &a, mailbox_call_done);
}

/* ---- Quota ---- */

static void
folders_on_quota(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct mailbox_quota used = {.bytes = (uint64_t)redis_i64(mailbox_element(reply, 0), 0),
				     .messages = (uint64_t)redis_i64(mailbox_element(reply, 1), 0)};

	call->on.quota(call->arg, err == NULL ? &used : NULL, err);
	mailbox_call_end(call);
}

void
mailbox_quota_used(struct mailbox_store *m, struct str address, mailbox_on_quota *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.quota = cb}, arg);
	const struct str fields[] = {STR("bytes"), STR("messages")};

	mailbox_call_command(call, "HMGET", "meta", 2, fields, folders_on_quota);
}
