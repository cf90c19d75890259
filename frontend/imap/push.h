/* Sessions that are told of changes without asking (IDLE, NOTIFY). */
#ifndef SP_FRONTEND_IMAP_PUSH_H
#define SP_FRONTEND_IMAP_PUSH_H

struct imap_index;

/* The index has changed, or may have and is not loaded, or its folder is gone. */
void imap_push(struct imap_index *ix);

#endif
