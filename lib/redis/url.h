/* Where a Redis server is: "redis://[[user]:password@]host:port[/db]", the same
 * with "rediss:" for TLS, or "unix:/path". What user and password have of '/',
 * ':', '%' and control characters stands as %2F ... in them. */
#ifndef SP_REDIS_URL_H
#define SP_REDIS_URL_H

#include <stdbool.h>

#include "lib/base/err.h"

struct redis_url {
	char host[256]; /* empty: unix socket */
	int port;
	bool tls;
	char path[108]; /* unix socket */
	char user[256]; /* of the server's ACL; empty: the default one */
	char password[256];
	int database;
};

/* err never shows a password. */
int redis_url_parse(const char *text, struct redis_url *url_out, struct err *err);

/* The URL as it may be shown: "***" stands for the password. Also of one that
 * does not parse. size at least REDIS_URL_SHOWN_MAX. */
#define REDIS_URL_SHOWN_MAX 1024
void redis_url_show(const char *text, char *out, unsigned size);

#endif
