/* Which servers retrieval may connect to. Users name the hosts, so they could use the
 * cluster to look around in the operator's own network: addresses that are not public
 * are refused, unless the settings retrieval_private_hosts of pop and imap allow them.
 *
 * The check belongs where the connection is made, on the address that was resolved:
 * a name may resolve to anything, and to something else a moment later. */
#ifndef SP_RETRIEVE_REACH_H
#define SP_RETRIEVE_REACH_H

#include "lib/base/ip.h"
#include "lib/retrieve/account.h"
#include "lib/settings/settings.h"

/* Loopback, private, link-local, shared (100.64.0.0/10), multicast, reserved and
 * unspecified addresses are refused, also within IPv6 (mapped, NAT64, 6to4), unless
 * `allowed` has them. */
bool retrieve_ip_is_allowed(const struct ip *ip, const struct ip_blocks *allowed);
/* The setting for accounts of this protocol; valid as long as the snapshot. */
const struct ip_blocks *retrieve_private_hosts(const struct settings *s, enum retrieve_protocol protocol);

#endif
