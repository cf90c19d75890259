/* Flags and keywords of messages. */
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(store);

struct storing {
	struct mailbox_batch batch;
	uint32_t folder_id;
	struct str keywords;
	struct mailbox_flag_change change;
	struct buf hot, modified; /* owner; from the batches done so far */
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
	const struct mailbox_store_answer got = mailbox_store_answer(reply);
	struct storing *c = call->state;
	struct mailbox_stored stored = {
		.modseq = c->batch.modseq,
		.previous_modseq = c->batch.previous_modseq,
		.hot = c->hot.data,
		.count = (uint32_t)(c->hot.len / MAILBOX_HOT_BYTES),
	};

	stored.modified_uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->modified), &stored.modified_count);
	stored.keywords = mailbox_parse_keywords(got.keywords, &call->op.arena, &stored.keyword_count);
	call->on.stored(call->arg, &stored, NULL);
}

static void
flags_on_stored(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_store_answer got = mailbox_store_answer(reply);
	struct storing *c = call->state;

	if (err != NULL) {
		call->on.stored(call->arg, NULL, err);
		flags_end(call);
		return;
	}
	buf_add_str(&c->hot, redis_str(got.hot));
	buf_add_str(&c->modified, redis_str(got.modified));
	mailbox_batch_note(&c->batch, (uint64_t)redis_i64(got.modseq, 0), (uint64_t)redis_i64(got.previous, 0));
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
	uint16_t mask = c->change.mask != 0 ? c->change.mask & (0xffff ^ MAILBOX_EXTRA) : MAILBOX_FLAGS_ALL;

	mailbox_store_ask(call,
			  &(struct mailbox_store_args){.id = c->folder_id,
						       .packed = mailbox_batch_next(call, &c->batch),
						       .mode = c->change.mode,
						       .mask = mask,
						       .set = c->change.flags & mask,
						       .keywords = c->keywords,
						       .limit = c->change.unchanged_since},
			  flags_on_stored);
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
