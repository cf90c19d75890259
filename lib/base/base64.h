/* base64 (RFC 4648, section 4), strict: padded, no white space. */
#ifndef SP_BASE_BASE64_H
#define SP_BASE_BASE64_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

void base64_encode(struct str data, struct buf *out); /* appends */
bool base64_decode(struct str text, struct buf *out); /* appends; false: malformed, out then holds a part */

#endif
