/* The address of a Redis server: "redis://[[user]:password@]host:port[/db]",
 * the same with "rediss:" for TLS, or "unix:/path". In user and password, '/',
 * ':', '%' and control characters are written as %2F and so on. */
#ifndef SP_REDIS_URL_H
#define SP_REDIS_URL_H

#include <stdbool.h>

#include "lib/base/err.h"

struct redis_url {
	char host[256]; /* empty: unix socket */
	int port;
	bool tls;
	char path[108]; /* unix socket */
	char user[256]; /* ACL user; empty: the default user */
	char password[256];
	int database;
};

/* err never contains a password. */
int redis_url_parse(const char *text, struct redis_url *url_out, struct err *err);

/* The URL in a form that may be shown: "***" replaces the password. Also works
 * for a URL that does not parse. size at least REDIS_URL_SHOWN_MAX. */
#define REDIS_URL_SHOWN_MAX 1024
void redis_url_show(const char *text, char *out, unsigned size);

#endif
