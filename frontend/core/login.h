/* Logging in, for every protocol of sessions: a password in hand, or a SASL
 * dialogue whose lines the protocol frames. The result is given to
 * session_protocol.on_login, with s->account set when it is AUTH_OK. */
#ifndef SP_FRONTEND_CORE_LOGIN_H
#define SP_FRONTEND_CORE_LOGIN_H

#include "frontend/core/session.h"

/* Passwords are not asked for where others may listen. */
bool login_is_allowed(const struct session *s);
/* The mechanisms that may be offered on this connection, parted by spaces.
 * plain: also those that show the password. */
struct str login_mechanisms(const struct session *s, bool plain);
bool login_is_offered(struct str mechanisms, struct str mechanism);

/* The result comes later. */
void login_by_password(struct session *s, struct str user, struct str password);

/* Begins a dialogue with a mechanism that is offered; initial: the response in
 * base64 that came with the command, "=" an empty one; p NULL: none. Challenges go to
 * session_protocol.on_challenge, the client's next line to login_respond().
 * True: the client has an answer; false: it is to wait (paused). */
bool login_begin(struct session *s, struct str mechanism, struct str initial);
/* line: base64, or "*"; p NULL: it was too long. As login_begin(). */
bool login_respond(struct session *s, struct str line);

/* Frees what has ended; never from within the engine's own callbacks. */
void login_clean(struct session *s);
/* Cancels what is under way. */
void login_free(struct session *s);

#endif
