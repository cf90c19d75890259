/* Messages that are \Recent (RFC 3501, 2.3.2): the first session that selects a
 * mailbox read-write, or is told of new messages in it, has them, and no other.
 * Not in IMAP4rev2, which has done away with it.
 *
 * The store keeps a watermark with each folder: what has come since the last
 * session took. It is taken by mailbox_select(), or by mailbox_read_changes()
 * for all sessions of a process that have the folder selected; of those, the
 * one that is told first gets what was taken. */
#ifndef SP_FRONTEND_IMAP_RECENT_H
#define SP_FRONTEND_IMAP_RECENT_H

#include "frontend/imap/parse/set.h"

/* UIDs; zeroed: none. */
struct imap_recent {
	struct imap_set set; /* ranges: owner; on the heap */
	uint32_t capacity;   /* of ranges */
};

/* first: greater than all that were added before; if not, they are joined. */
void imap_recent_add(struct imap_recent *r, uint32_t first, uint32_t last);
/* All that `from` has goes to `to`. */
void imap_recent_move(struct imap_recent *from, struct imap_recent *to);
bool imap_recent_has(const struct imap_recent *r, uint32_t uid);
void imap_recent_fini(struct imap_recent *r);

#endif
