/* The answer to a CA that checks whether a name leads here (RFC 8555, 8.3). The worker
 * that orders has stored it before the CA asks, so any frontend can give it. */
#include "frontend/wellknown/wellknown.h"
#include "lib/acme/store.h"

static void
acme_on_challenge(void *arg, const redisReply *reply, const struct err *err)
{
	struct http_request *r = arg;

	if (!http_back(r))
		return;
	if (err != NULL)
		http_unavailable(r);
	else if (redis_str(reply).len == 0)
		http_refuse(r, 404);
	else
		http_reply(r, 200, "application/octet-stream", redis_str(reply));
}

static void
acme_on_begin(struct http_request *r)
{
	struct str token = str_from(http_head(r)->path, sizeof(WELLKNOWN_ACME_PREFIX) - 1);

	if (!acme_token_is_valid(token)) {
		http_refuse(r, 404);
		return;
	}
	http_hold(r);
	acme_read_challenge(http_frontend(r)->service->redis, token, acme_on_challenge, r);
}

const struct http_handler wellknown_acme = {.on_begin = acme_on_begin};
