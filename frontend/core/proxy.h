/* The PROXY protocol header, versions 1 and 2, that a load balancer sends
 * before the client's first byte. */
#ifndef SP_FRONTEND_CORE_PROXY_H
#define SP_FRONTEND_CORE_PROXY_H

#include "lib/base/ip.h"
#include "lib/base/str.h"

#define PROXY_HEADER_MAX 536 /* longer ones are refused; v1 has at most 107 bytes, v2 16 plus its addresses and TLVs */

enum proxy_result {
	PROXY_MORE,    /* not complete yet */
	PROXY_BAD,     /* not a valid header */
	PROXY_LOCAL,   /* complete; the balancer's own connection (health check): addresses stay as they are */
	PROXY_ADDRESS, /* complete; the client's addresses are in header */
};

struct proxy_header {
	size_t length; /* of the header, in bytes */
	struct ip source, destination;
	uint16_t source_port, destination_port;
};

enum proxy_result proxy_parse(struct str input, struct proxy_header *header_out);

#endif
