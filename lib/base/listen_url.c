#include "lib/base/listen_url.h"

enum { HTTP_PORT = 80, HTTPS_PORT = 443 };

/* "+", "*", "192.0.2.1", "[2001:db8::1]" */
static bool
listen_url_parse_host(struct str host, struct ip *out)
{
	*out = (struct ip){0};
	if (str_eq(host, STR("+")) || str_eq(host, STR("*")))
		return true;
	if (!str_starts(host, STR("[")))
		return ip_parse(host, out) && out->family == 4;
	return str_ends_ci(host, STR("]")) && ip_parse(str_first(str_from(host, 1), host.len - 2), out) &&
	       out->family == 6;
}

static bool
listen_url_parse_port(struct str text, uint16_t *out)
{
	uint64_t port;

	if (!str_to_u64(text, &port) || port == 0 || port > UINT16_MAX)
		return false;
	*out = (uint16_t)port;
	return true;
}

bool
listen_url_parse(struct str text, struct listen_url *out)
{
	struct str host, bracket, port;
	ptrdiff_t slash, colon;

	*out = (struct listen_url){.tls = str_starts_ci(text, STR("https://"))};
	if (!out->tls && !str_starts_ci(text, STR("http://")))
		return false;
	out->port = out->tls ? HTTPS_PORT : HTTP_PORT;
	host = str_from(text, out->tls ? 8 : 7);
	slash = str_index(host, '/');
	out->path = slash >= 0 ? str_from(host, (size_t)slash) : STR("/");
	if (slash >= 0)
		host = str_first(host, (size_t)slash);
	/* A colon behind the brackets, if there are any. */
	bracket = str_index(host, ']') >= 0 ? str_from(host, (size_t)str_index(host, ']')) : host;
	colon = str_index(bracket, ':');
	if (colon >= 0) {
		port = str_from(bracket, (size_t)colon + 1);
		host = str_first(host, host.len - port.len - 1);
		if (!listen_url_parse_port(port, &out->port))
			return false;
	}
	return listen_url_parse_host(host, &out->ip);
}
