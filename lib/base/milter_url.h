/* Where a milter listens, as Postfix writes it: "inet:192.0.2.1:8891",
 * "inet6:[2001:db8::1]:8891", "unix:/run/milter.sock". Addresses only, no host names. */
#ifndef SP_BASE_MILTER_URL_H
#define SP_BASE_MILTER_URL_H

#include <stdbool.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "lib/base/str.h"

struct milter_url {
	union {
		struct sockaddr any;
		struct sockaddr_storage inet;
		struct sockaddr_un local;
	} address;
	socklen_t length;
};

/* False: it is malformed. */
bool milter_url_parse(struct str text, struct milter_url *url_out);

#endif
