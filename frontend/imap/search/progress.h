/* Reports the progress of a long search to the client (RFC 9585). */
#ifndef SP_FRONTEND_IMAP_SEARCH_PROGRESS_H
#define SP_FRONTEND_IMAP_SEARCH_PROGRESS_H

#include "frontend/imap/private.h"

struct imap_progress {
	int64_t told_ms; /* monotonic; 0: the command has just begun */
};

/* done, total: messages. Writes a report every 10 s at most. */
void imap_tell_progress(struct imap_session *s, struct imap_progress *p, uint32_t done, uint32_t total);

#endif
