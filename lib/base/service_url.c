#include "lib/base/service_url.h"

#include "lib/base/ip.h"

#define HOST_MAX 253 /* RFC 1035 */

static bool
service_url_is_name(struct str host)
{
	if (host.len == 0 || host.len > HOST_MAX)
		return false;
	for (size_t i = 0; i < host.len; i++) {
		char c = host.p[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
		      c == '-' || c == '_'))
			return false;
	}
	return true;
}

static bool
service_url_parse_port(struct str text, uint16_t *port_out)
{
	uint64_t v;

	if (!str_to_u64(text, &v) || v == 0 || v > 65535)
		return false;
	*port_out = (uint16_t)v;
	return true;
}

static bool
parse_address(struct str text, struct service_url *url)
{
	ptrdiff_t end = str_index(text, ']');
	struct str rest;
	struct ip ip;

	if (end < 0)
		return false;
	url->host = str_of(text.p + 1, (size_t)end - 1);
	rest = str_from(text, (size_t)end + 1);
	if (!ip_parse(url->host, &ip) || ip.family != 6)
		return false;
	return rest.len == 0 || (rest.p[0] == ':' && service_url_parse_port(str_from(rest, 1), &url->port));
}

bool
service_url_parse(struct str text, struct service_url *url_out)
{
	struct str rest, port;
	ptrdiff_t colon = str_index(text, ':');

	*url_out = (struct service_url){.port = 0};
	if (colon <= 0 || !str_starts(str_from(text, (size_t)colon), STR("://")))
		return false;
	url_out->scheme = str_first(text, (size_t)colon);
	rest = str_from(text, (size_t)colon + 3);
	if (rest.len > 0 && rest.p[rest.len - 1] == '/')
		rest.len--;
	if (rest.len > 0 && rest.p[0] == '[')
		return parse_address(rest, url_out);
	if (!str_cut(rest, ':', &url_out->host, &port))
		return service_url_is_name(url_out->host);
	return service_url_is_name(url_out->host) && service_url_parse_port(port, &url_out->port);
}
