/* Login for every protocol with sessions: with a password, or by a SASL dialogue
 * whose lines the protocol frames. The result is passed to session_protocol.on_login,
 * with s->account set if it is AUTH_OK. */
#ifndef SP_FRONTEND_CORE_LOGIN_H
#define SP_FRONTEND_CORE_LOGIN_H

#include "frontend/core/session.h"

/* May passwords be asked for? Not where others may listen. */
bool login_is_allowed(const struct session *s);
/* The mechanisms that may be offered on this connection, separated by spaces. plain:
 * include those that send the password in clear. */
struct str login_mechanisms(const struct session *s, bool plain);
bool login_is_offered(struct str mechanisms, struct str mechanism);

/* The result comes later. */
void login_by_password(struct session *s, struct str user, struct str password);

/* Begins a dialogue with a mechanism that is offered. initial: the base64 response
 * that came with the command; "=": an empty one; p NULL: none. Challenges are passed
 * to session_protocol.on_challenge, and the client's next line to login_respond().
 * True: the client has been answered; false: the client must wait (paused). */
bool login_begin(struct session *s, struct str mechanism, struct str initial);
/* line: base64, or "*"; p NULL: the line was too long. Returns as login_begin() does. */
bool login_respond(struct session *s, struct str line);

/* By the certificate of the client, which names this address. True: the client has been
 * answered; false: the client must wait (paused). */
bool login_by_certificate(struct session *s, struct str address);

/* Frees whatever has ended; never call it from within the engine's own callbacks. */
void login_clean(struct session *s);
/* Cancels a login in progress. */
void login_free(struct session *s);

#endif
