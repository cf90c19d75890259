/* IP addresses and CIDR blocks. */
#include "lib/base/ip.h"

#include <arpa/inet.h>
#include <stdio.h>

static void
ip_unmap(struct ip *ip)
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

	if (ip->family != 6 || memcmp(ip->bytes, mapped, sizeof(mapped)) != 0)
		return;
	memmove(ip->bytes, ip->bytes + 12, 4);
	memset(ip->bytes + 4, 0, 12);
	ip->family = 4;
}

bool
ip_parse(struct str text, struct ip *ip_out)
{
	char copy[IP_TEXT_MAX];

	*ip_out = (struct ip){0};
	if (text.len == 0 || text.len >= sizeof(copy) || memchr(text.p, '\0', text.len) != NULL)
		return false;
	str_copy(text, copy, sizeof(copy));
	if (inet_pton(AF_INET, copy, ip_out->bytes) == 1) {
		ip_out->family = 4;
		return true;
	}
	if (inet_pton(AF_INET6, copy, ip_out->bytes) != 1)
		return false;
	ip_out->family = 6;
	ip_unmap(ip_out);
	return true;
}

void
ip_text(const struct ip *ip, char out[IP_TEXT_MAX])
{
	out[0] = '\0';
	if (ip->family != 0)
		inet_ntop(ip->family == 4 ? AF_INET : AF_INET6, ip->bytes, out, IP_TEXT_MAX);
}

bool
ip_eq(const struct ip *a, const struct ip *b)
{
	return a->family == b->family && memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}

struct ip
ip_client(const struct ip *ip)
{
	struct ip client = {.family = ip->family};

	memcpy(client.bytes, ip->bytes, ip->family == 6 ? 8 : 4);
	return client;
}

bool
ip_is_loopback(const struct ip *ip)
{
	static const uint8_t loopback6[16] = {[15] = 1};

	if (ip->family == 4)
		return ip->bytes[0] == 127;
	return ip->family == 6 && memcmp(ip->bytes, loopback6, sizeof(loopback6)) == 0;
}

/* Are the first `bits` bits of both equal? */
static bool
bits_equal(const uint8_t *a, const uint8_t *b, unsigned bits)
{
	unsigned whole = bits / 8, rest = bits % 8;

	if (memcmp(a, b, whole) != 0)
		return false;
	return rest == 0 || ((a[whole] ^ b[whole]) & (0xff00u >> rest) & 0xffu) == 0;
}

bool
ip_block_parse(struct str text, struct ip_block *block_out)
{
	static const uint8_t zero[16] = {0};
	struct str address, prefix;
	uint64_t bits;
	unsigned most;
	uint8_t rest[16];

	bool has_prefix = str_cut(text, '/', &address, &prefix);
	if (!ip_parse(address, &block_out->ip))
		return false;
	most = block_out->ip.family == 4 ? 32 : 128;
	bits = most;
	if (has_prefix && (!str_to_u64(prefix, &bits) || bits > most))
		return false;
	block_out->prefix = (uint8_t)bits;
	for (unsigned i = 0; i < 16; i++) {
		unsigned covered = bits > i * 8 ? (unsigned)bits - i * 8 : 0;
		rest[i] = (uint8_t)(covered >= 8 ? 0u : block_out->ip.bytes[i] & (0xffu >> covered));
	}
	return memcmp(rest, zero, sizeof(rest)) == 0;
}

bool
ip_block_has(const struct ip_block *block, const struct ip *ip)
{
	return block->ip.family == ip->family && bits_equal(block->ip.bytes, ip->bytes, block->prefix);
}

bool
ip_blocks_have(const struct ip_blocks *blocks, const struct ip *ip)
{
	for (unsigned i = 0; i < blocks->count; i++)
		if (ip_block_has(&blocks->items[i], ip))
			return true;
	return false;
}

bool
ip_from_sockaddr(const struct sockaddr *sa, struct ip *ip_out, uint16_t *port_out)
{
	uint16_t port;

	*ip_out = (struct ip){0};
	if (sa->sa_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)sa;
		ip_out->family = 4;
		memcpy(ip_out->bytes, &in->sin_addr, 4);
		port = ntohs(in->sin_port);
	} else if (sa->sa_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;
		ip_out->family = 6;
		memcpy(ip_out->bytes, &in6->sin6_addr, 16);
		port = ntohs(in6->sin6_port);
		ip_unmap(ip_out);
	} else {
		return false;
	}
	if (port_out != NULL)
		*port_out = port;
	return true;
}

socklen_t
ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *sa_out)
{
	memset(sa_out, 0, sizeof(*sa_out));
	if (ip->family == 4) {
		struct sockaddr_in *in = (void *)sa_out;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ip->bytes, 4);
		return sizeof(*in);
	}
	struct sockaddr_in6 *in6 = (void *)sa_out;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, ip->bytes, 16);
	return sizeof(*in6);
}

void
ip_literal(const struct ip *ip, char out[IP_LITERAL_MAX])
{
	char text[IP_TEXT_MAX];
	ip_text(ip, text);
	snprintf(out, IP_LITERAL_MAX, "[%s%s]", ip->family == 6 ? "IPv6:" : "", text);
}

bool
ip_literal_parse(struct str text, struct ip *ip_out)
{
	if (text.len < 3 || text.p[0] != '[' || text.p[text.len - 1] != ']')
		return false;
	text = str_of(text.p + 1, text.len - 2);
	if (str_starts_ci(text, STR("IPv6:")))
		return ip_parse(str_from(text, 5), ip_out) && str_index(str_from(text, 5), ':') >= 0;
	return ip_parse(text, ip_out) && str_index(text, ':') < 0;
}
