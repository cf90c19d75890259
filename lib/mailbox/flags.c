/* Flags and keywords of messages. */
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_store, "store.lua");

struct storing {
	struct mailbox_batch batch;
	uint32_t folder_id;
	struct str keywords;
	struct mailbox_flag_change change;
	struct buf hot, modified; /* owner; of the batches that are done */
};

static void
flags_end(struct mailbox_call *call)
{
	struct storing *c = call->state;

	buf_fini(&c->hot);
	buf_fini(&c->modified);
	mailbox_call_end(call);
}

static void flags_store_some(struct mailbox_call *call);

static void
flags_tell(struct mailbox_call *call, const redisReply *reply)
{
	struct storing *c = call->state;
	struct mailbox_stored stored = {
		.modseq = c->batch.modseq,
		.previous_modseq = c->batch.previous_modseq,
		.hot = c->hot.data,
		.count = (uint32_t)(c->hot.len / MAILBOX_HOT_BYTES),
	};

	stored.modified_uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->modified), &stored.modified_count);
	stored.keywords = mailbox_parse_keywords(mailbox_element(reply, 3), &call->op.arena, &stored.keyword_count);
	call->on.stored(call->arg, &stored, NULL);
}

static void
flags_on_stored(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct storing *c = call->state;

	if (err != NULL) {
		call->on.stored(call->arg, NULL, err);
		flags_end(call);
		return;
	}
	buf_add_str(&c->hot, redis_str(mailbox_element(reply, 1)));
	buf_add_str(&c->modified, redis_str(mailbox_element(reply, 2)));
	mailbox_batch_note(&c->batch, (uint64_t)redis_i64(mailbox_element(reply, 0), 0),
			   (uint64_t)redis_i64(mailbox_element(reply, 4), 0));
	if (c->batch.done < c->batch.count) {
		flags_store_some(call);
		return;
	}
	flags_tell(call, reply);
	flags_end(call);
}

static void
flags_store_some(struct mailbox_call *call)
{
	struct storing *c = call->state;
	struct mailbox_args a = mailbox_args_new(call, 6);

	mailbox_args_add_u64(&a, c->folder_id);
	mailbox_args_add(&a, mailbox_batch_next(call, &c->batch));
	mailbox_args_add_u64(&a, c->change.mode);
	mailbox_args_add_u64(&a, c->change.flags);
	mailbox_args_add(&a, c->keywords);
	if (c->change.unchanged_since == UINT64_MAX)
		mailbox_args_add(&a, STR(""));
	else
		mailbox_args_add_u64(&a, c->change.unchanged_since);
	mailbox_call_script(call, &mailbox_script_store, &a, flags_on_stored);
}

void
mailbox_store_flags(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		    uint32_t uid_count, const struct mailbox_flag_change *change, mailbox_on_stored *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.stored = cb}, arg);
	struct storing *c = arena_new(&call->op.arena, struct storing);
	struct buf keywords = BUF_EMPTY;

	for (unsigned i = 0; i < change->keyword_count; i++) {
		buf_add_str(&keywords, change->keywords[i]);
		buf_add_byte(&keywords, ' ');
	}
	call->state = c;
	c->folder_id = folder_id;
	c->change = *change;
	c->keywords = arena_str(&call->op.arena, buf_str(&keywords));
	buf_fini(&keywords);
	mailbox_batch_init(call, &c->batch, uids, uid_count);
	flags_store_some(call);
}
