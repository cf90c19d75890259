/* What a client wants of a representation that it may have in part, or already: Range
 * with one range of bytes (RFC 9110, 14), and entity tags (8.8.3, 13.1.2). */
#ifndef SP_HTTP_RANGE_H
#define SP_HTTP_RANGE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/str.h"

enum http_range {
	HTTP_RANGE_WHOLE, /* none, not understood, or several: all of it is right as well */
	HTTP_RANGE_PART,
	HTTP_RANGE_NONE, /* 416: it lies behind the end */
};

/* value: of the field Range. The part lies within total bytes, and is never empty. */
enum http_range http_range_parse(struct str value, uint64_t total, uint64_t *from_out, uint64_t *length_out);

/* Is the tag ("\"abc\"", strong) in a list as If-None-Match has it? "*" is any. Compared
 * weakly: W/"abc" is the same. */
bool http_etag_is_listed(struct str list, struct str etag);

#endif
