/* The remote's words, made fit for a page, a log and a terminal. */
#ifndef SP_WORKER_RETRIEVE_WORDS_H
#define SP_WORKER_RETRIEVE_WORDS_H

#include <stddef.h>

#include "lib/base/str.h"

/* Printable UTF-8 in one line without its outer spaces, cut to size - 1 bytes. What does
 * not print, reverses the direction of text or is not UTF-8 becomes '?', control characters
 * become spaces. Always terminated. Returns the length. */
size_t words_clean(struct str raw, char *out, size_t size);

#endif
