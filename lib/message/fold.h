/* Texts as searches and sorts compare them: i;unicode-casemap (RFC 5051) in
 * spirit, but with full case folding, so that "STRASSE" finds "Straße".
 * Decomposed: "e" finds what begins with it under any accent, and an accent
 * sorts behind its letter. Ordinary letters in capitals. Pure. */
#ifndef SP_MESSAGE_FOLD_H
#define SP_MESSAGE_FOLD_H

#include "lib/base/arena.h"
#include "lib/base/str.h"

/* In the arena. Malformed UTF-8 gives U+FFFD. */
struct str message_fold(struct str utf8, struct arena *arena);
/* Does the text, not folded, contain what message_fold() gave of another? What it
 * needs for that lies in scratch. */
bool message_fold_contains(struct str utf8, struct str folded_needle, struct arena *scratch);

#endif
