/* Permanent removal of messages. */
#include "lib/base/clock.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(expunge);

struct expunging {
	struct mailbox_batch batch;
	uint32_t folder_id;
	bool only_deleted;
	struct buf uids; /* owner; from the batches done so far */
};

static void expunge_some(struct mailbox_call *call);

static void
expunge_end(struct mailbox_call *call, const struct err *err)
{
	struct expunging *c = call->state;
	struct mailbox_expunged expunged = {.modseq = c->batch.modseq, .previous_modseq = c->batch.previous_modseq};

	expunged.uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->uids), &expunged.count);
	call->on.expunged(call->arg, err == NULL ? &expunged : NULL, err);
	buf_fini(&c->uids);
	mailbox_call_end(call);
}

static void
expunge_on_answer(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_expunge_answer got = mailbox_expunge_answer(reply);
	struct expunging *c = call->state;

	if (err == NULL) {
		buf_add_str(&c->uids, redis_str(got.uids));
		mailbox_batch_note(&c->batch, (uint64_t)redis_i64(got.modseq, 0), (uint64_t)redis_i64(got.previous, 0));
		mailbox_drop_references(call->store, redis_str(got.cold));
	}
	if (err == NULL && c->batch.done < c->batch.count)
		expunge_some(call);
	else
		expunge_end(call, err);
}

static void
expunge_some(struct mailbox_call *call)
{
	struct expunging *c = call->state;

	mailbox_expunge_ask(call,
			    &(struct mailbox_expunge_args){.id = c->folder_id,
							   .packed = mailbox_batch_next(call, &c->batch),
							   .only = c->only_deleted,
							   .now = (uint64_t)(clock_unix_ms() / 1000),
							   .retention = (uint64_t)call->store->retention_s},
			    expunge_on_answer);
}

void
mailbox_expunge(struct mailbox_store *m, struct str address, uint32_t folder_id, const uint32_t *uids,
		uint32_t uid_count, bool only_deleted, mailbox_on_expunged *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.expunged = cb}, arg);
	struct expunging *c = arena_new(&call->op.arena, struct expunging);

	call->state = c;
	c->folder_id = folder_id;
	c->only_deleted = only_deleted;
	mailbox_batch_init(call, &c->batch, uids, uid_count);
	expunge_some(call);
}
