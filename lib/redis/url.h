/* Where a Redis server is: "redis://[:password@]host:port[/db]", "unix:/path".
 * What a password has of '/', '%' and control characters stands as %2F ... in it. */
#ifndef SP_REDIS_URL_H
#define SP_REDIS_URL_H

#include "lib/base/err.h"

struct redis_url {
	char host[256]; /* empty: unix socket */
	int port;
	char path[108]; /* unix socket */
	char password[256];
	int database;
};

int redis_url_parse(const char *text, struct redis_url *url_out, struct err *err);

#endif
