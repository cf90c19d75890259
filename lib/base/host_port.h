/* A server as an operator writes it: "host", "host:port", "192.0.2.1",
 * "192.0.2.1:25", "[192.0.2.1]:25", "2001:db8::1", "[2001:db8::1]:25",
 * "[IPv6:2001:db8::1]:25". */
#ifndef SP_BASE_HOST_PORT_H
#define SP_BASE_HOST_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/ip.h"
#include "lib/base/str.h"

struct host_port {
	struct str host;   /* borrowed from the text: the name, or the address as it was written */
	struct ip literal; /* family 0: a name that has to be looked up */
	uint16_t port;	   /* 0: not given */
};

/* Spaces around it are ignored. False: it is neither a name (RFC 1123, with '_'
 * allowed) nor an address, or the port is invalid. */
bool host_port_parse(struct str text, struct host_port *out);
/* True if the text is such a name without a dot at its end: what a server may call itself. */
bool host_name_is_valid(struct str name);

#endif
