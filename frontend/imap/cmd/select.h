/* The selected mailbox, for the other commands. */
#ifndef SP_FRONTEND_IMAP_CMD_SELECT_H
#define SP_FRONTEND_IMAP_CMD_SELECT_H

#include "frontend/imap/private.h"

/* Returns to the authenticated state, if a mailbox is selected. */
void imap_unselect(struct imap_session *s, bool tell);
/* UIDs of the messages with \Deleted in the index, limited to a set of UIDs if one is
 * given; in the arena. */
uint32_t *imap_deleted_uids(struct imap_session *s, struct imap_set *among, uint32_t *count_out);

#endif
