/* Folders: opened, made, subscribed to. */
#include <stdlib.h>

#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(open);
MAILBOX_SCRIPT(select);
MAILBOX_SCRIPT(create);
MAILBOX_SCRIPT(subscribe);

/* For open, select and create, whose answers begin alike. */
static void
folders_on_one(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_select_answer got = mailbox_select_answer(reply);
	struct mailbox_folder folder;

	if (err == NULL) {
		mailbox_parse_folder(got.fields, &folder);
		folder.keywords = mailbox_parse_keywords(got.keywords, &call->op.arena, &folder.keyword_count);
		folder.first_unseen = (uint32_t)redis_i64(got.first_unseen, 0);
	}
	call->on.folder(call->arg, err == NULL ? &folder : NULL, err);
	mailbox_call_end(call);
}

/* ---- Opening ---- */

void
mailbox_open(struct mailbox_store *m, struct str address, struct str name, mailbox_on_folder *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);
	struct str checked;

	if (!mailbox_call_name(call, name, folders_on_one, &checked))
		return;
	mailbox_open_ask(call, &(struct mailbox_open_args){.name = checked, .id = UINT64_MAX}, folders_on_one);
}

void
mailbox_select(struct mailbox_store *m, struct str address, struct str name, bool take_recent, mailbox_on_folder *cb,
	       void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);
	struct str checked;

	if (!mailbox_call_name(call, name, folders_on_one, &checked))
		return;
	mailbox_select_ask(call, &(struct mailbox_select_args){.name = checked, .take = take_recent}, folders_on_one);
}

void
mailbox_status(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_folder *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);

	mailbox_open_ask(call, &(struct mailbox_open_args){.id = folder_id}, folders_on_one);
}

/* ---- Creating ---- */

void
mailbox_create(struct mailbox_store *m, struct str address, struct str name, struct str special_use,
	       mailbox_on_folder *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);
	struct str checked;

	if (!mailbox_call_name(call, name, folders_on_one, &checked))
		return;
	mailbox_create_ask(call, &(struct mailbox_create_args){.name = checked, .special = special_use},
			   folders_on_one);
}

void
mailbox_create_items(struct mailbox_store *m, struct str address, enum mailbox_class class, struct str name,
		     mailbox_on_folder *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.folder = cb}, arg);
	struct str checked;

	if (!mailbox_call_name(call, name, folders_on_one, &checked))
		return;
	mailbox_create_ask(call, &(struct mailbox_create_args){.name = checked, .class = class}, folders_on_one);
}

/* ---- Subscribing ---- */

void
mailbox_subscribe(struct mailbox_store *m, struct str address, struct str name, bool subscribed, mailbox_on_done *cb,
		  void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct str checked;

	if (!mailbox_call_name(call, name, mailbox_call_done, &checked))
		return;
	mailbox_subscribe_ask(call, &(struct mailbox_subscribe_args){.name = checked, .on = subscribed},
			      mailbox_call_done);
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
	struct str key = redis_key(&call->op.arena, KEY_MAIL_META, str_c(call->address));

	mailbox_call_command(call, "HMGET", key, 2, fields, folders_on_quota);
}
