/* Logging in and out of an account. */
#ifndef SP_FRONTEND_IMAP_LOGIN_H
#define SP_FRONTEND_IMAP_LOGIN_H

#include "frontend/imap/private.h"

/* Passwords may be taken on this connection. */
bool imap_may_login(const struct imap_session *s);
/* Frees what has ended; never from within its own callbacks. */
void imap_login_clean(struct imap_session *s);
void imap_login_free(struct imap_login **l);

#endif
