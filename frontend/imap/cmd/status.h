/* What STATUS (and LIST RETURN (STATUS ...)) reports about a folder. */
#ifndef SP_FRONTEND_IMAP_CMD_STATUS_H
#define SP_FRONTEND_IMAP_CMD_STATUS_H

#include "frontend/imap/private.h"

/* "(MESSAGES UNSEEN ...)" as bits. */
bool imap_take_status_items(struct imap_session *s, struct imap_lexer *lex, unsigned *items_out);
/* "* STATUS name (...)" as a complete line. */
void imap_print_status(const struct imap_session *s, const struct mailbox_folder *folder, unsigned items,
		       struct buf *out);

#endif
