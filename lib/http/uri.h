/* Request targets (RFC 9112, 3.2; RFC 3986): paths, queries, hosts. */
#ifndef SP_HTTP_URI_H
#define SP_HTTP_URI_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* "/path?query", "http://host/path?query", and "*" if allow_star. The path is
 * decoded; a path with a NUL, a control character, or a segment "." or ".." is
 * refused, since no honest client sends it. *host_out and *port_out are set for
 * the second form only, else emptied. False: malformed. */
bool http_uri_parse(struct str target, bool allow_star, struct arena *arena, struct str *path_out,
		    struct str *query_out, struct str *host_out, uint16_t *port_out);

/* The path as it was received, without "http://host" and the query. target:
 * http_uri_parse() has accepted it. */
struct str http_uri_raw_path(struct str target);

/* "Example.com:8443", "[::1]:80": the host in lower case (of an IPv6 address without
 * its brackets), and the port; 0: not given. False: malformed. */
bool http_uri_parse_host(struct str text, struct arena *arena, struct str *host_out, uint16_t *port_out);

/* %41 becomes A; plus: '+' becomes a space, as in queries and forms. False: an
 * incomplete escape, or a NUL. */
bool http_uri_decode(struct str text, bool plus, struct arena *arena, struct str *out);

/* The value of the first parameter of that name in "a=1&b=2", decoded. False: there
 * is none, or it is malformed. */
bool http_uri_parameter(struct str query, struct str name, struct arena *arena, struct str *value_out);

#endif
