/* The head of an HTTP/1.1 request: request line and fields (RFC 9110, 9112).
 *
 * Two steps, so that a head may come in any pieces: http_scan_feed() looks for its
 * end, http_head_parse() reads the whole. Both are strict on purpose. Whatever two
 * readers may understand differently is refused, so that a proxy in front and this
 * server never disagree on where a request ends (request smuggling): bare CR or LF,
 * folded lines, a space before the colon, a second Host or Content-Length, a
 * Content-Length beside a Transfer-Encoding, any coding but "chunked". */
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

/* Any other method is answered 501. */
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

/* ---- Where it ends ---- */
struct http_scan {
	uint32_t bytes;	     /* seen so far, with empty lines in front */
	uint32_t line_bytes; /* of the line in hand, without its CRLF */
	uint32_t lines;	     /* whole ones, empty ones in front not counted */
	bool after_cr, done;
};

/* Takes what has come; returns how much of it belongs to the head (all, unless the
 * head ends in it: then scan->done). *status_out: 0, or the status (400, 414, 431)
 * with which the connection is to be closed. A zeroed scan begins. */
size_t http_scan_feed(struct http_scan *scan, struct str piece, int *status_out);

/* ---- What it says ---- */
struct http_field {
	struct str name, value; /* value: without white space around it */
};

struct http_head {
	enum http_method method;
	unsigned minor;	   /* HTTP/1.0: 0; HTTP/1.1 and above: 1 */
	struct str target; /* as it came */
	struct str path;   /* decoded, begins with '/'; "*" of OPTIONS for the whole server */
	struct str query;  /* as it came, without the '?' */
	struct str host;   /* lower case, without a port; empty: HTTP/1.0 alone may have none */
	uint16_t port;	   /* beside it; 0: not given */
	struct http_field *fields;
	unsigned field_count;
	bool chunked;	       /* the body is */
	uint64_t length;       /* of the body; 0 if chunked */
	bool keep_alive;       /* the client wants the connection to stay */
	bool expects_continue; /* it waits for 100 before it sends the body */
};

/* text: a whole head as found by the scan, without the empty lines in front or with
 * them. What out points to lies in text or in arena. Returns 0, or the status (400,
 * 417, 431, 501, 505) with which the connection is to be closed. */
int http_head_parse(struct str text, struct arena *arena, struct http_head *out);

/* The value of the first field of that name (in any case); NULL: there is none. */
const struct str *http_head_field(const struct http_head *head, struct str name);
/* Is the token in a comma-separated list, over all fields of that name? */
bool http_head_has_token(const struct http_head *head, struct str name, struct str token);

#endif
