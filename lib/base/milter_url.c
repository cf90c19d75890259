/* Where a milter listens. */
#include "lib/base/milter_url.h"

#include <string.h>

#include "lib/base/host_port.h"

static bool
milter_url_parse_unix(struct str path, struct milter_url *url_out)
{
	struct sockaddr_un *local = &url_out->address.local;

	if (path.len < 2 || path.p[0] != '/')
		return false;
	local->sun_family = AF_UNIX;
	url_out->length = sizeof(*local);
	return str_copy(path, local->sun_path, sizeof(local->sun_path));
}

bool
milter_url_parse(struct str text, struct milter_url *url_out)
{
	struct host_port place;
	struct str kind, rest;

	memset(url_out, 0, sizeof(*url_out));
	if (!str_cut(text, ':', &kind, &rest))
		return false;
	if (str_eq(kind, STR("unix")))
		return milter_url_parse_unix(rest, url_out);
	if (!str_eq(kind, STR("inet")) && !str_eq(kind, STR("inet6")))
		return false;
	if (!host_port_parse(rest, &place) || place.literal.family == 0 || place.port == 0)
		return false;
	if ((place.literal.family == 6) != str_eq(kind, STR("inet6")))
		return false;
	url_out->length = ip_to_sockaddr(&place.literal, place.port, &url_out->address.inet);
	return true;
}
