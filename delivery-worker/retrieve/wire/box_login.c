/* What both protocols need for a login. */
#include <stdio.h>
#include <string.h>

#include "delivery-worker/retrieve/wire/box.h"
#include "delivery-worker/retrieve/wire/words.h"

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
