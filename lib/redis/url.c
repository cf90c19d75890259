/* Where a Redis server is. */
#include "lib/redis/url.h"

#include "lib/base/str.h"

enum { DEFAULT_PORT = 6379 };

int
redis_url_parse(const char *text, struct redis_url *url, struct err *err)
{
	struct str rest = str_c(text), authority, database, password, host, port;
	uint64_t number;
	ptrdiff_t colon;

	*url = (struct redis_url){.port = DEFAULT_PORT};
	if (str_starts(rest, STR("unix:"))) {
		if (!str_copy(str_from(rest, 5), url->path, sizeof(url->path)) || url->path[0] == '\0')
			return err_set(err, ERR_INVALID, "'%s': a socket's path has 1 to %zu bytes", text,
				       sizeof(url->path) - 1);
		return 0;
	}
	if (!str_starts(rest, STR("redis://")))
		return err_set(err, ERR_INVALID, "'%s' is neither redis://host:port nor unix:/path", text);
	str_cut(str_from(rest, 8), '/', &authority, &database);
	host = authority;
	if (str_cut(authority, '@', &password, &host)) {
		ptrdiff_t at = str_index(password, ':'); /* a user name is passed over */
		if (!str_copy(str_from(password, (size_t)(at + 1)), url->password, sizeof(url->password)))
			return err_set(err, ERR_INVALID, "the Redis password is too long");
	} else {
		host = authority;
	}
	colon = str_rindex(host, ':');
	if (colon >= 0 && !(host.p[host.len - 1] == ']')) {
		port = str_from(host, (size_t)colon + 1);
		host = str_first(host, (size_t)colon);
		if (!str_to_u64(port, &number) || number == 0 || number > 65535)
			return err_set(err, ERR_INVALID, "'%s' has no valid port", text);
		url->port = (int)number;
	}
	if (host.len > 2 && host.p[0] == '[')
		host = str_of(host.p + 1, host.len - 2);
	if (host.len == 0 || !str_copy(host, url->host, sizeof(url->host)))
		return err_set(err, ERR_INVALID, "'%s' has no valid host", text);
	if (database.len != 0) {
		if (!str_to_u64(database, &number) || number > 1000)
			return err_set(err, ERR_INVALID, "'%s' has no valid database number", text);
		url->database = (int)number;
	}
	return 0;
}
