/* The selected mailbox, as other commands meet it. */
#ifndef SP_FRONTEND_IMAP_CMD_SELECT_H
#define SP_FRONTEND_IMAP_CMD_SELECT_H

#include "frontend/imap/private.h"

/* Back to the authenticated state, if a mailbox is selected. */
void imap_unselect(struct imap_session *s, bool tell);
/* UIDs of the index's messages with \Deleted, within the set of UIDs if there
 * is one; in the arena. */
uint32_t *imap_deleted_uids(struct imap_session *s, struct imap_set *among, uint32_t *count_out);

#endif
