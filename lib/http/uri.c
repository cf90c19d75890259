#include "lib/http/uri.h"

#include "lib/base/hex.h"
#include "lib/base/ip.h"

/* ---- Escapes ---- */

/* The byte of "%41" at the beginning of text; -1: malformed. */
static int
uri_escape(struct str text)
{
	int high = text.len >= 3 ? hex_value(text.p[1]) : -1;
	int low = text.len >= 3 ? hex_value(text.p[2]) : -1;

	return high < 0 || low < 0 ? -1 : high * 16 + low;
}

bool
http_uri_decode(struct str text, bool plus, struct arena *arena, struct str *out)
{
	char *to = arena_alloc(arena, text.len + 1);
	size_t len = 0;

	for (size_t i = 0; i < text.len; i++) {
		int c = (unsigned char)text.p[i];
		if (c == '%') {
			c = uri_escape(str_from(text, i));
			i += 2;
		} else if (c == '+' && plus) {
			c = ' ';
		}
		if (c <= 0)
			return false;
		to[len++] = (char)c;
	}
	*out = str_of(to, len);
	return true;
}

static bool
uri_is_unreserved(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == '_' || c == '~';
}

bool
http_uri_parameter(struct str query, struct str name, struct arena *arena, struct str *value_out)
{
	struct str pair, key, value;

	while (str_next_word(&query, "&", &pair)) {
		if (!str_cut(pair, '=', &key, &value)) {
			key = pair;
			value = STR_NONE;
		}
		if (http_uri_decode(key, true, arena, &key) && str_eq(key, name))
			return http_uri_decode(value, true, arena, value_out);
	}
	return false;
}

/* ---- Hosts ---- */

/* Empty, or ":8443" with a valid port number. */
static bool
uri_parse_port(struct str s, uint16_t *out)
{
	uint64_t port = 0;

	if (s.len > 1 && (!str_to_u64(str_from(s, 1), &port) || port > UINT16_MAX))
		return false;
	*out = (uint16_t)port;
	return s.len == 0 || s.p[0] == ':';
}

static bool
uri_is_name(struct str s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!uri_is_unreserved(s.p[i]))
			return false;
	return s.len != 0 && s.len <= 255;
}

bool
http_uri_parse_host(struct str text, struct arena *arena, struct str *host_out, uint16_t *port_out)
{
	struct str host = text, port = STR_NONE;
	ptrdiff_t end;
	struct ip ip;
	char *copy;

	if (str_starts(text, STR("["))) {
		end = str_index(text, ']');
		if (end < 0)
			return false;
		host = str_first(str_from(text, 1), (size_t)end - 1);
		port = str_from(text, (size_t)end + 1);
		if (!ip_parse(host, &ip))
			return false;
	} else {
		end = str_index(text, ':');
		if (end >= 0) {
			host = str_first(text, (size_t)end);
			port = str_from(text, (size_t)end);
		}
		if (!uri_is_name(host))
			return false;
	}
	if (!uri_parse_port(port, port_out))
		return false;
	copy = arena_dup(arena, host.p, host.len);
	str_lower(copy, host.len);
	*host_out = str_of(copy, host.len);
	return true;
}

/* ---- Targets ---- */

static bool
uri_is_sane(struct str path)
{
	struct str rest = path, segment;

	for (size_t i = 0; i < path.len; i++)
		if ((unsigned char)path.p[i] < 0x20 || path.p[i] == 0x7f)
			return false;
	while (str_next_word(&rest, "/", &segment))
		if (str_eq(segment, STR(".")) || str_eq(segment, STR("..")))
			return false;
	return true;
}

/* "http://host/path" becomes "/path". */
static bool
uri_take_absolute(struct str *target, struct arena *arena, struct str *host_out, uint16_t *port_out)
{
	struct str rest = str_from(*target, str_starts_ci(*target, STR("https://")) ? 8 : 7);
	size_t end = 0;

	while (end < rest.len && rest.p[end] != '/' && rest.p[end] != '?')
		end++;
	*target = end < rest.len && rest.p[end] == '/' ? str_from(rest, end) : STR("/");
	return (end == rest.len || rest.p[end] == '/') &&
	       http_uri_parse_host(str_first(rest, end), arena, host_out, port_out);
}

struct str
http_uri_raw_path(struct str target)
{
	struct str path, query;
	size_t end;

	if (str_starts_ci(target, STR("http://")) || str_starts_ci(target, STR("https://"))) {
		end = (size_t)str_index(target, ':') + 3;
		while (end < target.len && target.p[end] != '/')
			end++;
		target = end < target.len ? str_from(target, end) : STR("/");
	}
	str_cut(target, '?', &path, &query);
	return path;
}

bool
http_uri_parse(struct str target, bool allow_star, struct arena *arena, struct str *path_out, struct str *query_out,
	       struct str *host_out, uint16_t *port_out)
{
	struct str path;

	*host_out = *query_out = STR_NONE;
	*port_out = 0;
	for (size_t i = 0; i < target.len; i++)
		if ((unsigned char)target.p[i] <= 0x20 || (unsigned char)target.p[i] >= 0x7f || target.p[i] == '#')
			return false;
	if (allow_star && str_eq(target, STR("*"))) {
		*path_out = target;
		return true;
	}
	if ((str_starts_ci(target, STR("http://")) || str_starts_ci(target, STR("https://"))) &&
	    !uri_take_absolute(&target, arena, host_out, port_out))
		return false;
	if (!str_starts(target, STR("/")))
		return false;
	if (!str_cut(target, '?', &path, query_out))
		path = target;
	return http_uri_decode(path, false, arena, path_out) && uri_is_sane(*path_out);
}
