/* How many connections each client has open, of one protocol in this process: so
 * that no single one takes all. */
#ifndef SP_FRONTEND_CORE_ADDRESSES_H
#define SP_FRONTEND_CORE_ADDRESSES_H

#include "lib/base/ip.h"

/* A client is an IPv4 address, or an IPv6 network of 64 bits, as one gets from a
 * provider. NULL: nobody; whoever has no connection any more takes no memory. */
struct address;

/* One more; how many it has now. */
unsigned addresses_add(struct address **all, const struct ip *client);
/* One less, after one more. */
void addresses_remove(struct address **all, const struct ip *client);

#endif
