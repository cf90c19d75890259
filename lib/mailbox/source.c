/* Messages to be copied: they are read, and a reference is added to each body
 * and digest, which the copies then own. The references of messages that are not
 * copied after all are dropped. */
#include "lib/base/check.h"
#include "lib/blob/refs.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(source);

void
mailbox_source_fini(struct mailbox_source *s)
{
	buf_fini(&s->uids);
	buf_fini(&s->cold);
}

/* ---- References ---- */

static void
source_on_reference(void *arg, const struct err *err)
{
	struct mailbox_call *call = arg;
	struct mailbox_source *s = call->source;

	if (err != NULL)
		s->err = *err;
	if (op_back(&call->op) && !op_waits(&call->op))
		s->on_taken(call, s->err.code == ERR_NONE ? NULL : &s->err);
}

static void
source_add_reference(struct mailbox_call *call, const struct blob_id *id)
{
	if (blob_id_is_none(id))
		return;
	op_hold(&call->op);
	blob_ref_add(call->store->redis, id, 1, source_on_reference, call);
}

static void
source_on_read(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	const struct mailbox_source_answer got = mailbox_source_answer(reply);
	struct mailbox_source *s = call->source;

	if (err != NULL) {
		s->on_taken(call, err);
		return;
	}
	buf_add_str(&s->uids, redis_str(got.uids));
	buf_add_str(&s->cold, redis_str(got.cold));
	op_hold(&call->op); /* so that no answer ends it before all were requested */
	for (size_t at = 0; at < s->cold.len; at += MAILBOX_COLD_BYTES) {
		struct mailbox_cold cold;
		mailbox_cold_unpack(s->cold.data + at, &cold);
		source_add_reference(call, &cold.body);
		source_add_reference(call, &cold.digest);
	}
	source_on_reference(call, NULL);
}

void
mailbox_source_take(struct mailbox_call *call, struct mailbox_source *s, uint64_t folder, const uint32_t *uids,
		    uint32_t count, mailbox_on_taken *on_taken)
{
	struct buf packed = BUF_EMPTY;

	call->source = s;
	buf_clear(&s->uids);
	buf_clear(&s->cold);
	s->err.code = ERR_NONE;
	s->on_taken = on_taken;
	for (uint32_t i = 0; i < count; i++)
		buf_add_u32(&packed, uids[i]);
	mailbox_source_ask(call, &(struct mailbox_source_args){.id = folder, .uids = buf_str(&packed)}, source_on_read);
	buf_fini(&packed);
}

void
mailbox_source_give_back(struct mailbox_call *call, struct mailbox_source *s, struct str copied)
{
	size_t kept = 0, at = 0;

	for (size_t i = 0; i < s->uids.len / 4; i++) {
		if (at < copied.len && bytes_get_u32(copied.p + at) == bytes_get_u32(s->uids.data + i * 4)) {
			at += 4;
			continue;
		}
		memmove(s->cold.data + kept * MAILBOX_COLD_BYTES, s->cold.data + i * MAILBOX_COLD_BYTES,
			MAILBOX_COLD_BYTES);
		kept++;
	}
	CHECK(at == copied.len);
	mailbox_drop_references(call->store, str_of(s->cold.data, kept * MAILBOX_COLD_BYTES));
}
