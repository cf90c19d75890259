/* Checks UTF-8 that arrives in pieces (RFC 3629: no surrogates, no overlong forms), and
 * tells at the first byte that is wrong. str_is_utf8() does it for a whole text. */
#ifndef SP_BASE_UTF8_H
#define SP_BASE_UTF8_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* All zero at first. */
struct utf8_check {
	unsigned char left;	 /* bytes of the current character that are still to come */
	unsigned char low, high; /* what the next of them must lie between */
};

/* False: malformed; the check is of no more use. */
bool utf8_feed(struct utf8_check *u, struct str piece);

/* True if no character has been cut. */
static inline bool
utf8_is_whole(const struct utf8_check *u)
{
	return u->left == 0;
}

/* The character of a well-formed sequence (str_utf8_sequence()). */
uint32_t utf8_character(struct str sequence);

/* Not printed, but it changes how a text looks: C1 controls (U+0080 to U+009F), marks and
 * overrides of direction, characters without width, ends of lines, private and unassigned characters. */
bool utf8_is_hidden(uint32_t character);
/* text: well-formed. */
bool utf8_has_hidden(struct str text);

/* Foreign text, made fit for a log or a report: printable, one line, valid UTF-8, at most max bytes. */
struct str utf8_clean_text(struct arena *arena, struct str text, size_t max);

#endif
