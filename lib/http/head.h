/* The head of an HTTP/1.1 request: request line and fields (RFC 9110, 9112).
 *
 * There are two steps, so that a head may arrive in pieces of any size:
 * http_scan_feed() looks for its end, http_head_parse() parses the whole. Both are
 * strict on purpose. Anything that two readers might understand differently is
 * refused, so that a proxy in front and this server never disagree on where a
 * request ends (request smuggling): bare CR or LF, folded lines, a space before the
 * colon, a second Host or Content-Length, a Content-Length together with a
 * Transfer-Encoding, any coding but "chunked". */
#ifndef SP_HTTP_HEAD_H
#define SP_HTTP_HEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

#define HTTP_LINE_MAX	(8 * 1024)  /* of the request line; more: 414 */
#define HTTP_HEAD_MAX	(32 * 1024) /* of the whole head; more: 431 */
#define HTTP_FIELDS_MAX 100	    /* more: 431 */

/* Any other method gets 501. */
#define HTTP_METHODS(M) M(GET) M(HEAD) M(POST) M(PUT) M(DELETE) M(OPTIONS) M(PATCH)

enum http_method {
#define HTTP_METHOD_MEMBER(name) HTTP_##name,
	HTTP_METHODS(HTTP_METHOD_MEMBER)
#undef HTTP_METHOD_MEMBER
		HTTP_METHOD_COUNT
};

/* The bit of a method in a set of them. */
#define HTTP_BIT(method) (1u << (method))

const char *http_method_name(enum http_method method);

/* ---- Finding the end ---- */
struct http_scan {
	uint32_t bytes;	     /* seen so far, including empty lines in front */
	uint32_t line_bytes; /* of the current line, without its CRLF */
	uint32_t lines;	     /* complete ones, without empty ones in front */
	bool after_cr, done;
};

/* Consumes input and returns how much of it belongs to the head (all, unless the
 * head ends in it: then scan->done). *status_out: 0, or the status (400, 414, 431)
 * to answer before the connection is closed. Begin with a scan that is all zero. */
size_t http_scan_feed(struct http_scan *scan, struct str piece, int *status_out);

/* ---- Parsing ---- */
struct http_field {
	struct str name, value; /* value: without white space around it */
};

struct http_head {
	enum http_method method;
	unsigned minor;	   /* HTTP/1.0: 0; HTTP/1.1 and above: 1 */
	struct str target; /* as received */
	struct str path;   /* decoded, begins with '/'; or "*" (OPTIONS for the whole server) */
	struct str query;  /* as received, without the '?' */
	struct str host;   /* lower case, without a port; may be empty for HTTP/1.0 only */
	uint16_t port;	   /* next to the host; 0: not given */
	struct http_field *fields;
	unsigned field_count;
	bool chunked;	       /* the body is chunked */
	uint64_t length;       /* of the body; 0 if chunked */
	bool keep_alive;       /* the client wants to keep the connection */
	bool expects_continue; /* it waits for 100 before sending the body */
};

/* text: a complete head as found by the scan, with or without the empty lines in
 * front. out points into text or the arena. Returns 0, or the status (400, 417,
 * 431, 501, 505) to answer before the connection is closed. */
int http_head_parse(struct str text, struct arena *arena, struct http_head *out);

/* The value of the first field of that name (in any case); NULL: there is none. */
const struct str *http_head_field(const struct http_head *head, struct str name);
/* Is the token in the comma-separated list, over all fields of that name? */
bool http_head_has_token(const struct http_head *head, struct str name, struct str token);

#endif
