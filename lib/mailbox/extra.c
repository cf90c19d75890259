/* Extra data of records. */
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(extra);

static void
extra_on_got(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	uint32_t count = err == NULL ? (uint32_t)reply->elements : 0;
	struct str *extra = arena_array(&call->op.arena, struct str, (size_t)count + 1);

	for (uint32_t i = 0; i < count; i++)
		extra[i] = redis_str(reply->element[i]);
	call->on.extra(call->arg, extra, count, err);
	mailbox_call_end(call);
}

void
mailbox_get_extra(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids, uint32_t count,
		  mailbox_on_extra *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.extra = cb}, arg);

	mailbox_call_by_uid(call, KEY_MAIL_EXTRA, folder_id, uids, count, extra_on_got);
}

static void
extra_on_set(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	call->on.extra_set(call->arg, err == NULL ? (uint64_t)redis_i64(reply, 0) : 0, err);
	mailbox_call_end(call);
}

void
mailbox_set_extra(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t uid, struct str extra,
		  uint64_t unchanged_since, mailbox_on_extra_set *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.extra_set = cb}, arg);
	struct err err;

	if (extra.len > MAILBOX_EXTRA_MAX) {
		err_set(&err, ERR_LIMIT, "the properties of an item take at most %d bytes", MAILBOX_EXTRA_MAX);
		mailbox_call_fail(call, &err, extra_on_set);
		return;
	}
	mailbox_extra_ask(
		call,
		&(struct mailbox_extra_args){.id = folder_id, .uid = uid, .limit = unchanged_since, .extra = extra},
		extra_on_set);
}
