/* Copy and move.
 *
 * A move takes its references along. A copy first adds one to every body and
 * digest that it is about to copy, then copies just those messages, and drops
 * the references of messages that went away between. */
#include "lib/base/check.h"
#include "lib/base/clock.h"
#include "lib/blob/refs.h"
#include "lib/mailbox/name.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(copy);

struct copying {
	uint32_t from_folder;
	struct mailbox_batch batch;    /* moves */
	struct buf from_uids, to_uids; /* owner; of the batches that are done */
	struct str ranges;
	struct str to;
	bool move;
	uint64_t quota_bytes;
	/* Copies: what references were added to, by message. */
	const uint32_t *uids;
	const char *cold;
	uint32_t count;
	struct err err; /* of an add that failed */
};

static bool
copy_has_uid(const uint32_t *uids, uint32_t count, uint32_t uid)
{
	uint32_t low = 0, high = count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (uids[middle] < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low < count && uids[low] == uid;
}

/* Drops what was added to messages that are not among the copied. */
static void
copy_drop_uncopied(struct mailbox_call *call, const uint32_t *copied, uint32_t count)
{
	const struct copying *c = call->state;

	for (uint32_t i = 0; i < c->count; i++)
		if (!copy_has_uid(copied, count, c->uids[i]))
			mailbox_drop_references(call->store,
						str_of(c->cold + (size_t)i * MAILBOX_COLD_BYTES, MAILBOX_COLD_BYTES));
}

static void copy_ask(struct mailbox_call *call);

static void
copy_on_answer(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_copy_answer got = mailbox_copy_answer(reply);
	struct copying *c = call->state;
	struct mailbox_copied copied = {0};
	uint32_t to_count;

	if (err == NULL) {
		buf_add_str(&c->from_uids, redis_str(got.from_uids));
		buf_add_str(&c->to_uids, redis_str(got.to_uids));
		if (c->batch.done < c->batch.count) {
			c->ranges = mailbox_batch_next(call, &c->batch);
			copy_ask(call);
			return;
		}
		copied.uid_validity = (uint32_t)redis_i64(got.uid_validity, 0);
		copied.from_uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->from_uids), &copied.count);
		copied.to_uids = mailbox_unpack_uids(&call->op.arena, buf_str(&c->to_uids), &to_count);
		copied.modseq = (uint64_t)redis_i64(got.modseq, 0);
		CHECK(to_count == copied.count);
		copy_drop_uncopied(call, copied.from_uids, copied.count);
	} else if (mailbox_is_certain(err)) {
		/* Without an answer it may have been done: the sweep will tell. */
		copy_drop_uncopied(call, NULL, 0);
	}
	call->on.copied(call->arg, err == NULL ? &copied : NULL, err);
	buf_fini(&c->from_uids);
	buf_fini(&c->to_uids);
	mailbox_call_end(call);
}

static void
copy_ask(struct mailbox_call *call)
{
	struct copying *c = call->state;

	mailbox_copy_ask(call,
			 &(struct mailbox_copy_args){.from = c->from_folder,
						     .packed = c->ranges,
						     .name = c->to,
						     .move = c->move,
						     .quota = c->quota_bytes,
						     .now = (uint64_t)(clock_unix_ms() / 1000),
						     .retention = (uint64_t)call->store->retention_s},
			 copy_on_answer);
}

static void
copy_on_reference(void *arg, const struct err *err)
{
	struct mailbox_call *call = arg;
	struct copying *c = call->state;

	if (err != NULL)
		c->err = *err;
	if (!op_back(&call->op) || op_waits(&call->op))
		return;
	if (c->err.code != ERR_NONE) {
		call->on.copied(call->arg, NULL, &c->err);
		mailbox_call_end(call);
		return;
	}
	copy_ask(call);
}

static void
copy_add_reference(struct mailbox_call *call, const struct blob_id *id)
{
	if (blob_id_is_none(id))
		return;
	op_hold(&call->op);
	blob_ref_add(call->store->redis, id, 1, copy_on_reference, call);
}

static void
copy_on_records(void *arg, const struct mailbox_records *records, const struct err *err)
{
	struct mailbox_call *call = arg;
	struct copying *c = call->state;
	uint32_t *uids, count = 0;

	if (err != NULL) {
		call->on.copied(call->arg, NULL, err);
		mailbox_call_end(call);
		return;
	}
	/* Only those asked for, of the range that was read. */
	uids = arena_array(&call->op.arena, uint32_t, (size_t)records->count + 1);
	c->cold = arena_alloc(&call->op.arena, (size_t)records->count * MAILBOX_COLD_BYTES + 1);
	for (uint32_t i = 0; i < records->count; i++) {
		struct mailbox_hot hot;
		mailbox_hot_unpack(records->hot + (size_t)i * MAILBOX_HOT_BYTES, &hot);
		if (!copy_has_uid(c->uids, c->count, hot.uid))
			continue;
		memcpy((char *)(uintptr_t)c->cold + (size_t)count * MAILBOX_COLD_BYTES,
		       records->cold + (size_t)i * MAILBOX_COLD_BYTES, MAILBOX_COLD_BYTES);
		uids[count++] = hot.uid;
	}
	c->uids = uids;
	c->count = count;
	c->ranges = mailbox_pack_ranges(&call->op.arena, c->uids, c->count);
	op_hold(&call->op); /* so that no answer ends it before all are asked for */
	for (uint32_t i = 0; i < c->count; i++) {
		struct mailbox_cold cold;
		mailbox_cold_unpack(c->cold + (size_t)i * MAILBOX_COLD_BYTES, &cold);
		copy_add_reference(call, &cold.body);
		copy_add_reference(call, &cold.digest);
	}
	copy_on_reference(call, NULL);
}

static struct mailbox_call *
copy_new(struct mailbox_store *m, struct str address, uint32_t from_folder, struct str to, mailbox_on_copied *cb,
	 void *arg)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.copied = cb}, arg);
	struct copying *c = arena_new(&call->op.arena, struct copying);

	c->from_folder = from_folder;
	c->to = to;
	call->state = c;
	return call;
}

void
mailbox_copy(struct mailbox_store *m, struct str address, uint32_t from_folder, const uint32_t *uids,
	     uint32_t uid_count, struct str to_name, bool move, uint64_t quota_bytes, mailbox_on_copied *cb, void *arg)
{
	struct mailbox_call *call = copy_new(m, address, from_folder, STR_NONE, cb, arg);
	struct copying *c = call->state;
	struct err err;

	if (mailbox_name_check(to_name, &call->op.arena, &c->to, &err) != 0) {
		mailbox_call_fail(call, &err, copy_on_answer);
		return;
	}
	c->move = move;
	c->quota_bytes = quota_bytes;
	if (move || uid_count == 0) {
		mailbox_batch_init(call, &c->batch, uids, uid_count);
		c->ranges = mailbox_batch_next(call, &c->batch);
		copy_ask(call);
		return;
	}
	c->ranges = mailbox_pack_ranges(&call->op.arena, uids, uid_count);
	c->uids = (const uint32_t *)(const void *)arena_dup(&call->op.arena, uids, uid_count * sizeof(*uids));
	c->count = uid_count;
	mailbox_read(m, address, from_folder, uids[0], uids[uid_count - 1], MAILBOX_HOT | MAILBOX_COLD, 0,
		     copy_on_records, call);
}
