/* Text of headers in UTF-8: encoded-words (RFC 2047), charsets by ICU. */
#ifndef SP_MIME_WORD_H
#define SP_MIME_WORD_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* data in a charset (by its MIME name; empty or unknown: UTF-8 if it is that,
 * else windows-1252) as well-formed UTF-8. In the arena, or data itself. */
struct str mime_to_utf8(struct str charset, struct str data, struct arena *arena);

/* A field's text, unfolded, with its encoded-words decoded, as well-formed
 * UTF-8 without control characters. In the arena, or text itself. */
struct str mime_decode_words(struct str text, struct arena *arena);

#endif
