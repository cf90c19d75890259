/* base64 (RFC 4648, section 4), and base64url without padding (section 5). Decoding is
 * strict: no white space, no other alphabet, and unused bits must be zero. */
#ifndef SP_BASE_BASE64_H
#define SP_BASE_BASE64_H

#include <stdbool.h>

#include "lib/base/buf.h"
#include "lib/base/str.h"

/* They append. False: malformed; then out may hold a part. */
void base64_encode(struct str data, struct buf *out); /* padded */
bool base64_decode(struct str text, struct buf *out);
void base64url_encode(struct str data, struct buf *out); /* without "=" */
bool base64url_decode(struct str text, struct buf *out); /* "=" is malformed */

#endif
