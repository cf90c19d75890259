#include "lib/retrieve/reach.h"

#include <string.h>

/* Addresses that are not of the public internet: the special-purpose registries of
 * IANA (RFC 6890) and multicast. */
static const char *const reach_refused[] = {
	"0.0.0.0/8",	  "10.0.0.0/8",	  "100.64.0.0/10",  "127.0.0.0/8",    "169.254.0.0/16", "172.16.0.0/12",
	"192.0.0.0/24",	  "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15",	"198.51.100.0/24",
	"203.0.113.0/24", "224.0.0.0/3",  "::/8",	    "100::/64",	      "2001::/23",	"2001:db8::/32",
	"fc00::/7",	  "fe80::/9",	  "ff00::/8",
};

/* What carries an IPv4 address within: NAT64 (RFC 6052) and 6to4 (RFC 3056). Mapped
 * addresses are IPv4 already (lib/base/ip.h). */
static bool
reach_inner(const struct ip *ip, struct ip *inner_out)
{
	static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};
	const uint8_t *at = NULL;

	if (ip->family == 6 && memcmp(ip->bytes, nat64, sizeof(nat64)) == 0)
		at = ip->bytes + 12;
	else if (ip->family == 6 && ip->bytes[0] == 0x20 && ip->bytes[1] == 0x02)
		at = ip->bytes + 2;
	if (at == NULL)
		return false;
	*inner_out = (struct ip){.family = 4};
	memcpy(inner_out->bytes, at, 4);
	return true;
}

static bool
reach_is_public(const struct ip *ip)
{
	struct ip_block block;
	struct ip inner;

	if (reach_inner(ip, &inner))
		return reach_is_public(&inner);
	for (size_t i = 0; i < sizeof(reach_refused) / sizeof(reach_refused[0]); i++)
		if (ip_block_parse(str_c(reach_refused[i]), &block) && ip_block_has(&block, ip))
			return false;
	return ip->family != 0;
}

bool
retrieve_ip_is_allowed(const struct ip *ip, const struct ip_blocks *allowed)
{
	return reach_is_public(ip) || (allowed != NULL && ip_blocks_have(allowed, ip));
}

const struct ip_blocks *
retrieve_private_hosts(const struct settings *s, enum retrieve_protocol protocol)
{
	return protocol == RETRIEVE_POP3 ? &settings_pop(s, STR_NONE)->retrieval_private_hosts
					 : &settings_imap(s, STR_NONE)->retrieval_private_hosts;
}
