/* IP addresses and CIDR blocks. IPv4-mapped IPv6 addresses are converted to
 * IPv4, so that a block matches whether the client connected by an IPv4 or an
 * IPv6 socket. */
#ifndef SP_BASE_IP_H
#define SP_BASE_IP_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "lib/base/str.h"

struct ip {
	uint8_t family;	   /* 4 or 6; 0: none */
	uint8_t bytes[16]; /* network order; 4 in use for IPv4 */
};

struct ip_block {
	struct ip ip;
	uint8_t prefix; /* bits */
};

struct ip_blocks {
	const struct ip_block *items; /* owner: the code that made the list */
	unsigned count;
};

#define IP_TEXT_MAX 46

bool ip_parse(struct str text, struct ip *ip_out);
void ip_text(const struct ip *ip, char out[IP_TEXT_MAX]);
bool ip_eq(const struct ip *a, const struct ip *b);
bool ip_is_loopback(const struct ip *ip);
/* Who a client is: an IPv4 address, or the first 64 bits of an IPv6 one, for a client gets all of such a network from
 * its provider. */
struct ip ip_client(const struct ip *ip);
/* "192.0.2.1", "192.0.2.0/24", "2001:db8::/32"; bits after the prefix must be 0. */
bool ip_block_parse(struct str text, struct ip_block *block_out);
bool ip_block_has(const struct ip_block *block, const struct ip *ip);
bool ip_blocks_have(const struct ip_blocks *blocks, const struct ip *ip);
/* port_out may be NULL. False for other families. */
bool ip_from_sockaddr(const struct sockaddr *sa, struct ip *ip_out, uint16_t *port_out);
/* Returns the length of the filled structure. */
socklen_t ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *sa_out);
/* RFC 5321 address literal: "[192.0.2.1]", "[IPv6:2001:db8::1]". */
#define IP_LITERAL_MAX (IP_TEXT_MAX + 8)
void ip_literal(const struct ip *ip, char out[IP_LITERAL_MAX]);
bool ip_literal_parse(struct str text, struct ip *ip_out);

#endif
