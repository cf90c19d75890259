/* Digests that were recomputed. */
#include "lib/blob/refs.h"
#include "lib/mailbox/scripts.h"

MAILBOX_SCRIPT(digest);

static void
digest_on_set(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct blob_id old;

	/* The previous digest was missing or damaged; its space is freed. */
	if (err == NULL && redis_str(reply).len == BLOB_ID_PACKED) {
		old = blob_id_unpack(redis_str(reply).p);
		if (!blob_id_is_none(&old))
			blob_ref_drop(call->store->redis, call->store->blobs, &old, 1);
	}
	mailbox_call_end(call);
}

void
mailbox_set_digest(struct mailbox_store *m, struct str address, uint32_t folder_id, uint32_t uid,
		   const struct blob_id *digest)
{
	struct mailbox_call *call = mailbox_call_new(m, address, (union mailbox_on){.done = NULL}, NULL);
	char *packed = arena_alloc(&call->op.arena, BLOB_ID_PACKED);

	blob_id_pack(digest, packed);
	mailbox_digest_ask(
		call,
		&(struct mailbox_digest_args){.id = folder_id, .wanted = uid, .digest = str_of(packed, BLOB_ID_PACKED)},
		digest_on_set);
}
