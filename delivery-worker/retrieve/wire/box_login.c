/* What both protocols need for a login. */
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/box.h"
#include "delivery-worker/retrieve/wire/words.h"
#include "lib/base/base64.h"

/* On a connection whose certificate was verified PLAIN shows nothing to others, and servers
 * that announce SCRAM may lack its keys for an account. */
struct login *
box_login_new(struct remote_box *b, unsigned offered)
{
	if (b->options.auth == REMOTE_AUTH_OAUTH2)
		offered &= SASL_WITH_TOKEN;
	else if (b->tls_on && !b->options.any_certificate && (offered & (SASL_PLAIN | SASL_LOGIN)) != 0)
		offered &= SASL_PLAIN | SASL_LOGIN;
	else
		offered &= SASL_WITH_PASSWORD;
	return login_new(offered, str_c(b->user), str_c(b->secret), true);
}

void
box_add_secret(struct buf *out, struct str secret)
{
	buf_reserve(out, secret.len / 3 * 4 + 4);
	base64_encode(secret, out);
}

void
box_wipe(struct buf *secret)
{
	if (secret->capacity > 0)
		OPENSSL_cleanse(secret->data, secret->capacity);
	buf_fini(secret);
}

void
box_token_error(const struct login *l, char *out, size_t size)
{
	struct str error = l != NULL ? login_token_error(l) : STR_NONE;
	size_t used;

	out[0] = '\0';
	if (error.len == 0 || size < 8)
		return;
	used = (size_t)snprintf(out, size, " (");
	used += words_clean(error, out + used, size - used - 1);
	memcpy(out + used, ")", 2);
}
