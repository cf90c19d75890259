/* The client's side of a login by SASL, at a relay host (RFC 4954) or a remote mailbox
 * (RFC 5034, RFC 9051): with a password by SCRAM-SHA-256 (RFC 7677), PLAIN (RFC 4616) or
 * LOGIN, in that order; with an OAuth2 access token by XOAUTH2 or OAUTHBEARER (RFC 7628).
 * All but SCRAM show the secret to the server, so they are used on private connections only. */
#ifndef SP_WORKER_NET_LOGIN_H
#define SP_WORKER_NET_LOGIN_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

enum {
	SASL_PLAIN = 1,
	SASL_LOGIN = 2,
	SASL_SCRAM_SHA_256 = 4,
	SASL_XOAUTH2 = 8,
	SASL_OAUTHBEARER = 16,

	SASL_WITH_PASSWORD = SASL_PLAIN | SASL_LOGIN | SASL_SCRAM_SHA_256,
	SASL_WITH_TOKEN = SASL_XOAUTH2 | SASL_OAUTHBEARER,
};

/* The bits of mechanisms' names, separated by spaces; others are ignored. */
unsigned login_read_offered(struct str names);

struct login;

/* offered: SASL_... bits. secret: the password, or the access token if only bits of
 * SASL_WITH_TOKEN are set; the two kinds must not be mixed. is_private: TLS, or a
 * connection that does not leave the host. Both texts are copied. NULL: no usable mechanism. */
struct login *login_new(unsigned offered, struct str user, struct str secret, bool is_private);
void login_free(struct login **l);

const char *login_mechanism(const struct login *l);
/* Appends the initial response; false: the mechanism has none. */
bool login_begin(struct login *l, struct buf *out);
/* Appends the answer to a challenge (both decoded). False: the challenge is
 * invalid, or the server does not know the password. */
bool login_answer(struct login *l, struct str challenge, struct buf *out);
/* What the server said of a token that it refuses: JSON (RFC 7628, 3.2.2), unchecked;
 * empty: nothing. */
struct str login_token_error(const struct login *l);
/* After the server accepted: has it proved what it had to? */
bool login_is_complete(const struct login *l);

#endif
