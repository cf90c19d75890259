/* The PROXY protocol header. */
#include "frontend/core/proxy.h"

static const char v2_signature[12] = {'\r', '\n', '\r', '\n', '\0', '\r', '\n', 'Q', 'U', 'I', 'T', '\n'};

enum { V1_MAX = 107, V2_FIXED = 16, V2_INET = 12, V2_INET6 = 36 };

static bool
take_port(struct str text, uint16_t *port_out)
{
	uint64_t port;

	if (!str_to_u64(text, &port) || port > 65535)
		return false;
	*port_out = (uint16_t)port;
	return true;
}

/* "TCP4", "TCP6": the family in which both addresses must be written. */
static bool
take_addresses(struct str family, struct str source, struct str destination, struct proxy_header *h)
{
	bool is_6 = str_eq(family, STR("TCP6"));

	return (is_6 || str_eq(family, STR("TCP4"))) && (str_index(source, ':') >= 0) == is_6 &&
	       (str_index(destination, ':') >= 0) == is_6 && ip_parse(source, &h->source) &&
	       ip_parse(destination, &h->destination);
}

/* "PROXY TCP4 192.0.2.1 192.0.2.2 1234 25\r\n" */
static enum proxy_result
parse_v1(struct str input, struct proxy_header *h)
{
	struct str line, rest, word[6];
	unsigned words = 0;
	const char *end = memmem(input.p, input.len, "\r\n", 2);

	if (end == NULL)
		return input.len >= V1_MAX ? PROXY_BAD : PROXY_MORE;
	line = str_first(input, (size_t)(end - input.p));
	h->length = line.len + 2;
	if (h->length > V1_MAX)
		return PROXY_BAD;
	rest = line;
	while (words < 6 && str_next_word(&rest, " ", &word[words]))
		words++;
	if (words >= 2 && str_eq(word[1], STR("UNKNOWN")))
		return PROXY_LOCAL;
	if (words != 6 || rest.len != 0 || !take_addresses(word[1], word[2], word[3], h) ||
	    !take_port(word[4], &h->source_port) || !take_port(word[5], &h->destination_port))
		return PROXY_BAD;
	return PROXY_ADDRESS;
}

static unsigned
proxy_be16(const unsigned char *p)
{
	return (unsigned)p[0] << 8 | p[1];
}

static enum proxy_result
parse_v2(struct str input, struct proxy_header *h)
{
	const unsigned char *p = (const unsigned char *)input.p;
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	size_t length;

	if (input.len < V2_FIXED)
		return PROXY_MORE;
	length = proxy_be16(p + 14);
	h->length = V2_FIXED + length;
	if (p[12] >> 4 != 2 || h->length > PROXY_HEADER_MAX)
		return PROXY_BAD;
	if (input.len < h->length)
		return PROXY_MORE;
	if ((p[12] & 15) == 0)
		return PROXY_LOCAL;
	if ((p[12] & 15) != 1)
		return PROXY_BAD;
	if (p[13] == 0x11 && length >= V2_INET) {
		memcpy(&in.sin_addr, p + 16, 4);
		ip_from_sockaddr((struct sockaddr *)&in, &h->source, NULL);
		memcpy(&in.sin_addr, p + 20, 4);
		ip_from_sockaddr((struct sockaddr *)&in, &h->destination, NULL);
		h->source_port = (uint16_t)proxy_be16(p + 24);
		h->destination_port = (uint16_t)proxy_be16(p + 26);
		return PROXY_ADDRESS;
	}
	if (p[13] == 0x21 && length >= V2_INET6) {
		memcpy(&in6.sin6_addr, p + 16, 16);
		ip_from_sockaddr((struct sockaddr *)&in6, &h->source, NULL);
		memcpy(&in6.sin6_addr, p + 32, 16);
		ip_from_sockaddr((struct sockaddr *)&in6, &h->destination, NULL);
		h->source_port = (uint16_t)proxy_be16(p + 48);
		h->destination_port = (uint16_t)proxy_be16(p + 50);
		return PROXY_ADDRESS;
	}
	/* Another family (a unix socket): nothing we could use. */
	return p[13] == 0x00 || p[13] == 0x31 ? PROXY_LOCAL : PROXY_BAD;
}

enum proxy_result
proxy_parse(struct str input, struct proxy_header *h)
{
	size_t common = input.len < sizeof(v2_signature) ? input.len : sizeof(v2_signature);

	*h = (struct proxy_header){0};
	if (input.len == 0)
		return PROXY_MORE;
	if (memcmp(input.p, v2_signature, common) == 0)
		return parse_v2(input, h);
	common = input.len < 6 ? input.len : 6;
	if (memcmp(input.p, "PROXY ", common) != 0)
		return PROXY_BAD;
	return common < 6 ? PROXY_MORE : parse_v1(input, h);
}
