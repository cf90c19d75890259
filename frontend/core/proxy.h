/* The PROXY protocol header, versions 1 and 2, that a load balancer sends
 * before the client's first byte. */
#ifndef SP_FRONTEND_CORE_PROXY_H
#define SP_FRONTEND_CORE_PROXY_H

#include "lib/base/ip.h"
#include "lib/base/str.h"

#define PROXY_HEADER_MAX 536 /* more is refused; v1 has at most 107, v2 16 and its addresses and TLVs */

enum proxy_result {
	PROXY_MORE,    /* not whole yet */
	PROXY_BAD,     /* no such header */
	PROXY_LOCAL,   /* whole; the balancer's own connection (health check): addresses as they are */
	PROXY_ADDRESS, /* whole; the client's addresses are in header */
};

struct proxy_header {
	size_t length; /* bytes of it */
	struct ip source, destination;
	uint16_t source_port, destination_port;
};

enum proxy_result proxy_parse(struct str input, struct proxy_header *header_out);

#endif
