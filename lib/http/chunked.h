/* Decodes the chunked coding of a request's body (RFC 9112, 7.1) as it arrives.
 * Strict, like head.h: sizes in plain hexadecimal digits, extensions up to
 * HTTP_EXTENSION_MAX bytes (ignored), lines ended by CRLF alone, trailers up to
 * HTTP_TRAILERS_MAX bytes (ignored). */
#ifndef SP_HTTP_CHUNKED_H
#define SP_HTTP_CHUNKED_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

#define HTTP_EXTENSION_MAX 256
#define HTTP_TRAILERS_MAX  (8 * 1024)

enum http_chunked_state {
	HTTP_CHUNK_SIZE,
	HTTP_CHUNK_EXTENSION,
	HTTP_CHUNK_SIZE_LF,
	HTTP_CHUNK_DATA,
	HTTP_CHUNK_DATA_CR,
	HTTP_CHUNK_DATA_LF,
	HTTP_CHUNK_TRAILER,
	HTTP_CHUNK_TRAILER_LF,
	HTTP_CHUNK_DONE,
	HTTP_CHUNK_BAD,
};

/* All zero: at the beginning. */
struct http_chunked {
	enum http_chunked_state state;
	uint64_t left;		/* of the chunk's data; bytes still to come */
	uint32_t digits;	/* of its size */
	uint32_t extension;	/* bytes of it */
	uint32_t trailer_bytes; /* of all */
	uint32_t line_bytes;	/* of the current trailer line */
};

/* Consumes a piece and returns how much of it was used: at least 1 byte of a non-empty
 * piece, unless the body is done or bad. *data_out: the part of it that belongs to the
 * body; may be empty. Call it again for the rest. */
size_t http_chunked_feed(struct http_chunked *c, struct str piece, struct str *data_out);

#endif
