/* Annotations of folders and of the account (RFC 5464). */
#include <stdio.h>

#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_metadata, "metadata.lua");

static void
on_got(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;
	struct mailbox_annotation *list = NULL;
	unsigned count = 0;

	if (err == NULL && reply->type == REDIS_REPLY_ARRAY) {
		list = arena_array(&op->arena, struct mailbox_annotation, reply->elements / 2 + 1);
		for (size_t i = 0; i + 1 < reply->elements; i += 2)
			list[count++] = (struct mailbox_annotation){redis_str(reply->element[i]),
								    redis_str(reply->element[i + 1]), false};
	}
	((mailbox_on_metadata *)op->cb)(op->arg, list, count, err);
	op_free(op);
}

void
mailbox_get_metadata(struct mailbox_store *m, struct str address, uint32_t folder_id, mailbox_on_metadata *cb,
		     void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);

	if (folder_id == 0)
		redis_callf(m->redis, on_got, op, "HGETALL mail:{%s}:md", op->address);
	else
		redis_callf(m->redis, on_got, op, "HGETALL mail:{%s}:f:%u:md", op->address, folder_id);
}

static void
on_set(void *arg, const redisReply *reply, const struct err *err)
{
	struct op *op = arg;

	(void)reply;
	((mailbox_on_done *)op->cb)(op->arg, err);
	op_free(op);
}

void
mailbox_set_metadata(struct mailbox_store *m, struct str address, uint32_t folder_id,
		     const struct mailbox_annotation *list, unsigned count, mailbox_on_done *cb, void *arg)
{
	struct op *op = op_new(m, address, (void *)cb, arg);
	struct args a = args_new(op, 2 + (size_t)count * 3);

	args_add_u64(&a, folder_id);
	args_add_u64(&a, MAILBOX_ANNOTATIONS);
	for (unsigned i = 0; i < count; i++) {
		args_add(&a, list[i].name);
		args_add(&a, list[i].removed ? STR("0") : STR("1"));
		args_add(&a, list[i].value);
	}
	op_call(op, &mailbox_script_metadata, &a, on_set);
}
