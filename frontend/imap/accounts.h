/* Who is logged in: sessions end when their account is disabled or removed. */
#ifndef SP_FRONTEND_IMAP_ACCOUNTS_H
#define SP_FRONTEND_IMAP_ACCOUNTS_H

#include "frontend/imap/private.h"

/* Once a process. */
int imap_accounts_init(struct frontend *f, struct err *err);
/* s->address is set; or is about to go. */
void imap_accounts_enter(struct imap_session *s);
void imap_accounts_leave(struct imap_session *s);

#endif
