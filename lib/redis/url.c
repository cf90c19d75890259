/* The address of a Redis server. */
#include "lib/redis/url.h"

#include <stdio.h>

#include "lib/base/ip.h"
#include "lib/base/str.h"

enum { DEFAULT_PORT = 6379 };

static int
url_hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "%40" is '@' (RFC 3986, section 2.1). False: too long, or malformed. */
static bool
url_percent_decode(struct str text, char *out, size_t size)
{
	size_t used = 0;

	for (size_t i = 0; i < text.len; i++) {
		char c = text.p[i];
		if (c == '%') {
			int high = i + 2 < text.len ? url_hex_digit(text.p[i + 1]) : -1,
			    low = high >= 0 ? url_hex_digit(text.p[i + 2]) : -1;
			if (low < 0 || high + low == 0)
				return false;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (used + 1 >= size)
			return false;
		out[used++] = c;
	}
	out[used] = '\0';
	return true;
}

static bool
url_is_host_name(struct str host)
{
	for (size_t i = 0; i < host.len; i++) {
		char c = (char)(host.p[i] | 0x20);
		if (!((c >= 'a' && c <= 'z') || (host.p[i] >= '0' && host.p[i] <= '9') ||
		      strchr(".-_", host.p[i]) != NULL))
			return false;
	}
	return host.len != 0;
}

/* "host", "host:port", "[2001:db8::1]:port" */
static bool
parse_host(struct str host, struct redis_url *url)
{
	struct str port = STR_NONE;
	uint64_t number = DEFAULT_PORT;
	struct ip ip;

	if (str_starts(host, STR("["))) {
		ptrdiff_t end = str_index(host, ']');
		if (end < 0)
			return false;
		port = str_from(host, (size_t)end + 1);
		host = str_of(host.p + 1, (size_t)end - 1);
		if (!ip_parse(host, &ip) || str_index(host, ':') < 0 || (port.len != 0 && port.p[0] != ':'))
			return false;
	} else {
		if (str_index(host, ':') >= 0)
			port = str_from(host, (size_t)str_index(host, ':'));
		host = str_first(host, host.len - port.len);
		if (!url_is_host_name(host))
			return false;
	}
	if (port.len != 0 && (!str_to_u64(str_from(port, 1), &number) || number == 0 || number > 65535))
		return false;
	url->port = (int)number;
	return str_copy(host, url->host, sizeof(url->host));
}

/* "user:password", ":password"; "password" alone is not a user name. */
static bool
parse_login(struct str login, struct redis_url *url)
{
	struct str user, password;

	if (!str_cut(login, ':', &user, &password)) {
		password = login;
		user = STR_NONE;
	}
	return url_percent_decode(user, url->user, sizeof(url->user)) &&
	       url_percent_decode(password, url->password, sizeof(url->password));
}

void
redis_url_show(const char *text, char *out, unsigned size)
{
	struct str rest = str_c(text), before, login, user, password;
	const char *scheme = strstr(text, "://");
	ptrdiff_t at = str_rindex(rest, '@');

	if (scheme == NULL || at < scheme + 3 - text) {
		/* There is no place for a password, but a text that does not look like a URL may be one. */
		snprintf(out, size, "%s", scheme != NULL || str_starts(rest, STR("unix:")) ? text : "***");
		return;
	}
	before = str_first(rest, (size_t)(scheme + 3 - text));
	login = str_of(scheme + 3, (size_t)(text + at - scheme - 3));
	if (!str_cut(login, ':', &user, &password))
		user = STR_NONE;
	snprintf(out, size, "%.*s%.*s%s***%s", STR_ARG(before), STR_ARG(user), user.len != 0 ? ":" : "", text + at);
}

int
redis_url_parse(const char *text, struct redis_url *url, struct err *err)
{
	struct str rest = str_c(text), authority, database, host;
	uint64_t number;
	ptrdiff_t at;

	*url = (struct redis_url){.port = DEFAULT_PORT};
	if (str_starts(rest, STR("unix:"))) {
		if (!str_copy(str_from(rest, 5), url->path, sizeof(url->path)) || url->path[0] == '\0')
			return err_set(err, ERR_INVALID, "'%s': the path of a socket must have 1 to %zu bytes", text,
				       sizeof(url->path) - 1);
		return 0;
	}
	/* From here on error texts must not contain the URL: it may hold a password. */
	url->tls = str_starts(rest, STR("rediss://"));
	if (!url->tls && !str_starts(rest, STR("redis://")))
		return err_set(err, ERR_INVALID,
			       "the URL of the store is neither redis://host:port, rediss://host:port nor unix:/path");
	str_cut(str_from(rest, url->tls ? 9 : 8), '/', &authority, &database);
	at = str_rindex(authority, '@');
	host = str_from(authority, (size_t)(at + 1));
	if (at >= 0 && !parse_login(str_first(authority, (size_t)at), url))
		return err_set(err, ERR_INVALID,
			       "the Redis user or password is too long, or has an invalid '%%' escape");
	if (!parse_host(host, url))
		return err_set(err, ERR_INVALID, "the URL of the store has no valid host and port");
	if (database.len != 0) {
		if (!str_to_u64(database, &number) || number > 1000)
			return err_set(err, ERR_INVALID, "the URL of the store has no valid database number");
		url->database = (int)number;
	}
	return 0;
}
