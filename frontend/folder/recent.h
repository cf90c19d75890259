/* Messages that are \Recent (RFC 3501, 2.3.2): the first session that selects a
 * mailbox read-write, or is told of new messages in it, has them, and no other.
 * Not in IMAP4rev2, which has done away with it.
 *
 * The store keeps a watermark with each folder: what has come since the last
 * session took. It is taken by mailbox_select(), or by mailbox_read_changes()
 * for all sessions of a process that have the folder selected; of those, the
 * one that is told first gets what was taken. */
#ifndef SP_FRONTEND_FOLDER_RECENT_H
#define SP_FRONTEND_FOLDER_RECENT_H

#include <stdbool.h>
#include <stdint.h>

struct folder_range {
	uint32_t first, last;
};
/* UIDs, as ranges in order; zeroed: none. */
struct folder_recent {
	struct folder_range *ranges; /* owner */
	uint32_t count, capacity;
};

/* In any order: what a process has taken and told nobody of may be older than what
 * a session took by selecting the mailbox. */
void folder_recent_add(struct folder_recent *r, uint32_t first, uint32_t last);
/* All that `from` has goes to `to`. */
void folder_recent_move(struct folder_recent *from, struct folder_recent *to);
bool folder_recent_has(const struct folder_recent *r, uint32_t uid);
void folder_recent_fini(struct folder_recent *r);

#endif
