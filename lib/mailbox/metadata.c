/* Annotations of folders and of the account (RFC 5464). */
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(metadata);

static void
metadata_on_got(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct mailbox_annotation *list = NULL;
	unsigned count = 0;

	if (err == NULL && reply->type == REDIS_REPLY_ARRAY) {
		list = arena_array(&call->op.arena, struct mailbox_annotation, reply->elements / 2 + 1);
		for (size_t i = 0; i + 1 < reply->elements; i += 2)
			list[count++] = (struct mailbox_annotation){redis_str(reply->element[i]),
								    redis_str(reply->element[i + 1]), false};
	}
	call->on.metadata(call->arg, list, count, err);
	mailbox_call_end(call);
}

void
mailbox_get_metadata(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_metadata *cb,
		     void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.metadata = cb}, arg);
	struct str who = str_c(call->address), key;

	if (folder_id == 0)
		key = redis_key(&call->op.arena, KEY_MAIL_METADATA, who);
	else
		key = redis_key(&call->op.arena, KEY_MAIL_ANNOTATIONS, who,
				str_c(arena_printf(&call->op.arena, "%u", folder_id)));
	mailbox_call_command(call, "HGETALL", key, 0, NULL, metadata_on_got);
}

void
mailbox_set_metadata(struct mailbox_store *m, struct str address, uint32_t folder_id,
		     const struct mailbox_annotation *list, unsigned count, mailbox_on_done *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = cb}, arg);
	struct mailbox_metadata_args args = {.id = folder_id, .most = MAILBOX_ANNOTATIONS};
	struct mailbox_args a = mailbox_metadata_takes(call, &args, (size_t)count * 3);

	for (unsigned i = 0; i < count; i++) {
		mailbox_args_add(&a, list[i].name);
		mailbox_args_add(&a, list[i].removed ? STR("0") : STR("1"));
		mailbox_args_add(&a, list[i].value);
	}
	mailbox_call_script(call, &mailbox_script_metadata, &a, mailbox_call_done);
}
