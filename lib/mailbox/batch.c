/* Changes to many messages, split over several scripts.
 *
 * A script reads and writes whole chunks, and costs Redis some 10 µs for each
 * message that it moves and up to 400 µs for each chunk that it touches. Both
 * numbers are limited, so that no script takes 10 ms. */
#include "lib/mailbox/private.h"

enum { BATCH_UIDS = 200, BATCH_CHUNKS = 12 };

void
mailbox_batch_init(struct mailbox_call *call, struct mailbox_batch *b, const uint32_t *uids, uint32_t count)
{
	*b = (struct mailbox_batch){.count = count, .most = BATCH_UIDS};
	b->uids = (const uint32_t *)(const void *)arena_dup(&call->op.arena, uids, (size_t)count * sizeof(*uids));
}

uint32_t
mailbox_batch_take(struct mailbox_batch *b)
{
	uint32_t from = b->done, chunks = 0, chunk = UINT32_MAX;

	for (; b->done < b->count && b->done - from < b->most; b->done++) {
		uint32_t its = b->uids[b->done] / MAILBOX_CHUNK_UIDS;
		if (its != chunk && ++chunks > BATCH_CHUNKS)
			break;
		chunk = its;
	}
	return b->done - from;
}

struct str
mailbox_batch_next(struct mailbox_call *call, struct mailbox_batch *b)
{
	const uint32_t *from = b->uids + b->done;

	return mailbox_pack_ranges(&call->op.arena, from, mailbox_batch_take(b));
}

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
