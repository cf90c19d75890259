/* TLS to the store. Private to lib/redis. */
#ifndef SP_REDIS_TLS_H
#define SP_REDIS_TLS_H

#include <openssl/ssl.h>

#include "lib/base/err.h"
#include "lib/redis/url.h"

/* A client's session on a connected descriptor. The server's certificate must be
 * good for the URL's host: by an authority of STAGEPOST_REDIS_CA (a file, PEM),
 * else of the system. STAGEPOST_REDIS_CERT and STAGEPOST_REDIS_KEY: our own
 * certificate, where the server wants one. NULL: a file does not load. */
SSL *redis_tls_new(const struct redis_url *url, int fd, struct err *err);

#endif
