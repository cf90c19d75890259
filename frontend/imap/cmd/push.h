/* Sessions that are notified of changes without asking (IDLE). */
#ifndef SP_FRONTEND_IMAP_CMD_PUSH_H
#define SP_FRONTEND_IMAP_CMD_PUSH_H

#include "frontend/folder/index.h"

/* For a view: its index has changed, or may have changed and is not loaded, or its
 * folder is gone. */
void imap_push(struct folder_watcher *watcher);

#endif
