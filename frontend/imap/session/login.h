/* Login to and logout from an account: the callbacks that core's login needs from the protocol. */
#ifndef SP_FRONTEND_IMAP_SESSION_LOGIN_H
#define SP_FRONTEND_IMAP_SESSION_LOGIN_H

#include "frontend/imap/private.h"

void imap_on_challenge(struct session *base, struct str challenge);
bool imap_on_login(struct session *base, enum auth_result result);
/* Drops what belongs to the account: view, address, enabled capabilities. */
void imap_forget_account(struct imap_session *s);

#endif
