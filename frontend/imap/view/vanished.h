/* Which UIDs a client is told as gone that asks what has happened since a modseq
 * (RFC 7162, VANISHED (EARLIER)). */
#ifndef SP_FRONTEND_IMAP_VIEW_VANISHED_H
#define SP_FRONTEND_IMAP_VIEW_VANISHED_H

#include "frontend/imap/view/view.h"

/* Of those that are asked for (resolved; NULL: all), below `end`, and not in the
 * client's list: what it has there is told when it goes from there. If the log does
 * not reach back so far, all that are not there (RFC 7162, 3.2.6 allows to name too
 * many). The set lies in the arena. */
struct imap_set imap_vanished(const struct imap_view *v, const struct mailbox_changes *changes,
			      const struct imap_set *asked, uint32_t end, struct arena *arena);
/* Appends a range, ",5:7"; the first one of a set without the comma. */
void imap_vanished_print(const struct imap_range *range, bool is_first, struct buf *out);

#endif
