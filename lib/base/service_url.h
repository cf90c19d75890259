/* The address of a server: "scheme://host[:port]"; a literal IPv6 address is in
 * brackets. */
#ifndef SP_BASE_SERVICE_URL_H
#define SP_BASE_SERVICE_URL_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

struct service_url {
	struct str scheme; /* borrowed from the text, as it was written */
	struct str host;   /* the same; a name or an address, without brackets */
	uint16_t port;	   /* 0: not given */
};

/* A slash at the end is ignored; any other path, a user name or a password is
 * refused. */
bool service_url_parse(struct str text, struct service_url *url_out);

#endif
