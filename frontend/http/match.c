#include "frontend/http/private.h"

static bool
match_pattern(struct str pattern, struct str text, bool caseless)
{
	if (str_ends_ci(pattern, STR("*"))) {
		pattern = str_first(pattern, pattern.len - 1);
		return caseless ? str_starts_ci(text, pattern) : str_starts(text, pattern);
	}
	return caseless ? str_eq_ci(text, pattern) : str_eq(text, pattern);
}

static bool
match_route(const struct http_route *route, const struct http_head *head)
{
	return (route->host == NULL || match_pattern(str_c(route->host), head->host, true)) &&
	       match_pattern(str_c(route->path), head->path, (route->flags & HTTP_CASELESS) != 0);
}

static unsigned
match_methods(const struct http_route *route)
{
	unsigned methods = route->methods | HTTP_BIT(HTTP_OPTIONS);

	return (methods & HTTP_BIT(HTTP_GET)) != 0 ? methods | HTTP_BIT(HTTP_HEAD) : methods;
}

const struct http_route *
http_match(const struct http_head *head, unsigned *allowed_out)
{
	*allowed_out = 0;
	for (const struct http_route *route = http_routes; route->path != NULL; route++) {
		unsigned methods = match_methods(route);
		if (!match_route(route, head))
			continue;
		*allowed_out |= methods;
		if ((methods & HTTP_BIT(head->method)) != 0)
			return route;
	}
	return NULL;
}
