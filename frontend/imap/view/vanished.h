/* Which UIDs are reported as vanished to a client that asks for the changes since a
 * modseq (RFC 7162, VANISHED (EARLIER)). */
#ifndef SP_FRONTEND_IMAP_VIEW_VANISHED_H
#define SP_FRONTEND_IMAP_VIEW_VANISHED_H

#include "frontend/imap/view/view.h"

/* UIDs among those requested (resolved; NULL: all), below `end`, and not in the
 * client's list: what is in that list is reported when it is removed from it. If the
 * log does not reach back that far, all UIDs that do not exist are included (RFC
 * 7162, 3.2.6 permits too many). The set is allocated in the arena. */
struct imap_set imap_vanished(const struct imap_view *v, const struct mailbox_changes *changes,
			      const struct imap_set *asked, uint32_t end, struct arena *arena);
/* Appends a range, ",5:7"; the first one of a set without the comma. */
void imap_vanished_print(const struct range *range, bool is_first, struct buf *out);

#endif
