/* AUTH at a relay host (RFC 4954): SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616)
 * or LOGIN, in that order. The last two show the password to the server, so
 * they are used on private connections only. */
#ifndef SP_WORKER_REMOTE_LOGIN_H
#define SP_WORKER_REMOTE_LOGIN_H

#include "delivery-worker/remote/reply.h"

struct login;

/* offered: SMTP_AUTH_... bits. is_private: TLS, or a connection that does not
 * leave the host. Both texts are copied. NULL: no usable mechanism. */
struct login *login_new(unsigned offered, struct str user, struct str password, bool is_private);
void login_free(struct login **l);

const char *login_mechanism(const struct login *l);
/* Appends the initial response; false: the mechanism has none. */
bool login_begin(struct login *l, struct buf *out);
/* Appends the answer to a challenge (both decoded). False: the challenge is
 * invalid, or the server does not know the password. */
bool login_answer(struct login *l, struct str challenge, struct buf *out);
/* After the server accepted: has it proved what it had to? */
bool login_is_complete(const struct login *l);

#endif
