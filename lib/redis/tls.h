/* TLS to the store. Private to lib/redis. */
#ifndef SP_REDIS_TLS_H
#define SP_REDIS_TLS_H

#include <openssl/ssl.h>

#include "lib/base/err.h"
#include "lib/redis/url.h"

/* A client's session on a connected descriptor. The server's certificate must be
 * valid for the URL's host, issued by an authority in STAGEPOST_REDIS_CA (a PEM
 * file) or else one of the system's. STAGEPOST_REDIS_CERT and
 * STAGEPOST_REDIS_KEY: our own certificate, if the server requires one. NULL: a
 * file cannot be loaded. */
SSL *redis_tls_new(const struct redis_url *url, int fd, struct err *err);

#endif
