/* Access tokens of remote accounts that log in by OAuth2 (RFC 6749).
 *
 * An account has a refresh token. An access token is asked for at the account's token
 * endpoint, and kept, sealed, with the account's status until it ends. A refresh token
 * that the endpoint replaces is stored before the access token is used, as the old one
 * may be worthless from then on; it replaces the old one only if that is still the
 * account's (a user may have set up another meanwhile). */
#ifndef SP_RETRIEVE_OAUTH_H
#define SP_RETRIEVE_OAUTH_H

#include "lib/dns/dns.h"
#include "lib/net/web.h"
#include "lib/redis/redis.h"
#include "lib/retrieve/account.h"

/* How a token endpoint is reached; all borrowed. */
struct retrieve_web {
	struct event_base *base;
	struct web_client *web;
	struct dns *dns;     /* NULL: the system's resolver, and every address is allowed */
	const char *ca_file; /* NULL: the system's authorities */
	bool (*ip_is_allowed)(void *arg, const struct ip *ip); /* with dns: asked for every address */
	void *ip_arg;
};

/* Copied; what it points to must live longer than any request, but for ip_arg: that must
 * live until the callback, or until the request is cancelled. */
struct retrieve_oauth {
	struct retrieve_web web;
	struct redis *redis;
	const struct secret_keys *keys;
};

/* token: borrowed for the call; empty exactly when err is not NULL. ERR_DENIED: the grant
 * has been withdrawn; the account is disabled now, and its status says why. ERR_NOT_FOUND,
 * ERR_CORRUPT: the secrets cannot be opened, or the account is gone. Else: try later. The
 * text has the endpoint's own words. */
typedef void retrieve_on_token(void *arg, struct str token, const struct err *err);
struct retrieve_token;
/* One callback, never from within. fresh: the remote has refused the token that is kept;
 * get another. The account is copied as far as needed. */
struct retrieve_token *retrieve_token_start(const struct retrieve_oauth *o, const struct retrieve_account *a,
					    bool fresh, retrieve_on_token *cb, void *arg);
/* The callback will not come. If the endpoint has been asked already, what it answers is
 * stored nevertheless: it may have replaced the refresh token.
 * Sets *t to NULL. After the callback the handle is invalid. */
void retrieve_token_cancel(struct retrieve_token **t);

#endif
