/* Many messages changed by several scripts. */
#include "lib/mailbox/private.h"

enum { BATCH_UIDS = 5000 };

void
mailbox_batch_init(struct mailbox_call *call, struct mailbox_batch *b, const uint32_t *uids, uint32_t count)
{
	*b = (struct mailbox_batch){.count = count};
	b->uids = (const uint32_t *)(const void *)arena_dup(&call->op.arena, uids, (size_t)count * sizeof(*uids));
}

/* The ranges of the next ones; empty when there are none at all. */
struct str
mailbox_batch_next(struct mailbox_call *call, struct mailbox_batch *b)
{
	uint32_t from = b->done, left = b->count - from;

	b->done += left < BATCH_UIDS ? left : BATCH_UIDS;
	return mailbox_pack_ranges(&call->op.arena, b->uids + from, b->done - from);
}

/* A change that followed the one before with nothing between leaves them one. */
void
mailbox_batch_note(struct mailbox_batch *b, uint64_t modseq, uint64_t previous_modseq)
{
	if (modseq == 0)
		return;
	if (b->modseq == 0)
		b->previous_modseq = previous_modseq;
	else if (previous_modseq != b->modseq)
		b->previous_modseq = UINT64_MAX;
	b->modseq = modseq;
}
