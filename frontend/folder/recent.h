/* Messages that are \Recent (RFC 3501, 2.3.2). They belong to the first session that
 * selects the mailbox read-write, or is told of new messages in it, and to no other.
 * IMAP4rev2 no longer has \Recent.
 *
 * The store keeps a watermark with each folder: what has arrived since the last
 * session took. It is moved by mailbox_select(), or by mailbox_read_changes() for all
 * sessions of a process that have the folder selected. Of those, the session that is
 * told first gets the messages. */
#ifndef SP_FRONTEND_FOLDER_RECENT_H
#define SP_FRONTEND_FOLDER_RECENT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/range.h"

/* UIDs, as ranges in order; zeroed: none. */
struct folder_recent {
	struct range *ranges; /* owner */
	uint32_t count, capacity;
};

/* In any order: messages that a process has taken but not yet reported may be older
 * than those that a session took by selecting the mailbox. */
void folder_recent_add(struct folder_recent *r, uint32_t first, uint32_t last);
/* Moves all ranges of `from` to `to`. */
void folder_recent_move(struct folder_recent *from, struct folder_recent *to);
bool folder_recent_has(const struct folder_recent *r, uint32_t uid);
void folder_recent_fini(struct folder_recent *r);

#endif
