/* Copy and move, by scripts of some hundreds of messages.
 *
 * A move takes its references along, and may end half-way. A copy is a single
 * script; larger copies are staged (staging.c). */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/mailbox/name.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(copy);

struct copying {
	uint32_t from_folder;
	struct mailbox_batch batch;
	struct buf from_uids, to_uids; /* owner; from the batches done so far */
	struct str to;
	bool move;
	uint64_t quota_bytes;
	struct mailbox_source source; /* owner; for a copy */
};

static void copy_some(struct mailbox_call *call);

static void
copy_end(struct mailbox_call *call, const struct mailbox_copied *copied, const struct err *err)
{
	struct copying *c = call->state;

	call->on.copied(call->arg, copied, err);
	buf_fini(&c->from_uids);
	buf_fini(&c->to_uids);
	mailbox_source_fini(&c->source);
	mailbox_call_end(call);
}

static void
copy_on_answer(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_copy_answer got = mailbox_copy_answer(reply);
	struct copying *c = call->state;
	struct mailbox_copied copied = {0};
	uint32_t to_count;

	if (err != NULL) {
		/* Without an answer it may have been done: the sweep will find out. */
		if (mailbox_is_certain(err))
			mailbox_source_give_back(call, &c->source, STR_NONE);
		copy_end(call, NULL, err);
		return;
	}
	if (!c->move)
		mailbox_source_give_back(call, &c->source, redis_str(got.from_uids));
	buf_add_str(&c->from_uids, redis_str(got.from_uids));
	buf_add_str(&c->to_uids, redis_str(got.to_uids));
	if (c->batch.done < c->batch.count) {
		copy_some(call);
		return;
	}
	copied.uid_validity = (uint32_t)redis_i64(got.uid_validity, 0);
	copied.from_uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->from_uids), &copied.count);
	copied.to_uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->to_uids), &to_count);
	copied.modseq = (uint64_t)redis_i64(got.modseq, 0);
	CHECK(to_count == copied.count);
	copy_end(call, &copied, NULL);
}

static void
copy_ask(struct mailbox_call *call, struct str ranges)
{
	struct copying *c = call->state;

	mailbox_copy_ask(call,
			 &(struct mailbox_copy_args){.from = c->from_folder,
						     .packed = ranges,
						     .name = c->to,
						     .move = c->move,
						     .uids = buf_str(&c->source.uids),
						     .cold = buf_str(&c->source.cold),
						     .quota = c->quota_bytes,
						     .now = (uint64_t)(clock_unix_ms() / 1000),
						     .retention = (uint64_t)call->store->retention_s},
			 copy_on_answer);
}

/* Copies exactly those to which references were added. */
static void
copy_on_taken(struct mailbox_call *call, const struct err *err)
{
	const struct copying *c = call->state;
	const uint32_t *uids;
	uint32_t count;

	if (err != NULL) {
		copy_end(call, NULL, err);
		return;
	}
	uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->source.uids), &count);
	copy_ask(call, mailbox_pack_ranges(&call->op.arena, uids, count));
}

static void
copy_some(struct mailbox_call *call)
{
	struct copying *c = call->state;
	const uint32_t *from = c->batch.uids + c->batch.done;

	if (c->move)
		copy_ask(call, mailbox_batch_next(call, &c->batch));
	else
		mailbox_source_take(call, &c->source, c->from_folder, from, mailbox_batch_take(&c->batch),
				    copy_on_taken);
}

void
mailbox_copy(struct mailbox_store *m, struct str address, uint32_t from_folder, const uint32_t *uids,
	     uint32_t uid_count, struct str to_name, bool move, uint64_t quota_bytes, mailbox_on_copied *cb, void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.copied = cb}, arg);
	struct copying *c = call->state = arena_new(&call->op.arena, struct copying);
	struct mailbox_batch first;
	struct err err;

	if (mailbox_name_check(to_name, &call->op.arena, &c->to, &err) != 0) {
		mailbox_call_fail(call, &err, copy_on_answer);
		return;
	}
	c->from_folder = from_folder;
	c->move = move;
	c->quota_bytes = quota_bytes;
	mailbox_batch_init(call, &c->batch, uids, uid_count);
	if (!move)
		c->batch.most = m->copy_at_once;
	first = c->batch;
	if (!move && mailbox_batch_take(&first) < uid_count) {
		mailbox_copy_staged(m, address, from_folder, uids, uid_count, c->to, quota_bytes, cb, arg);
		mailbox_call_end(call);
		return;
	}
	copy_some(call);
}
