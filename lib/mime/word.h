/* Text of headers in UTF-8: encoded-words (RFC 2047), charsets by ICU. */
#ifndef SP_MIME_WORD_H
#define SP_MIME_WORD_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* Converts data from a charset (by MIME name; empty or unknown: UTF-8 if it is
 * valid, else windows-1252) to well-formed UTF-8. In the arena, or data itself. */
struct str mime_to_utf8(struct str charset, struct str data, struct arena *arena);

/* Unfolds a field's text and decodes its encoded-words into well-formed UTF-8
 * without control characters. In the arena, or text itself. */
struct str mime_decode_words(struct str text, struct arena *arena);

#endif
