/* Digests that were computed anew. */
#include "lib/blob/refs.h"
#include "lib/mailbox/private.h"

MAILBOX_SCRIPT(mailbox_script_digest, "digest.lua");

static void
digest_on_set(struct mailbox_call *call, const redisReply *reply, const struct err *err)
{
	struct blob_id old;

	/* The one that stood there was missing or damaged; its space is given back. */
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
	struct mailbox_args a = mailbox_args_new(call, 3);
	char *packed = arena_alloc(&call->op.arena, BLOB_ID_PACKED);

	blob_id_pack(digest, packed);
	mailbox_args_add_u64(&a, folder_id);
	mailbox_args_add_u64(&a, uid);
	mailbox_args_add(&a, str_of(packed, BLOB_ID_PACKED));
	mailbox_call_script(call, &mailbox_script_digest, &a, digest_on_set);
}
